-- Who takes part: banks, merchants and their terminals, people with their accounts and phones.
CREATE TABLE banks (
    bank_id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    suspended INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE merchants (
    merchant_id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    category TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE terminals (
    terminal_id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    merchant_id TEXT NOT NULL,
    place TEXT,
    latitude REAL,
    longitude REAL,
    suspended INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A phone number is found by its keyed hash; number and name are sealed.
CREATE TABLE persons (
    person_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    phone_hash BLOB NOT NULL UNIQUE,
    phone_sealed BLOB NOT NULL,
    name_sealed BLOB NOT NULL,
    password_mac BLOB,
    registered_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An account belongs to one person; one of a person's accounts pays for the phone number.
CREATE TABLE bindings (
    bank_id TEXT NOT NULL,
    account_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    person_id BLOB NOT NULL,
    account_masked TEXT NOT NULL,
    active INTEGER NOT NULL,
    is_default INTEGER NOT NULL,
    bound_at INTEGER NOT NULL,
    PRIMARY KEY (bank_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX bindings_person ON bindings (person_id);
CREATE UNIQUE INDEX bindings_default ON bindings (person_id) WHERE is_default = 1;

CREATE TABLE enrolment_codes (
    person_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    code_mac BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    attempts_left INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    device_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    person_id BLOB NOT NULL,
    -- An uncompressed P-256 point.
    public_key BLOB NOT NULL,
    revoked INTEGER NOT NULL,
    acknowledged_sequence INTEGER NOT NULL,
    enrolled_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_person ON devices (person_id);

-- A token is known by its keyed hash only.
CREATE TABLE sessions (
    token_hash BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    device_id BLOB NOT NULL,
    person_id BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- A nonce proves by itself that this hub made it and when; what is stored is that it was used.
CREATE TABLE spent_nonces (
    nonce BLOB NOT NULL PRIMARY KEY,
    device_id BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_nonces_expiry ON spent_nonces (expires_at);
