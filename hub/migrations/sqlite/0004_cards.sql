-- Cards: whose numbers they are, who holds them, and what is paid with them. Of a card's number only the masked form is stored.

-- Which card numbers a bank issues. A bank's ranges are replaced together, so they have no versions.
CREATE TABLE bin_ranges (
    bank_id TEXT NOT NULL,
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    digits INTEGER NOT NULL,
    product TEXT NOT NULL,
    PRIMARY KEY (bank_id, first)
) STRICT, WITHOUT ROWID;

-- What is bound to a person is an account or a card, by its bank's id for it.
ALTER TABLE bindings RENAME COLUMN account_id TO instrument_id;
ALTER TABLE bindings RENAME COLUMN account_masked TO masked;
ALTER TABLE bindings ADD COLUMN instrument TEXT NOT NULL DEFAULT 'ACCOUNT';

ALTER TABLE payments RENAME COLUMN account_masked TO masked;
ALTER TABLE payments ADD COLUMN nature TEXT;
-- The card that pays, once its bank has named it, and how much its credit side bears.
ALTER TABLE payments ADD COLUMN card_id BLOB;
ALTER TABLE payments ADD COLUMN credit_minor INTEGER;
-- What a completion has charged.
ALTER TABLE payments ADD COLUMN completed_minor INTEGER;

ALTER TABLE purchases ADD COLUMN nature TEXT NOT NULL DEFAULT 'PURCHASE';
ALTER TABLE purchases ADD COLUMN credit_minor INTEGER;
