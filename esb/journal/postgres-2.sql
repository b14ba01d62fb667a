-- Schema version 2: the register of adapters. A document is what stands of one agency, as the bus last wrote it.

CREATE TABLE registrations (
    agency text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL,
    document bytea NOT NULL
);

CREATE TABLE bundles (
    sha256 text COLLATE "C" PRIMARY KEY,
    content bytea NOT NULL
);
CREATE TRIGGER bundles_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bundles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
