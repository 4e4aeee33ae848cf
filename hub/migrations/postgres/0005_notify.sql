-- Telling people by SMS, e-mail and push: what is to be sent, what each person prefers, and their own words. What is said, where it
-- goes and what a template says is sealed.

-- The outbox: a row for each person, event and channel, and for push for each phone. The key says so, and is there once.
CREATE TABLE notices (
    notice_id UUID NOT NULL PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    person_id UUID NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    device_id UUID,
    -- Smaller goes first.
    urgency BIGINT NOT NULL,
    -- QUEUED, SENT or DEAD.
    state TEXT NOT NULL,
    -- The values that it speaks of; nothing once a code was sent or has ended.
    payload_sealed BYTEA,
    occurred_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT,
    tries BIGINT NOT NULL,
    -- Whoever sends it has it until then.
    leased_until BIGINT NOT NULL,
    owner UUID,
    error TEXT,
    done_at BIGINT,
    -- What the other side calls it, and what it said later of how it arrived.
    provider_id TEXT,
    receipt TEXT
);
CREATE INDEX notices_due ON notices (channel, urgency, due_at) WHERE state = 'QUEUED';
CREATE INDEX notices_dead ON notices (notice_id) WHERE state = 'DEAD';
CREATE INDEX notices_done ON notices (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX notices_provider ON notices (provider_id) WHERE provider_id IS NOT NULL;

CREATE TABLE preferences (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    language TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    -- Minutes after midnight.
    quiet_from BIGINT,
    quiet_until BIGINT,
    -- What differs from the default, as words such as -CHARGE/SMS.
    choices TEXT NOT NULL,
    -- An address that is confirmed.
    mail_sealed BYTEA,
    -- How prices nearby are told: OFF, WITH_CHARGE or SEPARATE.
    prices TEXT NOT NULL
);

-- The e-mail address that a person has named and not confirmed, and the codes that were sent of late.
CREATE TABLE mail_proofs (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- Nothing when none waits.
    mail_sealed BYTEA,
    -- The keyed hash of the code, the person and the address. It stays when the address is confirmed, so that the same code again is
    -- the same answer.
    code_mac BYTEA,
    tries_left BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    codes BIGINT NOT NULL,
    codes_since BIGINT NOT NULL
);

CREATE TABLE templates (
    person_id UUID NOT NULL,
    kind TEXT NOT NULL,
    language TEXT NOT NULL,
    channel TEXT NOT NULL,
    version BIGINT NOT NULL,
    text_sealed BYTEA NOT NULL,
    PRIMARY KEY (person_id, kind, language, channel)
);

-- Where a vendor's push service reaches a phone.
CREATE TABLE push_targets (
    device_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    person_id UUID NOT NULL,
    vendor TEXT NOT NULL,
    token_sealed BYTEA NOT NULL
);
CREATE INDEX push_targets_person ON push_targets (person_id);
