-- What merchants are charged, and what they are paid for a day. Times are UTC microseconds, amounts minor units, rates and shares millionths.

-- A version of what is charged for one scope from a moment on; it stands for ever, but for one that was withdrawn before it held.
CREATE TABLE fee_schedules (
    schedule_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- Merchant, category, way of paying and currency, as '* 5812 CARD_CREDIT CNY'.
    scope TEXT NOT NULL,
    -- Counts up from 1 in each scope, also over those that were withdrawn: two who set one at the same time do not both succeed.
    number INTEGER NOT NULL,
    valid_from INTEGER NOT NULL,
    -- NULL where nothing is said of the scope any more.
    rate_ppm INTEGER,
    fixed_minor INTEGER,
    floor_minor INTEGER,
    cap_minor INTEGER,
    issuer_ppm INTEGER,
    hub_ppm INTEGER,
    returns TEXT,
    set_at INTEGER NOT NULL,
    set_by TEXT NOT NULL,
    withdrawn_at INTEGER,
    withdrawn_by TEXT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX fee_schedules_scope ON fee_schedules (scope, number);

-- What a payment bears since it was committed, or a refund gave back; NULL for what bears nothing, and for what was committed before there were entries.
ALTER TABLE payments ADD COLUMN fee_minor INTEGER;
-- Schedule, what becomes of it with refunds, the issuer's part and the hub's.
ALTER TABLE payments ADD COLUMN fee TEXT;

-- What changes what a merchant is paid: a sale, a refund that was taken in, one that its bank refused, a reversal. Written once, with the step that it is about.
CREATE TABLE settlement_entries (
    -- The business day, in the hub's time zone: '2026-11-23'.
    day TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    payment_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    way TEXT,
    currency TEXT NOT NULL,
    -- Above zero for what the merchant gets.
    amount_minor INTEGER NOT NULL,
    -- Above zero for what the merchant bears; what is neither the issuer's nor the hub's of it is the acquirer's.
    fee_minor INTEGER NOT NULL,
    issuer_minor INTEGER NOT NULL,
    hub_minor INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    PRIMARY KEY (day, merchant_id, payment_id, kind)
) STRICT, WITHOUT ROWID;
