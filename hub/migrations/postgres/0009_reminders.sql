-- When people want to be reminded of what is due.
CREATE TABLE reminders (
    reminder_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    person_id UUID NOT NULL,
    -- The account that it is about; NULL for all.
    bank_id TEXT,
    account_id UUID,
    -- One of these two is set.
    days_before BIGINT,
    day_of_month BIGINT,
    -- The time of day in this zone of the IANA database.
    hour BIGINT NOT NULL,
    minute BIGINT NOT NULL,
    time_zone TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    -- When it is looked at next; NULL while nothing is planned, which ends when a bill of the person changes.
    next_at BIGINT,
    -- When it was looked at last. In the future it shows that the clock was set back since, and what was planned with it is void.
    looked_at BIGINT NOT NULL
);
CREATE INDEX reminders_person ON reminders (person_id);
CREATE INDEX reminders_next ON reminders (next_at);
CREATE INDEX reminders_looked ON reminders (looked_at);

-- What was sent is never sent again, also when the reminder is taken away and set anew under its id.
CREATE TABLE sent_reminders (
    reminder_id UUID NOT NULL,
    -- What it reminded of, as domain::reminder::FiringKey is written.
    firing_key TEXT NOT NULL,
    person_id UUID NOT NULL,
    -- The place in the person's feed where it was told.
    sequence BIGINT NOT NULL,
    PRIMARY KEY (reminder_id, firing_key)
);
