-- Who takes part: banks, merchants and their terminals, people with their accounts and phones.
CREATE TABLE banks (
    bank_id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    suspended BIGINT NOT NULL
);

CREATE TABLE merchants (
    merchant_id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    category TEXT NOT NULL
);

CREATE TABLE terminals (
    terminal_id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    merchant_id TEXT NOT NULL,
    place TEXT,
    latitude DOUBLE PRECISION,
    longitude DOUBLE PRECISION,
    suspended BIGINT NOT NULL
);

-- A phone number is found by its keyed hash; number and name are sealed.
CREATE TABLE persons (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    phone_hash BYTEA NOT NULL UNIQUE,
    phone_sealed BYTEA NOT NULL,
    name_sealed BYTEA NOT NULL,
    password_mac BYTEA,
    registered_at BIGINT NOT NULL
);

-- An account belongs to one person; one of a person's accounts pays for the phone number.
CREATE TABLE bindings (
    bank_id TEXT NOT NULL,
    account_id UUID NOT NULL,
    version BIGINT NOT NULL,
    person_id UUID NOT NULL,
    account_masked TEXT NOT NULL,
    active BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    bound_at BIGINT NOT NULL,
    PRIMARY KEY (bank_id, account_id)
);
CREATE INDEX bindings_person ON bindings (person_id);
CREATE UNIQUE INDEX bindings_default ON bindings (person_id) WHERE is_default = 1;

CREATE TABLE enrolment_codes (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    code_mac BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    attempts_left BIGINT NOT NULL
);

CREATE TABLE devices (
    device_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    person_id UUID NOT NULL,
    -- An uncompressed P-256 point.
    public_key BYTEA NOT NULL,
    revoked BIGINT NOT NULL,
    acknowledged_sequence BIGINT NOT NULL,
    enrolled_at BIGINT NOT NULL
);
CREATE INDEX devices_person ON devices (person_id);

-- A token is known by its keyed hash only.
CREATE TABLE sessions (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    device_id UUID NOT NULL,
    person_id UUID NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- A nonce proves by itself that this hub made it and when; what is stored is that it was used.
CREATE TABLE spent_nonces (
    nonce BYTEA NOT NULL PRIMARY KEY,
    device_id UUID NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX spent_nonces_expiry ON spent_nonces (expires_at);
