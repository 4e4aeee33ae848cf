-- What the hub is told of the statements of credit accounts that somebody has bound there. Times are UTC microseconds.

-- One for each statement that is told of, as it stands; the hub goes by the last version.
CREATE TABLE bill_reports (
    account_id BLOB NOT NULL,
    -- The statement's.
    number INTEGER NOT NULL CHECK (number > 0),
    -- Of this row.
    version INTEGER NOT NULL,
    -- Of the bill as it is told, from 1: each has one content.
    bill_version INTEGER NOT NULL CHECK (bill_version > 0),
    -- The version that the hub has taken in or refused; 0 before the first.
    told_version INTEGER NOT NULL CHECK (told_version BETWEEN 0 AND bill_version),
    -- Why the hub has refused that version; NULL when it has not.
    refusal TEXT,
    -- Whether there is anything to pay yet, so that more may be told of it.
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    -- What became of it, in the words of domain::credit_history::Standing.
    standing TEXT NOT NULL,
    -- A bankhub.federation.v1.BillReport: sent again it says the same to the byte.
    content BLOB NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, number)
) STRICT, WITHOUT ROWID;
-- What is to be told, the longest waiting first.
CREATE INDEX bill_reports_to_tell ON bill_reports (changed_at, account_id, number) WHERE told_version < bill_version;
CREATE INDEX bill_reports_refused ON bill_reports (changed_at) WHERE refusal IS NOT NULL;

-- Which cards lead, or have led, to a credit account.
CREATE INDEX cards_of_credit_account ON cards (credit_account_id) WHERE credit_account_id IS NOT NULL;
