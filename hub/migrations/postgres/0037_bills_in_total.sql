-- What of bills stands in the total, as domain::bill::stands_in_total has it: asked for often, and so found with all that is read of it in one
-- place.
ALTER TABLE bills ADD COLUMN in_total BIGINT NOT NULL DEFAULT 1;
UPDATE bills SET in_total = 0 WHERE standing NOT LIKE 'ARREARS %' AND EXISTS
    (SELECT 1 FROM bills n WHERE n.account_id = bills.account_id AND n.bank_id = bills.bank_id AND n.currency = bills.currency
     AND n.person_id = bills.person_id AND n.closed_on > bills.closed_on);
CREATE INDEX bills_in_total ON bills (person_id) INCLUDE (account_id, bank_id, currency, closed_on, account_masked, opened_on, due_on,
    closing_minor, minimum_minor, paid_minor, standing, in_total) WHERE in_total = 1;
