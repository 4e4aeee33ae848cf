-- Versions of the keys of columns. Times are UTC microseconds.

-- The version that everybody writes. Whoever writes a keyed hash that has to be the only one holds its row until the end.
CREATE TABLE key_currents (
    name TEXT NOT NULL PRIMARY KEY,
    key_version BIGINT NOT NULL,
    since BIGINT NOT NULL
);

-- Every version that a server has ever held.
CREATE TABLE key_versions (
    name TEXT NOT NULL,
    key_version BIGINT NOT NULL,
    -- The first bytes of a hash of the key, by which another key of the same number is told from it.
    check_value BYTEA NOT NULL,
    retired_at BIGINT,
    PRIMARY KEY (name, key_version)
);

-- What each server holds, and which of it it writes with.
CREATE TABLE key_holders (
    replica TEXT NOT NULL,
    name TEXT NOT NULL,
    key_version BIGINT NOT NULL,
    is_used BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (replica, name, key_version)
);

-- Columns that are or were rewritten to a version.
CREATE TABLE key_rewrites (
    column_name TEXT NOT NULL PRIMARY KEY,
    key_version BIGINT NOT NULL,
    -- The server that rewrites it, and until when it need not say so again.
    leased_by TEXT NOT NULL,
    leased_until BIGINT NOT NULL,
    rewritten BIGINT NOT NULL,
    -- The first rows that could not be rewritten, a line each.
    damaged TEXT NOT NULL,
    finished_at BIGINT
);
