-- Accounts that the hub has asked for, and what the citizen-identity service has said of their people. Times are UTC microseconds.

CREATE TABLE account_openings (
    -- The hub's id of the account, which is there only if the answer was MATCH.
    account_id UUID NOT NULL PRIMARY KEY,
    -- The keyed hash of what was asked, by which the same id with other content is found out.
    content_mac BYTEA NOT NULL,
    -- MATCH, MISMATCH or UNKNOWN.
    said TEXT NOT NULL,
    -- The citizen identity number, sealed; none when no account was opened.
    citizen_sealed BYTEA,
    decided_at BIGINT NOT NULL
);
