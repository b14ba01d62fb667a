-- Schema version 3: exchanges whose agency answers later.

DROP INDEX exchanges_due;
CREATE INDEX exchanges_due ON exchanges (due_us) WHERE state IN ('RECEIVED', 'AWAITING');
CREATE INDEX exchanges_awaiting ON exchanges (received_us) WHERE state = 'AWAITING';

CREATE TABLE awaited (
    agency TEXT NOT NULL,
    answer_key TEXT NOT NULL,
    caller TEXT NOT NULL,
    message_id TEXT NOT NULL,
    raw BLOB,
    proven BLOB,
    answered_us INTEGER,
    late INTEGER NOT NULL,
    PRIMARY KEY (agency, answer_key)
);
CREATE INDEX awaited_by ON awaited (message_id, caller);
