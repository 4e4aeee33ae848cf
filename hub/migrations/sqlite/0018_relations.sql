-- When the relation to a bank over an account has ended, on each of its bills; NULL while it lasts.
ALTER TABLE bills ADD COLUMN relation_ended_on TEXT;
CREATE INDEX bills_of_ended_relations ON bills (relation_ended_on) WHERE relation_ended_on IS NOT NULL;

-- The account or the card that a bank's report names, so that what is masked alike is told apart.
ALTER TABLE reported_purchases ADD COLUMN instrument_id BLOB;
