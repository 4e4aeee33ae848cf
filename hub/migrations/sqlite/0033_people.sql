-- Operators who look people up. Times are UTC microseconds.

-- How many people each operator has looked up on a day, counted in days of UTC since 1970.
CREATE TABLE person_lookup_days (
    operator_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    version INTEGER NOT NULL,
    looked_up INTEGER NOT NULL,
    PRIMARY KEY (operator_id, day)
) STRICT, WITHOUT ROWID;

-- Look-ups of the last days, so that the same one again is known as the same. The log keeps them all.
CREATE TABLE person_lookups (
    lookup_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    operator_id TEXT NOT NULL,
    -- None where nobody was found.
    person_id BLOB,
    -- The keyed hash of all that was asked.
    fingerprint BLOB NOT NULL,
    looked_up_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX person_lookups_time ON person_lookups (looked_up_at);
