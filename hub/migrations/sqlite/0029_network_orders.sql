-- What the hub asks of banks that take part only through a card network. Times are UTC microseconds, days are YYYY-MM-DD.

-- Every message that takes, reserves, completes or gives back money, once: repeats are the same row. It is durable before the network
-- hears of it.
CREATE TABLE network_orders (
    leg_id BLOB NOT NULL,
    -- CHARGE, AUTHORISATION, COMPLETION, REFUND or REVERSAL.
    asked TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- ASKED, DONE or REFUSED.
    state TEXT NOT NULL,
    -- Why it was refused.
    reason TEXT,
    -- How often the network has said of a reversal that it knows no such message.
    unknown INTEGER NOT NULL,
    -- Field 38 of an approval.
    approval_code TEXT,
    -- When it is told again by itself; nothing while whoever carries the payment does that.
    due_at INTEGER,
    -- The day of the link on which it counts.
    business_day TEXT NOT NULL,
    link TEXT NOT NULL,
    bank_id TEXT NOT NULL,
    payment_id BLOB NOT NULL,
    -- What is given back.
    original_leg_id BLOB,
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    -- Fields 11 and 7. 0 for what stands in the place of a reversal because nothing was ever sent.
    stan INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    -- The message without what proves a card or a payer, under AES-GCM, bound to leg and sort; empty where nothing was sent.
    sealed_message BLOB NOT NULL,
    PRIMARY KEY (leg_id, asked)
) STRICT, WITHOUT ROWID;
CREATE INDEX network_orders_trace ON network_orders (link, stan, sent_at);
CREATE INDEX network_orders_day ON network_orders (link, business_day);
CREATE INDEX network_orders_due ON network_orders (due_at) WHERE due_at IS NOT NULL;

-- The next number, field 11, of each line to a card network: one for all replicas, so that no two messages of an acquirer have the same.
CREATE TABLE network_lines (
    link TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    next_stan INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Cards of such banks by which people pay without showing them.
CREATE TABLE network_cards (
    card_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    bank_id TEXT NOT NULL,
    -- The number hashed under a key, by which it is found.
    pan_index BLOB NOT NULL UNIQUE,
    -- The number under AES-GCM, bound to the card.
    sealed_pan BLOB NOT NULL,
    masked TEXT NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
