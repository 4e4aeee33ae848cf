-- When people want to be reminded of what is due.
CREATE TABLE reminders (
    reminder_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    person_id BLOB NOT NULL,
    -- The account that it is about; NULL for all.
    bank_id TEXT,
    account_id BLOB,
    -- One of these two is set.
    days_before INTEGER,
    day_of_month INTEGER,
    -- The time of day in this zone of the IANA database.
    hour INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    -- When it is looked at next; NULL while nothing is planned, which ends when a bill of the person changes.
    next_at INTEGER,
    -- When it was looked at last. In the future it shows that the clock was set back since, and what was planned with it is void.
    looked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reminders_person ON reminders (person_id);
CREATE INDEX reminders_next ON reminders (next_at);
CREATE INDEX reminders_looked ON reminders (looked_at);

-- What was sent is never sent again, also when the reminder is taken away and set anew under its id.
CREATE TABLE sent_reminders (
    reminder_id BLOB NOT NULL,
    -- What it reminded of, as domain::reminder::FiringKey is written.
    firing_key TEXT NOT NULL,
    person_id BLOB NOT NULL,
    -- The place in the person's feed where it was told.
    sequence INTEGER NOT NULL,
    PRIMARY KEY (reminder_id, firing_key)
) STRICT, WITHOUT ROWID;
