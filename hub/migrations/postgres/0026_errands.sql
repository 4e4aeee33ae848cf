-- What people have done at terminals besides paying, and the cash that terminals take. Times are UTC microseconds.

-- An errand: one row that says where it stands.
CREATE TABLE errands (
    errand_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    -- The shop as it was when the errand came.
    merchant TEXT NOT NULL,
    -- What the request said, hashed, so that the id with other content is refused.
    fingerprint BYTEA NOT NULL,
    person_id UUID,
    -- The code while it is awaited: its keyed hash, the epoch for which it was made, its end, and the tries that are left.
    code_mac BYTEA,
    code_epoch BIGINT NOT NULL,
    code_expires_at BIGINT,
    attempts_left BIGINT NOT NULL,
    -- Tries that were taken in, 16 bytes each.
    attempt_ids BYTEA NOT NULL,
    refusal TEXT,
    created_at BIGINT NOT NULL,
    decided_at BIGINT
);

-- The keys of terminals' PIN pads, sealed.
CREATE TABLE pin_pads (
    terminal_id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    sealed_key BYTEA NOT NULL,
    set_at BIGINT NOT NULL
);

-- How much cash a terminal has taken on the day on which it last took any, and a person has paid in; a row for each currency.
CREATE TABLE cash_taken (
    holder TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- Counted in UTC from 1970.
    day BIGINT NOT NULL,
    taken_minor BIGINT NOT NULL
);
