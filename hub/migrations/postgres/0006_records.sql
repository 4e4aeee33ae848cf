-- Purchases that the hub did not carry, as banks report them; they stand in the same record as those that it did.

ALTER TABLE purchases ADD COLUMN state TEXT NOT NULL DEFAULT 'POSTED';
ALTER TABLE purchases ADD COLUMN carrier TEXT NOT NULL DEFAULT 'HUB';

-- What is told of such a purchase is read from its record, by its place in the feed, and from the amount that it is about.
ALTER TABLE events ADD COLUMN record_sequence BIGINT;
ALTER TABLE events ADD COLUMN amount_minor BIGINT;
-- News, whose subject stands where other events have their payment: what it is about, and its words.
ALTER TABLE events ADD COLUMN topic TEXT;
ALTER TABLE events ADD COLUMN text_en TEXT;
ALTER TABLE events ADD COLUMN text_zh TEXT;

-- How far a bank's reports have been taken in, and what the last of them said.
CREATE TABLE bank_reports (
    bank_id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    through_sequence BIGINT NOT NULL,
    last_fingerprint BYTEA NOT NULL
);

-- Reports that could not be taken in: passed over, but not forgotten.
CREATE TABLE refused_reports (
    bank_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    purchase_id UUID,
    reason TEXT NOT NULL,
    refused_at BIGINT NOT NULL,
    PRIMARY KEY (bank_id, sequence)
);

-- Where a reported purchase stands in the record, and what its last report said. The version is that of the row in purchases, too.
CREATE TABLE reported_purchases (
    purchase_id UUID NOT NULL,
    bank_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    person_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    report_version BIGINT NOT NULL,
    state TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    given_back_minor BIGINT NOT NULL,
    -- In how many give-backs.
    give_backs BIGINT NOT NULL,
    fingerprint BYTEA NOT NULL,
    PRIMARY KEY (purchase_id, bank_id)
);

-- What came back of a purchase, each by itself: a refund, a part that was taken back, a reversal. Rows never change, so that a number
-- names the same give-back in every file that a person takes away. Of a purchase that a bank reports they are what its versions
-- differ by.
CREATE TABLE give_backs (
    person_id UUID NOT NULL,
    -- The place of the purchase in the person's feed.
    sequence BIGINT NOT NULL,
    -- Counts up from 1 with each give-back of the purchase.
    number BIGINT NOT NULL,
    given_at BIGINT NOT NULL,
    amount_minor BIGINT NOT NULL,
    -- 1 when it took back what was left of the purchase as a whole.
    reversal BIGINT NOT NULL,
    -- The refund, or the purchase itself when that was reversed; NULL where a bank reports it.
    payment_id UUID,
    PRIMARY KEY (person_id, sequence, number)
);

-- Whose an account or a card is that a report names.
CREATE INDEX bindings_instrument ON bindings (instrument_id);
