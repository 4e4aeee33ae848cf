-- What came over the links of a card network. Times are UTC microseconds, days are YYYY-MM-DD.

-- Every message that pays, takes back or gives back, once: repeats are the same row.
CREATE TABLE network_messages (
    -- Made of acquirer, forwarder, number, time and terminal of the message (fields 32, 33, 11, 7 and 41).
    message_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    link TEXT NOT NULL,
    business_day TEXT NOT NULL,
    -- PAYMENT, CODE, REVERSAL or REFUND.
    kind TEXT NOT NULL,
    -- What it is about: the payment, or for a refund the refund.
    payment_id BLOB NOT NULL,
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    -- The message without what proves a card or a payer, under AES-GCM, bound to the message.
    sealed_message BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX network_messages_day ON network_messages (link, business_day);

-- The business day of a link since its last cut-over.
CREATE TABLE network_links (
    link TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    business_day TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last comparison of a day's totals, both sides as they were told.
CREATE TABLE network_settlements (
    link TEXT NOT NULL,
    business_day TEXT NOT NULL,
    currency TEXT NOT NULL,
    version INTEGER NOT NULL,
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL,
    in_balance INTEGER NOT NULL,
    compared_at INTEGER NOT NULL,
    PRIMARY KEY (link, business_day, currency)
) STRICT, WITHOUT ROWID;
