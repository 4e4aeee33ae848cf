-- Credit accounts: what was agreed on, where they stand, and what the end of each day has made of them. Days are those of the
-- bank's time zone, as YYYY-MM-DD.

-- One for each account of kind CUSTOMER_CREDIT.
CREATE TABLE credit_accounts (
    account_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- The last day that was closed.
    closed_through TEXT NOT NULL,
    -- What is owed, item by item, at the end of that day.
    position TEXT NOT NULL,
    -- From here on nothing changes after the account was opened.
    currency TEXT NOT NULL,
    terms TEXT NOT NULL,
    -- The deposit account that repays it on the due day; NULL when none does.
    repay_from_account_id BLOB,
    -- Its first day.
    opened_on TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Which days are open.
CREATE INDEX credit_accounts_open ON credit_accounts (closed_through, account_id);

-- What the end of a day has booked by itself. The id is made of account, day and kind. Written once.
CREATE TABLE bookings (
    booking_id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL,
    -- AUTO_REPAYMENT, LATE_FEE, INTEREST_ON_CASH, INTEREST_ON_PURCHASES.
    kind TEXT NOT NULL,
    -- The day that it belongs to; it may have been booked later.
    booked_on TEXT NOT NULL,
    -- The deposit account that repays, or the bank's own for fees or interest.
    other_account_id BLOB NOT NULL,
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What each posted transfer was to a credit account. Written once, with the transfer.
CREATE TABLE credit_entries (
    account_id BLOB NOT NULL,
    -- The day to which it counts: that of a booking is the one that it names.
    day TEXT NOT NULL,
    -- The transfer.
    source_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    -- Its place among what was written at the same time.
    place INTEGER NOT NULL,
    -- PURCHASE, CASH_ADVANCE, FEE, REPAYMENT, REFUND, CASH_RETURNED, or the kind of the booking.
    kind TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (account_id, day, source_id, seq)
) STRICT, WITHOUT ROWID;

-- The statement of each cycle. Written once.
CREATE TABLE statements (
    account_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    closed_on TEXT NOT NULL,
    due_on TEXT NOT NULL,
    statement TEXT NOT NULL,
    PRIMARY KEY (account_id, number)
) STRICT, WITHOUT ROWID;

-- What came of a statement by its last day to pay. Written once.
CREATE TABLE statement_verdicts (
    account_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    judged_on TEXT NOT NULL,
    due_on TEXT NOT NULL,
    -- What was not paid of the statement, and of its minimum; of the latter more than nothing is late.
    open_minor INTEGER NOT NULL,
    missing_minor INTEGER NOT NULL,
    PRIMARY KEY (account_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER bookings_are_not_changed BEFORE UPDATE ON bookings
BEGIN SELECT RAISE(ABORT, 'bookings are append-only'); END;
CREATE TRIGGER bookings_are_not_removed BEFORE DELETE ON bookings
BEGIN SELECT RAISE(ABORT, 'bookings are append-only'); END;
CREATE TRIGGER credit_entries_are_not_changed BEFORE UPDATE ON credit_entries
BEGIN SELECT RAISE(ABORT, 'credit entries are append-only'); END;
CREATE TRIGGER credit_entries_are_not_removed BEFORE DELETE ON credit_entries
BEGIN SELECT RAISE(ABORT, 'credit entries are append-only'); END;
CREATE TRIGGER statements_are_not_changed BEFORE UPDATE ON statements
BEGIN SELECT RAISE(ABORT, 'statements are append-only'); END;
CREATE TRIGGER statements_are_not_removed BEFORE DELETE ON statements
BEGIN SELECT RAISE(ABORT, 'statements are append-only'); END;
CREATE TRIGGER statement_verdicts_are_not_changed BEFORE UPDATE ON statement_verdicts
BEGIN SELECT RAISE(ABORT, 'statement verdicts are append-only'); END;
CREATE TRIGGER statement_verdicts_are_not_removed BEFORE DELETE ON statement_verdicts
BEGIN SELECT RAISE(ABORT, 'statement verdicts are append-only'); END;
