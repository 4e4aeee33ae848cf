-- How people's phones and operators get in. Times are UTC microseconds.

-- Codes by SMS that enrol phones, apart from those that operators hand out: whoever has one sent to somebody spoils no other.
CREATE TABLE enrolment_messages (
    person_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- The keyed hash of the last code, for which epoch of the person's number it was made, until when and for how many tries it is good.
    -- None when it was used.
    code_mac BYTEA,
    number_epoch BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    attempts_left BIGINT NOT NULL,
    -- When codes were sent, eight bytes each, oldest first.
    codes_sent BYTEA NOT NULL
);
