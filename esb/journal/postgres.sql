-- The journal on PostgreSQL, schema version 1. Times are microseconds since 1970 (UTC).
-- Run inside a transaction with search_path = journal.

CREATE TABLE records (
    id bigint GENERATED ALWAYS AS IDENTITY,
    chain text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    previous bytea NOT NULL,
    digest bytea NOT NULL,
    kind text COLLATE "C" NOT NULL,
    content bytea NOT NULL,
    caller text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    at_us bigint NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE INDEX records_of ON records (message_id, caller);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;

CREATE TRIGGER records_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE exchanges (
    message_id text COLLATE "C" NOT NULL,
    caller text COLLATE "C" NOT NULL,
    route text COLLATE "C" NOT NULL,
    received_us bigint NOT NULL,
    received bytea NOT NULL,
    body bytea,
    state text COLLATE "C" NOT NULL,
    status text COLLATE "C",
    outcome bytea,
    reply_body bytea,
    lease_owner text COLLATE "C",
    due_us bigint NOT NULL,
    attempts integer NOT NULL,
    call_begun smallint NOT NULL,
    PRIMARY KEY (message_id, caller)
);
CREATE INDEX exchanges_due ON exchanges (due_us) WHERE state = 'RECEIVED';
CREATE INDEX exchanges_parked ON exchanges (received_us) WHERE state = 'PARKED';
CREATE INDEX exchanges_by_time ON exchanges (received_us);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message bytea NOT NULL,
    body bytea,
    body_of smallint NOT NULL,
    caller text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    due_us bigint NOT NULL,
    returned_us bigint
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE returned_us IS NULL;

CREATE TABLE inbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    caller text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    body bytea,
    signature text COLLATE "C" NOT NULL,
    due_us bigint NOT NULL,
    UNIQUE (caller, message_id)
);
CREATE INDEX inbox_waiting ON inbox (caller, id);

CREATE TABLE claims (
    key text COLLATE "C" PRIMARY KEY,
    expires_us bigint NOT NULL,
    used_by text COLLATE "C" NOT NULL
);
CREATE INDEX claims_expiry ON claims (expires_us);

CREATE TABLE checkpoints (
    seq bigint PRIMARY KEY,
    line bytea NOT NULL
);
CREATE TRIGGER checkpoints_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE pulses (
    owner text COLLATE "C" PRIMARY KEY,
    at_us bigint NOT NULL
);

-- The rows of one commit travel as arrays of these.

CREATE TYPE exchange_change AS (
    message_id text, caller text, was_state text, was_owner text, was_attempts integer,
    state text, status text, outcome bytea, reply_body bytea, lease_owner text, due_us bigint,
    attempts integer, call_begun smallint
);
CREATE TYPE new_record AS (
    chain text, seq bigint, previous bytea, digest bytea, kind text, content bytea,
    caller text, message_id text, at_us bigint
);
CREATE TYPE new_outgoing AS (
    message bytea, body bytea, body_of smallint, caller text, message_id text, due_us bigint
);
CREATE TYPE new_reply AS (
    caller text, message_id text, body bytea, signature text, due_us bigint
);

-- All of a routine commit in one statement, so that it needs one round trip and one fsync. Exchanges come first:
-- their row locks put the records of one exchange into the order of their ids. ES001 means that the writer assumed
-- what no longer holds; nothing is written then.
CREATE FUNCTION write_batch(
    new_exchanges exchanges[], changes exchange_change[], new_records new_record[],
    outgoing new_outgoing[], replies new_reply[], new_claims claims[], now_us bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    written bigint;
BEGIN
    IF cardinality(new_exchanges) > 0 THEN
        INSERT INTO exchanges SELECT * FROM unnest(new_exchanges) ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(new_exchanges) THEN
            RAISE EXCEPTION 'an exchange is there already' USING ERRCODE = 'ES001';
        END IF;
    END IF;
    IF cardinality(changes) > 0 THEN
        UPDATE exchanges SET
            state = change.state, status = change.status, outcome = change.outcome, reply_body = change.reply_body,
            lease_owner = change.lease_owner, due_us = change.due_us, attempts = change.attempts,
            call_begun = change.call_begun
        FROM unnest(changes) AS change
        WHERE exchanges.message_id = change.message_id AND exchanges.caller = change.caller
            AND exchanges.state = change.was_state AND exchanges.attempts = change.was_attempts
            AND exchanges.lease_owner IS NOT DISTINCT FROM change.was_owner;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(changes) THEN
            RAISE EXCEPTION 'an exchange has changed' USING ERRCODE = 'ES001';
        END IF;
    END IF;
    IF cardinality(new_claims) > 0 THEN
        INSERT INTO claims SELECT * FROM unnest(new_claims)
            ON CONFLICT (key) DO UPDATE SET expires_us = excluded.expires_us, used_by = excluded.used_by
            WHERE claims.expires_us <= write_batch.now_us;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(new_claims) THEN
            RAISE EXCEPTION 'a claim is used up' USING ERRCODE = 'ES001';
        END IF;
    END IF;
    IF cardinality(new_records) > 0 THEN
        INSERT INTO records (chain, seq, previous, digest, kind, content, caller, message_id, at_us)
            SELECT * FROM unnest(new_records);
    END IF;
    IF cardinality(outgoing) > 0 THEN
        INSERT INTO outbox (message, body, body_of, caller, message_id, due_us) SELECT * FROM unnest(outgoing);
    END IF;
    IF cardinality(replies) > 0 THEN
        INSERT INTO inbox (caller, message_id, body, signature, due_us) SELECT * FROM unnest(replies)
            ON CONFLICT DO NOTHING;
    END IF;
END $$;
