-- Pages of rows that change are filled in half, so that a new version finds room beside the one before.

-- A payment or a refund: one row that says where it stands, with what a replica needs to carry it on.
CREATE TABLE payments (
    payment_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    -- What the request said, hashed, so that the id with other content is refused.
    fingerprint BYTEA NOT NULL,
    person_id UUID,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    refunded_minor BIGINT NOT NULL,
    original_id UUID,
    merchant TEXT NOT NULL,
    items TEXT NOT NULL,
    reference TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    decided_at BIGINT,
    -- The challenge while the code is awaited.
    code_mac BYTEA,
    code_expires_at BIGINT,
    attempts_left BIGINT NOT NULL,
    -- Tries and resends that were taken in, 16 bytes each.
    attempt_ids BYTEA NOT NULL,
    refusal TEXT,
    -- The leg at the bank.
    bank_id TEXT,
    account_id UUID,
    account_masked TEXT,
    leg_id UUID,
    reversal_leg_id UUID,
    -- The place of the charge in the payer's feed, which is the key of its record.
    charge_sequence BIGINT,
    -- Until when a hold may still be committed.
    decide_before BIGINT,
    -- When the sweeper looks at it next; NULL when there is nothing left to do.
    due_at BIGINT,
    tries BIGINT NOT NULL,
    -- When the log speaks of it, 8 bytes each.
    logged_at BYTEA NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;

-- What guards a payer: wrong tries in a row, codes sent lately, and the end of the person's feed.
CREATE TABLE payers (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    blocked_until BIGINT,
    codes_sent BYTEA NOT NULL,
    last_sequence BIGINT NOT NULL
) WITH (fillfactor = 50);

-- The feed: what happened to whom, in order, but for charges, which stand in their record at their place in the feed. What is told
-- is read from payments.
CREATE TABLE events (
    person_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    payment_id UUID NOT NULL,
    -- For a code: the code under AES-GCM, bound to the payment, and its end.
    sealed_code BYTEA,
    expires_at BIGINT,
    PRIMARY KEY (person_id, sequence)
);

-- The record of a charge, in the order in which a person reads it: that of the feed.
CREATE TABLE purchases (
    person_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    payment_id UUID NOT NULL,
    version BIGINT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    given_back_minor BIGINT NOT NULL,
    bank_id TEXT NOT NULL,
    account_masked TEXT NOT NULL,
    merchant TEXT NOT NULL,
    category TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    items TEXT NOT NULL,
    PRIMARY KEY (person_id, sequence)
);
