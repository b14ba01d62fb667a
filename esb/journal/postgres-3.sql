-- Schema version 3: exchanges whose agency answers later.

DROP INDEX exchanges_due;
CREATE INDEX exchanges_due ON exchanges (due_us) WHERE state IN ('RECEIVED', 'AWAITING');
CREATE INDEX exchanges_awaiting ON exchanges (received_us) WHERE state = 'AWAITING';

CREATE TABLE awaited (
    agency text COLLATE "C" NOT NULL,
    answer_key text COLLATE "C" NOT NULL,
    caller text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    raw bytea,
    proven bytea,
    answered_us bigint,
    late smallint NOT NULL,
    PRIMARY KEY (agency, answer_key)
);
CREATE INDEX awaited_by ON awaited (message_id, caller);
