CREATE TABLE audit_log (
    chain TEXT NOT NULL,
    seq BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    -- A line for each thing that happened in one transaction; seq is the number of the last one.
    entries TEXT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (chain, seq)
);
-- A page is seldom read, and packing it would cost more than its room.
ALTER TABLE audit_log ALTER COLUMN entries SET STORAGE EXTERNAL;
CREATE INDEX audit_log_time ON audit_log (occurred_at);
CREATE TABLE audit_heads (
    chain TEXT NOT NULL,
    seq BIGINT NOT NULL,
    signed_at BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE TABLE owners (
    name TEXT NOT NULL PRIMARY KEY,
    mark UUID NOT NULL
);
