-- What is owed between banks for a day is read of the repayments that were decided on it.
CREATE INDEX repayments_decided ON repayments (decided_at) WHERE decided_at IS NOT NULL;
