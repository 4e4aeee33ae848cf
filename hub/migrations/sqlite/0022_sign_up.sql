-- Carriers, whom they sign up, and the numbers that they speak of. Times are UTC microseconds.

CREATE TABLE carriers (
    carrier_id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    -- The banks at which it signs people up, in the order of its turns, with spaces between them.
    bank_ids TEXT NOT NULL,
    suspended INTEGER NOT NULL,
    -- Sign-ups that were given to a bank in turn.
    turns INTEGER NOT NULL,
    -- The sequence of the last answer to it.
    last_answer INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whose a citizen identity number is: one person's. It is found by its keyed hash and kept sealed.
CREATE TABLE citizens (
    citizen_hash BLOB NOT NULL PRIMARY KEY,
    person_id BLOB NOT NULL UNIQUE,
    citizen_sealed BLOB NOT NULL,
    known_since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The numbers that carriers have signed up, for as long as their people have them. A person's first one stands in persons, too.
CREATE TABLE numbers (
    phone_hash BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    person_id BLOB NOT NULL,
    -- Sealed as in persons.
    phone_sealed BLOB NOT NULL,
    carrier_id TEXT NOT NULL,
    -- How often it has changed its SIM card or its owner.
    epoch INTEGER NOT NULL,
    signed_up_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX numbers_person ON numbers (person_id);

CREATE TABLE sign_ups (
    sign_up_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- ASKED, OPENING, BOUND, TOLD or REFUSED.
    state TEXT NOT NULL,
    refusal TEXT,
    bank_id TEXT,
    account_id BLOB,
    person_id BLOB,
    account_masked TEXT,
    -- The place among the answers to the carrier; none before it is decided.
    answer_sequence INTEGER,
    decided_at INTEGER,
    -- When it is looked at next; none when there is nothing left to do.
    due_at INTEGER,
    tries INTEGER NOT NULL,
    -- Number, name and citizen identity number; gone when it is decided.
    sealed BLOB,
    -- From here on nothing changes after it was taken in.
    carrier_id TEXT NOT NULL,
    asked_bank_id TEXT,
    phone_hash BLOB NOT NULL,
    -- The keyed hash of what was asked, by which the same id with other content is found out.
    content_mac BLOB NOT NULL,
    -- What the person has agreed to.
    consent TEXT NOT NULL,
    asked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- A number is signed up by one at a time.
CREATE UNIQUE INDEX sign_ups_number ON sign_ups (phone_hash) WHERE answer_sequence IS NULL;
CREATE UNIQUE INDEX sign_ups_answer ON sign_ups (carrier_id, answer_sequence) WHERE answer_sequence IS NOT NULL;
CREATE INDEX sign_ups_due ON sign_ups (due_at) WHERE due_at IS NOT NULL;

-- What carriers have reported of numbers, so that the same report again gives the first answer.
CREATE TABLE number_reports (
    report_id BLOB NOT NULL PRIMARY KEY,
    carrier_id TEXT NOT NULL,
    content_mac BLOB NOT NULL,
    -- That of the number afterwards.
    epoch INTEGER NOT NULL,
    taken_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
