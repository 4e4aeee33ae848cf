-- Which links' networks charge payments by themselves, and the totals that the hub tells card networks. Times are UTC microseconds, days are
-- YYYY-MM-DD.

-- A link that operators have once let route.
CREATE TABLE network_routing (
    link TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The totals of one day of a line on which the hub is the acquirer, once for each currency: durable before the network hears of them.
CREATE TABLE network_totals (
    link TEXT NOT NULL,
    business_day TEXT NOT NULL,
    currency TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- WAITING, TOLD, IN_BALANCE, OUT_OF_BALANCE or REFUSED.
    state TEXT NOT NULL,
    -- Fields 11 and 7 of the message; 0 before it was made.
    stan INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    -- When it is made, or told again; nothing when there is nothing left to tell.
    due_at INTEGER,
    tries INTEGER NOT NULL,
    -- What each side counts; empty before it is known.
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    -- The message, under AES-GCM; empty before it was made.
    sealed_message BLOB NOT NULL,
    PRIMARY KEY (link, business_day, currency)
) STRICT, WITHOUT ROWID;
CREATE INDEX network_totals_due ON network_totals (due_at) WHERE due_at IS NOT NULL;
