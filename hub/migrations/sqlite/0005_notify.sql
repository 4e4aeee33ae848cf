-- Telling people by SMS, e-mail and push: what is to be sent, what each person prefers, and their own words. What is said, where it
-- goes and what a template says is sealed.

-- The outbox: a row for each person, event and channel, and for push for each phone. The key says so, and is there once.
CREATE TABLE notices (
    notice_id BLOB NOT NULL PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    person_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    device_id BLOB,
    -- Smaller goes first.
    urgency INTEGER NOT NULL,
    -- QUEUED, SENT or DEAD.
    state TEXT NOT NULL,
    -- The values that it speaks of; nothing once a code was sent or has ended.
    payload_sealed BLOB,
    occurred_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER,
    tries INTEGER NOT NULL,
    -- Whoever sends it has it until then.
    leased_until INTEGER NOT NULL,
    owner BLOB,
    error TEXT,
    done_at INTEGER,
    -- What the other side calls it, and what it said later of how it arrived.
    provider_id TEXT,
    receipt TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_due ON notices (channel, urgency, due_at) WHERE state = 'QUEUED';
CREATE INDEX notices_dead ON notices (notice_id) WHERE state = 'DEAD';
CREATE INDEX notices_done ON notices (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX notices_provider ON notices (provider_id) WHERE provider_id IS NOT NULL;

CREATE TABLE preferences (
    person_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    language TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    -- Minutes after midnight.
    quiet_from INTEGER,
    quiet_until INTEGER,
    -- What differs from the default, as words such as -CHARGE/SMS.
    choices TEXT NOT NULL,
    -- An address that is confirmed.
    mail_sealed BLOB,
    -- How prices nearby are told: OFF, WITH_CHARGE or SEPARATE.
    prices TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The e-mail address that a person has named and not confirmed, and the codes that were sent of late.
CREATE TABLE mail_proofs (
    person_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- Nothing when none waits.
    mail_sealed BLOB,
    -- The keyed hash of the code, the person and the address. It stays when the address is confirmed, so that the same code again is
    -- the same answer.
    code_mac BLOB,
    tries_left INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    codes INTEGER NOT NULL,
    codes_since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE templates (
    person_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    language TEXT NOT NULL,
    channel TEXT NOT NULL,
    version INTEGER NOT NULL,
    text_sealed BLOB NOT NULL,
    PRIMARY KEY (person_id, kind, language, channel)
) STRICT, WITHOUT ROWID;

-- Where a vendor's push service reaches a phone.
CREATE TABLE push_targets (
    device_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    person_id BLOB NOT NULL,
    vendor TEXT NOT NULL,
    token_sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX push_targets_person ON push_targets (person_id);
