-- What the bank keeps of the cards that it has issued.

-- The card that leads to an account; NULL when none does.
ALTER TABLE accounts ADD COLUMN card_id BLOB;

CREATE TABLE cards (
    card_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    frozen INTEGER NOT NULL,
    -- Wrong PINs since the last right one.
    wrong_pins INTEGER NOT NULL,
    -- Uses with a wrong CVV or expiry since the last right one; and until when nothing but the right PIN helps after too many.
    wrong_cvvs INTEGER NOT NULL,
    cvv_blocked_until INTEGER,
    replaced_by BLOB,
    -- YYMM.
    expiry TEXT NOT NULL,
    debit_account_id BLOB,
    credit_account_id BLOB,
    -- The number as a receipt may show it.
    masked TEXT NOT NULL,
    -- The number is found by its keyed hash, and kept under AES-GCM.
    pan_hash BLOB NOT NULL UNIQUE,
    pan_sealed BLOB NOT NULL,
    -- COMBINED, CREDIT_ONLY or DEBIT_ONLY, which says whose key makes its verification values; and the version of that key.
    product TEXT NOT NULL,
    cvk_version INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    CHECK (debit_account_id IS NOT NULL OR credit_account_id IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- What a card's PIN is compared with, and the change that set it.
CREATE TABLE card_pins (
    card_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    pin_value BLOB NOT NULL,
    change_id BLOB NOT NULL,
    set_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the last changes of a card's PIN were answered, so that one that is sent again is answered so and counts nothing. The slots of a
-- card are used in turn.
CREATE TABLE pin_answers (
    card_id BLOB NOT NULL,
    slot INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 7),
    -- How often the slot has been used.
    version INTEGER NOT NULL,
    change_id BLOB NOT NULL,
    -- What was asked for, as a digest.
    content BLOB NOT NULL,
    -- NULL when the PIN was changed, or its change taken on: see pin_changes.
    refusal TEXT,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (card_id, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_answers_by_change ON pin_answers (change_id);
