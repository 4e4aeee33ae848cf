-- What cards and credit accounts need of accounts and legs.

-- The limits of a credit account and what counts against that on cash advances; NULL for other kinds.
ALTER TABLE accounts ADD COLUMN credit_limit_minor INTEGER;
ALTER TABLE accounts ADD COLUMN cash_limit_minor INTEGER;
ALTER TABLE accounts ADD COLUMN cash_owed_minor INTEGER;
ALTER TABLE accounts ADD COLUMN cash_held_minor INTEGER;

-- What sort of transaction a CHARGE or RECEIPT is; NULL for legs of another kind.
ALTER TABLE legs ADD COLUMN nature TEXT;
UPDATE legs SET nature = 'PURCHASE' WHERE kind = 'CHARGE';
-- The card that was named; NULL when an account was.
ALTER TABLE legs ADD COLUMN card_id BLOB;
-- The savings account on the other side; NULL when it is the federation.
ALTER TABLE legs ADD COLUMN savings_account_id BLOB;
-- How much of what was held a completion has released.
ALTER TABLE legs ADD COLUMN released_minor INTEGER NOT NULL DEFAULT 0
    CHECK (released_minor BETWEEN 0 AND COALESCE(amount_minor, 0));
