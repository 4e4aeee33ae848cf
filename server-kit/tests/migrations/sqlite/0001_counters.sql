CREATE TABLE counters (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    total INTEGER NOT NULL,
    note TEXT,
    bytes BLOB NOT NULL,
    owner BLOB,
    place REAL
) STRICT;
