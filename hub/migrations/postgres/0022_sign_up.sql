-- Carriers, whom they sign up, and the numbers that they speak of. Times are UTC microseconds.

CREATE TABLE carriers (
    carrier_id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    -- The banks at which it signs people up, in the order of its turns, with spaces between them.
    bank_ids TEXT NOT NULL,
    suspended BIGINT NOT NULL,
    -- Sign-ups that were given to a bank in turn.
    turns BIGINT NOT NULL,
    -- The sequence of the last answer to it.
    last_answer BIGINT NOT NULL
);

-- Whose a citizen identity number is: one person's. It is found by its keyed hash and kept sealed.
CREATE TABLE citizens (
    citizen_hash BYTEA NOT NULL PRIMARY KEY,
    person_id UUID NOT NULL UNIQUE,
    citizen_sealed BYTEA NOT NULL,
    known_since BIGINT NOT NULL
);

-- The numbers that carriers have signed up, for as long as their people have them. A person's first one stands in persons, too.
CREATE TABLE numbers (
    phone_hash BYTEA NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    person_id UUID NOT NULL,
    -- Sealed as in persons.
    phone_sealed BYTEA NOT NULL,
    carrier_id TEXT NOT NULL,
    -- How often it has changed its SIM card or its owner.
    epoch BIGINT NOT NULL,
    signed_up_at BIGINT NOT NULL
);
CREATE INDEX numbers_person ON numbers (person_id);

CREATE TABLE sign_ups (
    sign_up_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- ASKED, OPENING, BOUND, TOLD or REFUSED.
    state TEXT NOT NULL,
    refusal TEXT,
    bank_id TEXT,
    account_id UUID,
    person_id UUID,
    account_masked TEXT,
    -- The place among the answers to the carrier; none before it is decided.
    answer_sequence BIGINT,
    decided_at BIGINT,
    -- When it is looked at next; none when there is nothing left to do.
    due_at BIGINT,
    tries BIGINT NOT NULL,
    -- Number, name and citizen identity number; gone when it is decided.
    sealed BYTEA,
    -- From here on nothing changes after it was taken in.
    carrier_id TEXT NOT NULL,
    asked_bank_id TEXT,
    phone_hash BYTEA NOT NULL,
    -- The keyed hash of what was asked, by which the same id with other content is found out.
    content_mac BYTEA NOT NULL,
    -- What the person has agreed to.
    consent TEXT NOT NULL,
    asked_at BIGINT NOT NULL
);
-- A number is signed up by one at a time.
CREATE UNIQUE INDEX sign_ups_number ON sign_ups (phone_hash) WHERE answer_sequence IS NULL;
CREATE UNIQUE INDEX sign_ups_answer ON sign_ups (carrier_id, answer_sequence) WHERE answer_sequence IS NOT NULL;
CREATE INDEX sign_ups_due ON sign_ups (due_at) WHERE due_at IS NOT NULL;

-- What carriers have reported of numbers, so that the same report again gives the first answer.
CREATE TABLE number_reports (
    report_id UUID NOT NULL PRIMARY KEY,
    carrier_id TEXT NOT NULL,
    content_mac BYTEA NOT NULL,
    -- That of the number afterwards.
    epoch BIGINT NOT NULL,
    taken_at BIGINT NOT NULL
);
