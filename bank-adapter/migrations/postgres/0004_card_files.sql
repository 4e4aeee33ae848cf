-- What the bank keeps of the cards that it has issued.

-- The card that leads to an account; NULL when none does.
ALTER TABLE accounts ADD COLUMN card_id UUID;

CREATE TABLE cards (
    card_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    frozen BIGINT NOT NULL,
    -- Wrong PINs since the last right one.
    wrong_pins BIGINT NOT NULL,
    -- Uses with a wrong CVV or expiry since the last right one; and until when nothing but the right PIN helps after too many.
    wrong_cvvs BIGINT NOT NULL,
    cvv_blocked_until BIGINT,
    replaced_by UUID,
    -- YYMM.
    expiry TEXT NOT NULL,
    debit_account_id UUID,
    credit_account_id UUID,
    -- The number as a receipt may show it.
    masked TEXT NOT NULL,
    -- The number is found by its keyed hash, and kept under AES-GCM.
    pan_hash BYTEA NOT NULL UNIQUE,
    pan_sealed BYTEA NOT NULL,
    -- COMBINED, CREDIT_ONLY or DEBIT_ONLY, which says whose key makes its verification values; and the version of that key.
    product TEXT NOT NULL,
    cvk_version BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    CHECK (debit_account_id IS NOT NULL OR credit_account_id IS NOT NULL)
);

-- What a card's PIN is compared with, and the change that set it.
CREATE TABLE card_pins (
    card_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    pin_value BYTEA NOT NULL,
    change_id UUID NOT NULL,
    set_at BIGINT NOT NULL
);

-- What the last changes of a card's PIN were answered, so that one that is sent again is answered so and counts nothing. The slots of a
-- card are used in turn.
CREATE TABLE pin_answers (
    card_id UUID NOT NULL,
    slot BIGINT NOT NULL CHECK (slot BETWEEN 0 AND 7),
    -- How often the slot has been used.
    version BIGINT NOT NULL,
    change_id UUID NOT NULL,
    -- What was asked for, as a digest.
    content BYTEA NOT NULL,
    -- NULL when the PIN was changed, or its change taken on: see pin_changes.
    refusal TEXT,
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (card_id, slot)
);
CREATE INDEX pin_answers_by_change ON pin_answers (change_id);
