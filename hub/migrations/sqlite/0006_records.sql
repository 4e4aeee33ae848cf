-- Purchases that the hub did not carry, as banks report them; they stand in the same record as those that it did.

ALTER TABLE purchases ADD COLUMN state TEXT NOT NULL DEFAULT 'POSTED';
ALTER TABLE purchases ADD COLUMN carrier TEXT NOT NULL DEFAULT 'HUB';

-- What is told of such a purchase is read from its record, by its place in the feed, and from the amount that it is about.
ALTER TABLE events ADD COLUMN record_sequence INTEGER;
ALTER TABLE events ADD COLUMN amount_minor INTEGER;
-- News, whose subject stands where other events have their payment: what it is about, and its words.
ALTER TABLE events ADD COLUMN topic TEXT;
ALTER TABLE events ADD COLUMN text_en TEXT;
ALTER TABLE events ADD COLUMN text_zh TEXT;

-- How far a bank's reports have been taken in, and what the last of them said.
CREATE TABLE bank_reports (
    bank_id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    through_sequence INTEGER NOT NULL,
    last_fingerprint BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Reports that could not be taken in: passed over, but not forgotten.
CREATE TABLE refused_reports (
    bank_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    purchase_id BLOB,
    reason TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    PRIMARY KEY (bank_id, sequence)
) STRICT, WITHOUT ROWID;

-- Where a reported purchase stands in the record, and what its last report said. The version is that of the row in purchases, too.
CREATE TABLE reported_purchases (
    purchase_id BLOB NOT NULL,
    bank_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    person_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    report_version INTEGER NOT NULL,
    state TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    given_back_minor INTEGER NOT NULL,
    -- In how many give-backs.
    give_backs INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    PRIMARY KEY (purchase_id, bank_id)
) STRICT, WITHOUT ROWID;

-- What came back of a purchase, each by itself: a refund, a part that was taken back, a reversal. Rows never change, so that a number
-- names the same give-back in every file that a person takes away. Of a purchase that a bank reports they are what its versions
-- differ by.
CREATE TABLE give_backs (
    person_id BLOB NOT NULL,
    -- The place of the purchase in the person's feed.
    sequence INTEGER NOT NULL,
    -- Counts up from 1 with each give-back of the purchase.
    number INTEGER NOT NULL,
    given_at INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL,
    -- 1 when it took back what was left of the purchase as a whole.
    reversal INTEGER NOT NULL,
    -- The refund, or the purchase itself when that was reversed; NULL where a bank reports it.
    payment_id BLOB,
    PRIMARY KEY (person_id, sequence, number)
) STRICT, WITHOUT ROWID;

-- Whose an account or a card is that a report names.
CREATE INDEX bindings_instrument ON bindings (instrument_id);
