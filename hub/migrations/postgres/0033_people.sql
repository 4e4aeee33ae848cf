-- Operators who look people up. Times are UTC microseconds.

-- How many people each operator has looked up on a day, counted in days of UTC since 1970.
CREATE TABLE person_lookup_days (
    operator_id TEXT NOT NULL,
    day BIGINT NOT NULL,
    version BIGINT NOT NULL,
    looked_up BIGINT NOT NULL,
    PRIMARY KEY (operator_id, day)
);

-- Look-ups of the last days, so that the same one again is known as the same. The log keeps them all.
CREATE TABLE person_lookups (
    lookup_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    operator_id TEXT NOT NULL,
    -- None where nobody was found.
    person_id UUID,
    -- The keyed hash of all that was asked.
    fingerprint BYTEA NOT NULL,
    looked_up_at BIGINT NOT NULL
);
CREATE INDEX person_lookups_time ON person_lookups (looked_up_at);
