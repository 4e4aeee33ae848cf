-- What merchants are charged, and what they are paid for a day. Times are UTC microseconds, amounts minor units, rates and shares millionths.

-- A version of what is charged for one scope from a moment on; it stands for ever, but for one that was withdrawn before it held.
CREATE TABLE fee_schedules (
    schedule_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- Merchant, category, way of paying and currency, as '* 5812 CARD_CREDIT CNY'.
    scope TEXT NOT NULL,
    -- Counts up from 1 in each scope, also over those that were withdrawn: two who set one at the same time do not both succeed.
    number BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    -- NULL where nothing is said of the scope any more.
    rate_ppm BIGINT,
    fixed_minor BIGINT,
    floor_minor BIGINT,
    cap_minor BIGINT,
    issuer_ppm BIGINT,
    hub_ppm BIGINT,
    returns TEXT,
    set_at BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    withdrawn_at BIGINT,
    withdrawn_by TEXT
);
CREATE UNIQUE INDEX fee_schedules_scope ON fee_schedules (scope, number);

-- What a payment bears since it was committed, or a refund gave back; NULL for what bears nothing, and for what was committed before there were entries.
ALTER TABLE payments ADD COLUMN fee_minor BIGINT;
-- Schedule, what becomes of it with refunds, the issuer's part and the hub's.
ALTER TABLE payments ADD COLUMN fee TEXT;

-- What changes what a merchant is paid: a sale, a refund that was taken in, one that its bank refused, a reversal. Written once, with the step that it is about.
CREATE TABLE settlement_entries (
    -- The business day, in the hub's time zone: '2026-11-23'.
    day TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    payment_id UUID NOT NULL,
    kind TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    way TEXT,
    currency TEXT NOT NULL,
    -- Above zero for what the merchant gets.
    amount_minor BIGINT NOT NULL,
    -- Above zero for what the merchant bears; what is neither the issuer's nor the hub's of it is the acquirer's.
    fee_minor BIGINT NOT NULL,
    issuer_minor BIGINT NOT NULL,
    hub_minor BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    PRIMARY KEY (day, merchant_id, payment_id, kind)
);
