-- Who operates the hub. Times are UTC microseconds.

CREATE TABLE operators (
    -- The name in the certificate, spiffe://<federation>/operator/<id>.
    operator_id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- VIEWER, OPERATOR, RISK or ADMIN.
    role TEXT NOT NULL,
    suspended BIGINT NOT NULL,
    registered_at BIGINT NOT NULL,
    -- The way into the console: Argon2id as a PHC string, and the secret of RFC 6238 under AES-GCM.
    password_hash TEXT,
    totp_sealed BYTEA,
    -- The step of the last one-time password that was used: none is good twice.
    totp_step BIGINT NOT NULL,
    -- Wrong tries in a row, and the last one, which counts once.
    failures BIGINT NOT NULL,
    blocked_until BIGINT,
    last_try UUID
);

-- Acts that wait for a second person, and what became of them.
CREATE TABLE operator_proposals (
    proposal_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    act TEXT NOT NULL,
    -- The act as it was asked for, as protobuf; and in words, for people.
    content BYTEA NOT NULL,
    summary TEXT NOT NULL,
    why TEXT NOT NULL,
    proposed_by TEXT NOT NULL,
    proposed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- PROPOSED, APPROVED, REFUSED, EXPIRED, DONE or FAILED.
    state TEXT NOT NULL,
    decided_by TEXT,
    decided_at BIGINT,
    -- Why it failed, as a reason's code.
    failure TEXT
);
CREATE INDEX operator_proposals_open ON operator_proposals (proposal_id) WHERE state IN ('PROPOSED', 'APPROVED');

-- Sessions of browsers at the console.
CREATE TABLE console_sessions (
    -- The keyed hash of what the browser holds.
    token_hash BYTEA NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    operator_id TEXT NOT NULL,
    -- When it ends without a request, and with requests at the latest.
    expires_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX console_sessions_operator ON console_sessions (operator_id);
CREATE INDEX console_sessions_end ON console_sessions (expires_at);
