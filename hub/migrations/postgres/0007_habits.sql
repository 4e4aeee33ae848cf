-- Habits: sums over a person's purchases, and what of each purchase stands in them.

-- How far a person's feed has been counted.
CREATE TABLE habit_cursors (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    through_sequence BIGINT NOT NULL
);

CREATE TABLE habits (
    person_id UUID NOT NULL,
    facet TEXT NOT NULL,
    key TEXT NOT NULL,
    currency TEXT NOT NULL,
    version BIGINT NOT NULL,
    -- Zero when all of it was taken back.
    count BIGINT NOT NULL,
    sum_minor BIGINT NOT NULL,
    -- The last weeks, day by day.
    days TEXT NOT NULL,
    PRIMARY KEY (person_id, facet, key, currency)
);

-- A purchase as it was counted, so that it can be taken back exactly, whatever has become of it since.
CREATE TABLE counted_purchases (
    person_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    version BIGINT NOT NULL,
    observation TEXT NOT NULL,
    PRIMARY KEY (person_id, sequence)
);
