-- Versions of the keys of columns. Times are UTC microseconds.

-- The version that everybody writes. Whoever writes a keyed hash that has to be the only one holds its row until the end.
CREATE TABLE key_currents (
    name TEXT NOT NULL PRIMARY KEY,
    key_version INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;

-- Every version that a server has ever held.
CREATE TABLE key_versions (
    name TEXT NOT NULL,
    key_version INTEGER NOT NULL,
    -- The first bytes of a hash of the key, by which another key of the same number is told from it.
    check_value BLOB NOT NULL,
    retired_at INTEGER,
    PRIMARY KEY (name, key_version)
) STRICT;

-- What each server holds, and which of it it writes with.
CREATE TABLE key_holders (
    replica TEXT NOT NULL,
    name TEXT NOT NULL,
    key_version INTEGER NOT NULL,
    is_used INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (replica, name, key_version)
) STRICT;

-- Columns that are or were rewritten to a version.
CREATE TABLE key_rewrites (
    column_name TEXT NOT NULL PRIMARY KEY,
    key_version INTEGER NOT NULL,
    -- The server that rewrites it, and until when it need not say so again.
    leased_by TEXT NOT NULL,
    leased_until INTEGER NOT NULL,
    rewritten INTEGER NOT NULL,
    -- The first rows that could not be rewritten, a line each.
    damaged TEXT NOT NULL,
    finished_at INTEGER
) STRICT;
