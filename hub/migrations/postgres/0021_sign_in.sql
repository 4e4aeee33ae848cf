-- Signing in by web page. Times are UTC microseconds.

-- Account passwords, and the counters of who has one.
CREATE TABLE account_passwords (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- Argon2id, with its salt and its costs, as a PHC string.
    hash TEXT NOT NULL,
    -- The order by which it was set, and when that was signed: an earlier one sets nothing.
    order_id UUID NOT NULL,
    signed_at BIGINT NOT NULL,
    -- Wrong tries in a row.
    failures BIGINT NOT NULL,
    blocked_until BIGINT,
    -- When codes were sent, eight bytes each, oldest first.
    codes_sent BYTEA NOT NULL
);

-- Sign-ins that have begun, of known and unknown numbers alike.
CREATE TABLE sign_ins (
    -- The keyed hash of what the browser holds.
    token_hash BYTEA NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    sign_in_id UUID NOT NULL,
    phone_hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    attempts_left BIGINT NOT NULL,
    -- Once a code was sent: to whom, and its keyed hash.
    person_id UUID,
    code_mac BYTEA,
    -- The last wrong try, which counts once.
    last_try UUID
);
CREATE INDEX sign_ins_end ON sign_ins (expires_at);

-- Sessions of browsers.
CREATE TABLE web_sessions (
    -- The keyed hash of what the browser holds.
    token_hash BYTEA NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    person_id UUID NOT NULL,
    -- When it ends without a request, and with requests at the latest.
    expires_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX web_sessions_person ON web_sessions (person_id);
CREATE INDEX web_sessions_end ON web_sessions (expires_at);
