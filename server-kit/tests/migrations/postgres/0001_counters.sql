CREATE TABLE counters (
    id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    total BIGINT NOT NULL,
    note TEXT,
    bytes BYTEA NOT NULL,
    owner UUID,
    place DOUBLE PRECISION
);
