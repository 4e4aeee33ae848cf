-- Habits: sums over a person's purchases, and what of each purchase stands in them.

-- How far a person's feed has been counted.
CREATE TABLE habit_cursors (
    person_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    through_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE habits (
    person_id BLOB NOT NULL,
    facet TEXT NOT NULL,
    key TEXT NOT NULL,
    currency TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- Zero when all of it was taken back.
    count INTEGER NOT NULL,
    sum_minor INTEGER NOT NULL,
    -- The last weeks, day by day.
    days TEXT NOT NULL,
    PRIMARY KEY (person_id, facet, key, currency)
) STRICT, WITHOUT ROWID;

-- A purchase as it was counted, so that it can be taken back exactly, whatever has become of it since.
CREATE TABLE counted_purchases (
    person_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    observation TEXT NOT NULL,
    PRIMARY KEY (person_id, sequence)
) STRICT, WITHOUT ROWID;
