CREATE TABLE audit_log (
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    -- A line for each thing that happened in one transaction; seq is the number of the last one.
    entries TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_log_time ON audit_log (occurred_at);
CREATE TABLE audit_heads (
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    signed_at INTEGER NOT NULL,
    hash BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE owners (
    name TEXT NOT NULL PRIMARY KEY,
    mark BLOB NOT NULL
) STRICT;
