CREATE TABLE audit_log (
    chain TEXT NOT NULL,
    seq BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject UUID NOT NULL,
    content TEXT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE INDEX audit_log_subject ON audit_log (subject);
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
