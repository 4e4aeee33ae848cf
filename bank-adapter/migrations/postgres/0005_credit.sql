-- Credit accounts: what was agreed on, where they stand, and what the end of each day has made of them. Days are those of the
-- bank's time zone, as YYYY-MM-DD.

-- One for each account of kind CUSTOMER_CREDIT.
CREATE TABLE credit_accounts (
    account_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- The last day that was closed.
    closed_through TEXT NOT NULL,
    -- What is owed, item by item, at the end of that day.
    position TEXT NOT NULL,
    -- From here on nothing changes after the account was opened.
    currency TEXT NOT NULL,
    terms TEXT NOT NULL,
    -- The deposit account that repays it on the due day; NULL when none does.
    repay_from_account_id UUID,
    -- Its first day.
    opened_on TEXT NOT NULL
) WITH (fillfactor = 50);
-- Which days are open.
CREATE INDEX credit_accounts_open ON credit_accounts (closed_through, account_id);

-- What the end of a day has booked by itself. The id is made of account, day and kind. Written once.
CREATE TABLE bookings (
    booking_id UUID NOT NULL PRIMARY KEY,
    account_id UUID NOT NULL,
    -- AUTO_REPAYMENT, LATE_FEE, INTEREST_ON_CASH, INTEREST_ON_PURCHASES.
    kind TEXT NOT NULL,
    -- The day that it belongs to; it may have been booked later.
    booked_on TEXT NOT NULL,
    -- The deposit account that repays, or the bank's own for fees or interest.
    other_account_id UUID NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    made_at BIGINT NOT NULL
);

-- What each posted transfer was to a credit account. Written once, with the transfer.
CREATE TABLE credit_entries (
    account_id UUID NOT NULL,
    -- The day to which it counts: that of a booking is the one that it names.
    day TEXT NOT NULL,
    -- The transfer.
    source_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    -- Its place among what was written at the same time.
    place BIGINT NOT NULL,
    -- PURCHASE, CASH_ADVANCE, FEE, REPAYMENT, REFUND, CASH_RETURNED, or the kind of the booking.
    kind TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (account_id, day, source_id, seq)
);

-- The statement of each cycle. Written once.
CREATE TABLE statements (
    account_id UUID NOT NULL,
    number BIGINT NOT NULL,
    closed_on TEXT NOT NULL,
    due_on TEXT NOT NULL,
    statement TEXT NOT NULL,
    PRIMARY KEY (account_id, number)
);

-- What came of a statement by its last day to pay. Written once.
CREATE TABLE statement_verdicts (
    account_id UUID NOT NULL,
    number BIGINT NOT NULL,
    judged_on TEXT NOT NULL,
    due_on TEXT NOT NULL,
    -- What was not paid of the statement, and of its minimum; of the latter more than nothing is late.
    open_minor BIGINT NOT NULL,
    missing_minor BIGINT NOT NULL,
    PRIMARY KEY (account_id, number)
);

CREATE TRIGGER bookings_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bookings
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER credit_entries_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statements_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statements
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statement_verdicts_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statement_verdicts
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
