-- A payment or a refund: one row that says where it stands, with what a replica needs to carry it on.
CREATE TABLE payments (
    payment_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    -- What the request said, hashed, so that the id with other content is refused.
    fingerprint BLOB NOT NULL,
    person_id BLOB,
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    refunded_minor INTEGER NOT NULL,
    original_id BLOB,
    merchant TEXT NOT NULL,
    items TEXT NOT NULL,
    reference TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    decided_at INTEGER,
    -- The challenge while the code is awaited.
    code_mac BLOB,
    code_expires_at INTEGER,
    attempts_left INTEGER NOT NULL,
    -- Tries and resends that were taken in, 16 bytes each.
    attempt_ids BLOB NOT NULL,
    refusal TEXT,
    -- The leg at the bank.
    bank_id TEXT,
    account_id BLOB,
    account_masked TEXT,
    leg_id BLOB,
    reversal_leg_id BLOB,
    -- The place of the charge in the payer's feed, which is the key of its record.
    charge_sequence INTEGER,
    -- Until when a hold may still be committed.
    decide_before INTEGER,
    -- When the sweeper looks at it next; NULL when there is nothing left to do.
    due_at INTEGER,
    tries INTEGER NOT NULL,
    -- When the log speaks of it, 8 bytes each.
    logged_at BLOB NOT NULL
) STRICT;
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;

-- What guards a payer: wrong tries in a row, codes sent lately, and the end of the person's feed.
CREATE TABLE payers (
    person_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    blocked_until INTEGER,
    codes_sent BLOB NOT NULL,
    last_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The feed: what happened to whom, in order, but for charges, which stand in their record at their place in the feed. What is told
-- is read from payments.
CREATE TABLE events (
    person_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    payment_id BLOB NOT NULL,
    -- For a code: the code under AES-GCM, bound to the payment, and its end.
    sealed_code BLOB,
    expires_at INTEGER,
    PRIMARY KEY (person_id, sequence)
) STRICT, WITHOUT ROWID;

-- The record of a charge, in the order in which a person reads it: that of the feed.
CREATE TABLE purchases (
    person_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    payment_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    given_back_minor INTEGER NOT NULL,
    bank_id TEXT NOT NULL,
    account_masked TEXT NOT NULL,
    merchant TEXT NOT NULL,
    category TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    items TEXT NOT NULL,
    PRIMARY KEY (person_id, sequence)
) STRICT, WITHOUT ROWID;
