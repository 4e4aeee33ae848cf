-- Offers of banks to people, by habits that the banks do not see; and the totals of habits that banks were given under a consent.

CREATE TABLE offers (
    offer_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- FILED, RUNNING, WITHDRAWN or USED_UP. That an offer is over is seen by its time.
    state TEXT NOT NULL,
    delivered BIGINT NOT NULL,
    -- When those who agreed to this bank's offers are gone through next, and after whom; nothing when all were looked at.
    sweep_at BIGINT,
    sweep_after UUID NOT NULL,
    bank_id TEXT NOT NULL,
    title_en TEXT NOT NULL,
    title_zh TEXT NOT NULL,
    text_en TEXT NOT NULL,
    text_zh TEXT NOT NULL,
    -- As domain::offer::Rule writes it.
    rule TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    budget BIGINT NOT NULL,
    filed_at BIGINT NOT NULL
);
CREATE INDEX offers_bank ON offers (bank_id, offer_id);
CREATE INDEX offers_state ON offers (state, offer_id);
CREATE INDEX offers_sweep ON offers (sweep_at) WHERE sweep_at IS NOT NULL;

-- Whose offers a person gets. What was signed is sealed, bound to its row.
CREATE TABLE offer_agreements (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    most_a_week BIGINT NOT NULL,
    signed_at BIGINT NOT NULL,
    -- When it is looked again which offers are for this person; nothing while only a purchase changes that.
    look_at BIGINT,
    -- Ids with commas between, in order; empty when the person gets no offers.
    banks TEXT NOT NULL,
    device_id UUID NOT NULL,
    text_sealed BYTEA NOT NULL,
    signature BYTEA NOT NULL
);
CREATE INDEX offer_agreements_look ON offer_agreements (look_at) WHERE look_at IS NOT NULL;

-- The same by bank: who is looked at when an offer begins to run.
CREATE TABLE offer_recipients (
    bank_id TEXT NOT NULL,
    person_id UUID NOT NULL,
    PRIMARY KEY (bank_id, person_id)
);

CREATE TABLE offer_deliveries (
    person_id UUID NOT NULL,
    offer_id UUID NOT NULL,
    version BIGINT NOT NULL,
    -- OPEN, ACCEPTED or DECLINED.
    answer TEXT NOT NULL,
    answered_at BIGINT,
    -- What the bank is told of who accepted, and what the person has signed, sealed; nothing of who has not.
    shown_sealed BYTEA,
    text_sealed BYTEA,
    signature BYTEA,
    delivered_at BIGINT NOT NULL,
    -- The place in the person's feed.
    sequence BIGINT NOT NULL,
    -- What the rule found, for the person alone.
    count BIGINT NOT NULL,
    sum_minor BIGINT NOT NULL,
    in_place BIGINT NOT NULL,
    PRIMARY KEY (person_id, offer_id)
);
CREATE INDEX offer_deliveries_accepted ON offer_deliveries (offer_id, person_id) WHERE answer = 'ACCEPTED';

-- Whether somebody gets offers, where every payment looks: 1 while the agreement names a bank.
ALTER TABLE payers ADD COLUMN gets_offers BIGINT NOT NULL DEFAULT 0;

-- Purchases of those who do, by their places in the feed, until it was looked which offers are for them by now.
CREATE TABLE offer_looks (
    person_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (person_id, sequence)
);

-- The totals of a person's habits that banks are given for a span of weeks: all that ask get the same.
CREATE TABLE given_habits (
    person_id UUID NOT NULL,
    first_day TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    totals_sealed BYTEA NOT NULL,
    PRIMARY KEY (person_id, first_day)
);
CREATE INDEX given_habits_time ON given_habits (given_at);

-- Operators ask, too: a bank by its id, an operator as operator/<id>.
ALTER TABLE inquiry_answers RENAME COLUMN bank_id TO asker;
