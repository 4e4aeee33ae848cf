-- Safety codes, by which people are known who call, and the identity checks after which they may be set. Times are UTC microseconds.

CREATE TABLE safety_codes (
    -- Somebody whose identity was checked at least once.
    person_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- The keyed hash of the code; none before it was set.
    code_mac BLOB,
    set_at INTEGER,
    -- CARD or APP.
    set_by TEXT,
    -- The form by which a phone has set it; none for one that was set by card.
    order_id BLOB,
    -- Until when it may be set after an identity check; none when it was set since.
    open_until INTEGER,
    -- Wrong tries in a row, over all channels, and until when none is looked at.
    failures INTEGER NOT NULL,
    blocked_until INTEGER
) STRICT, WITHOUT ROWID;

-- Identity checks that were taken in, so that the same one again opens nothing anew.
CREATE TABLE identity_checks (
    check_id BLOB NOT NULL PRIMARY KEY,
    person_id BLOB NOT NULL,
    -- Who has checked, and how.
    content TEXT NOT NULL,
    open_until INTEGER NOT NULL,
    taken_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_checks_person ON identity_checks (person_id);
