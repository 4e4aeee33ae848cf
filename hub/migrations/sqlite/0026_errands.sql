-- What people have done at terminals besides paying, and the cash that terminals take. Times are UTC microseconds.

-- An errand: one row that says where it stands.
CREATE TABLE errands (
    errand_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    -- The shop as it was when the errand came.
    merchant TEXT NOT NULL,
    -- What the request said, hashed, so that the id with other content is refused.
    fingerprint BLOB NOT NULL,
    person_id BLOB,
    -- The code while it is awaited: its keyed hash, the epoch for which it was made, its end, and the tries that are left.
    code_mac BLOB,
    code_epoch INTEGER NOT NULL,
    code_expires_at INTEGER,
    attempts_left INTEGER NOT NULL,
    -- Tries that were taken in, 16 bytes each.
    attempt_ids BLOB NOT NULL,
    refusal TEXT,
    created_at INTEGER NOT NULL,
    decided_at INTEGER
) STRICT, WITHOUT ROWID;

-- The keys of terminals' PIN pads, sealed.
CREATE TABLE pin_pads (
    terminal_id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    sealed_key BLOB NOT NULL,
    set_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How much cash a terminal has taken on the day on which it last took any, and a person has paid in; a row for each currency.
CREATE TABLE cash_taken (
    holder TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- Counted in UTC from 1970.
    day INTEGER NOT NULL,
    taken_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
