-- Signing in by web page. Times are UTC microseconds.

-- Account passwords, and the counters of who has one.
CREATE TABLE account_passwords (
    person_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- Argon2id, with its salt and its costs, as a PHC string.
    hash TEXT NOT NULL,
    -- The order by which it was set, and when that was signed: an earlier one sets nothing.
    order_id BLOB NOT NULL,
    signed_at INTEGER NOT NULL,
    -- Wrong tries in a row.
    failures INTEGER NOT NULL,
    blocked_until INTEGER,
    -- When codes were sent, eight bytes each, oldest first.
    codes_sent BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Sign-ins that have begun, of known and unknown numbers alike.
CREATE TABLE sign_ins (
    -- The keyed hash of what the browser holds.
    token_hash BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    sign_in_id BLOB NOT NULL,
    phone_hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    attempts_left INTEGER NOT NULL,
    -- Once a code was sent: to whom, and its keyed hash.
    person_id BLOB,
    code_mac BLOB,
    -- The last wrong try, which counts once.
    last_try BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_ins_end ON sign_ins (expires_at);

-- Sessions of browsers.
CREATE TABLE web_sessions (
    -- The keyed hash of what the browser holds.
    token_hash BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    person_id BLOB NOT NULL,
    -- When it ends without a request, and with requests at the latest.
    expires_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX web_sessions_person ON web_sessions (person_id);
CREATE INDEX web_sessions_end ON web_sessions (expires_at);
