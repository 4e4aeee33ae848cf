-- Bills as banks report them, each as it stood last.
CREATE TABLE bills (
    account_id UUID NOT NULL,
    bank_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    -- Days are those of the bank, as 2026-11-22.
    closed_on TEXT NOT NULL,
    version BIGINT NOT NULL,
    -- By which phones name it.
    bill_id UUID NOT NULL UNIQUE,
    -- For whom it was first taken in.
    person_id UUID NOT NULL,
    -- The card over the account, where there is one.
    card_id UUID,
    -- The bank's version of the bill.
    report_version BIGINT NOT NULL,
    account_masked TEXT NOT NULL,
    opened_on TEXT NOT NULL,
    due_on TEXT NOT NULL,
    closing_minor BIGINT NOT NULL,
    minimum_minor BIGINT NOT NULL,
    -- Paid since it was closed.
    paid_minor BIGINT NOT NULL,
    -- How it stands for the credit history (R9), in the words of domain::credit_history::Standing.
    standing TEXT NOT NULL,
    -- Of the content, so that a version that says two things is found out.
    fingerprint BYTEA NOT NULL,
    PRIMARY KEY (account_id, bank_id, currency, closed_on)
);
CREATE INDEX bills_person ON bills (person_id, closed_on);

-- What a bill lists, apart from it: a person's bills are read together and often, their lines one bill at a time.
CREATE TABLE bill_lines (
    bill_id UUID NOT NULL PRIMARY KEY,
    -- That of the bill.
    version BIGINT NOT NULL,
    -- As JSON.
    lines TEXT NOT NULL
);
