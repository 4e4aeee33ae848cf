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
