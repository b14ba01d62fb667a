-- The journal on SQLite, schema version 1. Times are microseconds since 1970 (UTC).

CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    previous BLOB NOT NULL,
    digest BLOB NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL,
    caller TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    UNIQUE (chain, seq)
);
CREATE INDEX records_of ON records (message_id, caller);

CREATE TRIGGER records_are_never_changed BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'journal records are never changed'); END;
CREATE TRIGGER records_are_never_removed BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'journal records are never removed'); END;

CREATE TABLE exchanges (
    message_id TEXT NOT NULL,
    caller TEXT NOT NULL,
    route TEXT NOT NULL,
    received_us INTEGER NOT NULL,
    received BLOB NOT NULL,
    body BLOB,
    state TEXT NOT NULL,
    status TEXT,
    outcome BLOB,
    reply_body BLOB,
    lease_owner TEXT,
    due_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    call_begun INTEGER NOT NULL,
    PRIMARY KEY (message_id, caller)
);
CREATE INDEX exchanges_due ON exchanges (due_us) WHERE state = 'RECEIVED';
CREATE INDEX exchanges_parked ON exchanges (received_us) WHERE state = 'PARKED';
CREATE INDEX exchanges_by_time ON exchanges (received_us);

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message BLOB NOT NULL,
    body BLOB,
    body_of INTEGER NOT NULL,
    caller TEXT NOT NULL,
    message_id TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    returned_us INTEGER
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE returned_us IS NULL;

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    caller TEXT NOT NULL,
    message_id TEXT NOT NULL,
    body BLOB,
    signature TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    UNIQUE (caller, message_id)
);
CREATE INDEX inbox_waiting ON inbox (caller, id);

CREATE TABLE claims (
    key TEXT PRIMARY KEY,
    expires_us INTEGER NOT NULL,
    used_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX claims_expiry ON claims (expires_us);

CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY,
    line BLOB NOT NULL
);
CREATE TRIGGER checkpoints_are_never_changed BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoints_are_never_removed BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are never removed'); END;

CREATE TABLE pulses (
    owner TEXT PRIMARY KEY,
    at_us INTEGER NOT NULL
) WITHOUT ROWID;
