-- Limits on payments, and what was paid lately by those for whom there are some. Times are UTC microseconds.

CREATE TABLE limits (
    -- What it is of, as 'PERSON * CNY SUM 86400': whose payments, one of them or every one, currency, EACH, SUM or COUNT, seconds.
    limit_key TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- Minor units, or a number of payments; NULL once it was removed.
    most INTEGER,
    set_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE limit_tallies (
    -- 'PERSON 0192… CNY 86400'.
    tally TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- 'place:sum:count' for each slot of the window.
    slots TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- First digits of card numbers that no payment is taken from. Banks' own ranges are in bin_ranges, which they replace as they like.
CREATE TABLE bin_suspensions (
    -- '62284800-62284899'.
    span TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    suspended INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
