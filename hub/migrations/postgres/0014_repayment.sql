-- Repayments: one row that says where it stands, with what a replica needs to carry it on.
CREATE TABLE repayments (
    repayment_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- HOLDING, COMMITTED, POSTED, ABORTING or ABORTED.
    state TEXT NOT NULL,
    decided_at BIGINT,
    refusal TEXT,
    -- PAYING or RECEIVING; NULL when it was neither bank alone.
    refused_by TEXT,
    -- How far each leg is: ASKED, HELD or DONE.
    from_progress TEXT NOT NULL,
    to_progress TEXT NOT NULL,
    -- When the sweeper looks at it next; NULL when there is nothing left to do.
    due_at BIGINT,
    tries BIGINT NOT NULL,
    -- From here on nothing changes after it was taken in.
    person_id UUID NOT NULL,
    -- The phone that signed, whose key verified the signature. What was signed can be written again from this row.
    device_id UUID NOT NULL,
    signed_at BIGINT NOT NULL,
    signature BYTEA NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Until when it may be committed.
    decide_before BIGINT NOT NULL,
    from_leg_id UUID NOT NULL,
    from_bank_id TEXT NOT NULL,
    -- ACCOUNT or CARD.
    from_instrument TEXT NOT NULL,
    from_instrument_id UUID NOT NULL,
    from_masked TEXT NOT NULL,
    -- How the statement at the other end names this one.
    from_named TEXT NOT NULL,
    to_leg_id UUID NOT NULL,
    to_bank_id TEXT NOT NULL,
    to_instrument TEXT NOT NULL,
    to_instrument_id UUID NOT NULL,
    to_masked TEXT NOT NULL,
    to_named TEXT NOT NULL
);
CREATE INDEX repayments_due ON repayments (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX repayments_person ON repayments (person_id, created_at, repayment_id);
