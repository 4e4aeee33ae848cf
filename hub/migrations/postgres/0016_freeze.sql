-- What people freeze and set free, and what their banks have confirmed of it. Times are UTC microseconds.

CREATE TABLE freezes (
    bank_id TEXT NOT NULL,
    -- An account or a card; with a row for each that there was ever an order about.
    instrument_id UUID NOT NULL,
    version BIGINT NOT NULL,
    -- ACCOUNT or CARD.
    instrument TEXT NOT NULL,
    person_id UUID NOT NULL,
    masked TEXT NOT NULL,
    -- What its holder wants: counted from 1 for each account or card.
    order_number BIGINT NOT NULL CHECK (order_number > 0),
    frozen BIGINT NOT NULL,
    -- APP, WEB, CALL or OPERATOR.
    channel TEXT NOT NULL,
    ordered_at BIGINT NOT NULL,
    -- What the bank has confirmed, of this order or one before it, with its signature and the key for that; none before the first.
    confirmed_number BIGINT,
    confirmed_frozen BIGINT,
    effective_at BIGINT,
    signature BYTEA,
    public_key BYTEA,
    -- Why the bank will never follow.
    refusal TEXT,
    -- When the bank is told next; none when there is nothing to tell.
    due_at BIGINT,
    -- How often it was told in vain.
    tries BIGINT NOT NULL,
    PRIMARY KEY (bank_id, instrument_id)
);
CREATE INDEX freezes_person ON freezes (person_id);
CREATE INDEX freezes_due ON freezes (due_at) WHERE due_at IS NOT NULL;

-- Orders that were taken in, so that the same one again changes nothing.
CREATE TABLE freeze_orders (
    order_id UUID NOT NULL PRIMARY KEY,
    person_id UUID NOT NULL,
    -- What it said.
    content TEXT NOT NULL,
    taken_at BIGINT NOT NULL
);

-- From what of a payer no money goes out: the rows of freezes that are frozen, a line for each, where every payment looks.
ALTER TABLE payers ADD COLUMN frozen TEXT;
