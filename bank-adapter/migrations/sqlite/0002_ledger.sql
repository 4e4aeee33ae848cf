-- The ledger. Amounts are whole minor units, times are UTC microseconds.

-- Accounts: customers' and the bank's own. The sums are changed by transfers only.
CREATE TABLE accounts (
    account_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    currency TEXT NOT NULL,
    debits_posted_minor INTEGER NOT NULL CHECK (debits_posted_minor >= 0),
    credits_posted_minor INTEGER NOT NULL CHECK (credits_posted_minor >= 0),
    debits_pending_minor INTEGER NOT NULL CHECK (debits_pending_minor >= 0),
    credits_pending_minor INTEGER NOT NULL CHECK (credits_pending_minor >= 0),
    status TEXT NOT NULL,
    frozen INTEGER NOT NULL,
    -- The most that one payment may take; 0 is no limit.
    payment_limit_minor INTEGER NOT NULL,
    -- NULL for the bank's own accounts, as is the number.
    holder_name TEXT,
    account_number TEXT UNIQUE,
    opened_at INTEGER NOT NULL,
    -- The last line of defence: whatever decides, a deposit account is never overdrawn.
    CHECK (kind <> 'CUSTOMER_DEPOSIT' OR credits_posted_minor - debits_posted_minor - debits_pending_minor >= 0)
) STRICT, WITHOUT ROWID;

-- Legs: the fence against a second hold, the request as it came, and the answer that it got.
CREATE TABLE legs (
    leg_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    payment_id BLOB NOT NULL,
    -- CHARGE, GIVE_BACK, or UNSEEN for a leg that was voided before it came.
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    refusal TEXT,
    account_id BLOB,
    account_masked TEXT NOT NULL,
    currency TEXT,
    amount_minor INTEGER,
    original_leg_id BLOB,
    merchant_id TEXT,
    merchant_name TEXT,
    merchant_category TEXT,
    -- Which account bears how much: account:amount_minor, in the order in which it is drawn.
    splits TEXT NOT NULL,
    refunded_minor INTEGER NOT NULL CHECK (refunded_minor BETWEEN 0 AND COALESCE(amount_minor, 0)),
    -- What the front knew when it decided, to decide it again.
    decision TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX legs_changed ON legs (changed_at, leg_id);
CREATE INDEX legs_held ON legs (changed_at, leg_id) WHERE state = 'HELD';

-- Transfers: every movement, by the leg or cash deposit that caused it. Written once.
CREATE TABLE transfers (
    source_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    -- POSTED, PENDING, POST_OF, VOID_OF; the last two name the pending one by its seq.
    kind TEXT NOT NULL,
    resolves_seq INTEGER,
    debit_account_id BLOB NOT NULL,
    credit_account_id BLOB NOT NULL,
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    made_at INTEGER NOT NULL,
    PRIMARY KEY (source_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER transfers_are_not_changed BEFORE UPDATE ON transfers
BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END;
CREATE TRIGGER transfers_are_not_removed BEFORE DELETE ON transfers
BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END;

-- Cash that was paid in, so that the same deposit twice counts once.
CREATE TABLE deposits (
    deposit_id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL,
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
