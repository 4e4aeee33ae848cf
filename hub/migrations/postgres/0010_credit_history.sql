-- Credit history: what people have consented to, who asked about them, and what was told. The history itself stands in bills.

-- Consents that people have signed. What was signed is sealed, bound to its row.
CREATE TABLE consents (
    consent_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- GIVEN, USED or REVOKED. That a consent has expired is seen by its time.
    state TEXT NOT NULL,
    ended_at BIGINT,
    person_id UUID NOT NULL,
    -- The phone that signed, whose key verified the signature.
    device_id UUID NOT NULL,
    given_at BIGINT NOT NULL,
    text_sealed BYTEA NOT NULL,
    signature BYTEA NOT NULL
);
CREATE INDEX consents_person ON consents (person_id, consent_id);

-- The end of each person's log of inquiries.
CREATE TABLE inquiry_heads (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    last_hash BYTEA NOT NULL
);

-- Who asked about whom, each record with the hash of the one before (domain::credit_history::InquiryRecord).
CREATE TABLE inquiry_log (
    person_id UUID NOT NULL,
    number BIGINT NOT NULL,
    inquiry_id UUID NOT NULL,
    record TEXT NOT NULL,
    -- SHA-256 of the record.
    hash BYTEA NOT NULL,
    PRIMARY KEY (person_id, number)
);

-- What banks were told, kept for a while so that the same inquiry gets the same answer.
CREATE TABLE inquiry_answers (
    inquiry_id UUID NOT NULL,
    bank_id TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    answered_at BIGINT NOT NULL,
    -- REPORT, or the code of the reason for which nothing was told.
    answer TEXT NOT NULL,
    report_sealed BYTEA,
    PRIMARY KEY (inquiry_id, bank_id)
);
CREATE INDEX inquiry_answers_time ON inquiry_answers (answered_at);

-- What may be kept no longer is found by its standing, which ends with the day.
CREATE INDEX bills_standing ON bills (standing);
