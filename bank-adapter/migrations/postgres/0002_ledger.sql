-- The ledger. Amounts are whole minor units, times are UTC microseconds.

-- Pages of rows that change are filled in half, so that a new version finds room beside the one before.

-- Accounts: customers' and the bank's own. The sums are changed by transfers only.
CREATE TABLE accounts (
    account_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    currency TEXT NOT NULL,
    debits_posted_minor BIGINT NOT NULL CHECK (debits_posted_minor >= 0),
    credits_posted_minor BIGINT NOT NULL CHECK (credits_posted_minor >= 0),
    debits_pending_minor BIGINT NOT NULL CHECK (debits_pending_minor >= 0),
    credits_pending_minor BIGINT NOT NULL CHECK (credits_pending_minor >= 0),
    status TEXT NOT NULL,
    frozen BIGINT NOT NULL,
    -- The most that one payment may take; 0 is no limit.
    payment_limit_minor BIGINT NOT NULL,
    -- NULL for the bank's own accounts, as is the number.
    holder_name TEXT,
    account_number TEXT UNIQUE,
    opened_at BIGINT NOT NULL,
    -- The last line of defence: whatever decides, a deposit account is never overdrawn.
    CHECK (kind <> 'CUSTOMER_DEPOSIT' OR credits_posted_minor - debits_posted_minor - debits_pending_minor >= 0)
) WITH (fillfactor = 50);

-- Legs: the fence against a second hold, the request as it came, and the answer that it got.
CREATE TABLE legs (
    leg_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    payment_id UUID NOT NULL,
    -- CHARGE, GIVE_BACK, or UNSEEN for a leg that was voided before it came.
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    refusal TEXT,
    account_id UUID,
    account_masked TEXT NOT NULL,
    currency TEXT,
    amount_minor BIGINT,
    original_leg_id UUID,
    merchant_id TEXT,
    merchant_name TEXT,
    merchant_category TEXT,
    -- Which account bears how much: account:amount_minor, in the order in which it is drawn.
    splits TEXT NOT NULL,
    refunded_minor BIGINT NOT NULL CHECK (refunded_minor BETWEEN 0 AND COALESCE(amount_minor, 0)),
    -- What the front knew when it decided, to decide it again.
    decision TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX legs_changed ON legs (changed_at, leg_id);
CREATE INDEX legs_held ON legs (changed_at, leg_id) WHERE state = 'HELD';

-- Transfers: every movement, by the leg or cash deposit that caused it. Written once.
CREATE TABLE transfers (
    source_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    -- POSTED, PENDING, POST_OF, VOID_OF; the last two name the pending one by its seq.
    kind TEXT NOT NULL,
    resolves_seq BIGINT,
    debit_account_id UUID NOT NULL,
    credit_account_id UUID NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    made_at BIGINT NOT NULL,
    PRIMARY KEY (source_id, seq)
);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% are append-only', TG_TABLE_NAME; END $$;
CREATE TRIGGER transfers_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Cash that was paid in, so that the same deposit twice counts once.
CREATE TABLE deposits (
    deposit_id UUID NOT NULL PRIMARY KEY,
    account_id UUID NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    made_at BIGINT NOT NULL
);
