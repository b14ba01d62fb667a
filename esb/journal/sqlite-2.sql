-- Schema version 2: the register of adapters. A document is what stands of one agency, as the bus last wrote it.

CREATE TABLE registrations (
    agency TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    document BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE bundles (
    sha256 TEXT PRIMARY KEY,
    content BLOB NOT NULL
);
CREATE TRIGGER bundles_are_never_changed BEFORE UPDATE ON bundles
BEGIN SELECT RAISE(ABORT, 'bundles are never changed'); END;
CREATE TRIGGER bundles_are_never_removed BEFORE DELETE ON bundles
BEGIN SELECT RAISE(ABORT, 'bundles are never removed'); END;
