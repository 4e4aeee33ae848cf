-- What the bank's existing credit system must come to know. Amounts are whole minor units, times are UTC microseconds.

-- Orders: holds that are asked for, and advices that are told until they are acknowledged. Rows are never removed.
CREATE TABLE credit_orders (
    leg_id UUID NOT NULL,
    -- 0 hold, 1 post, 2 void, 3 refund, 4 repayment, 5 reversal of a repayment; what is told of one hold is told in this order.
    place BIGINT NOT NULL CHECK (place BETWEEN 0 AND 5),
    version BIGINT NOT NULL,
    -- ASKING, APPROVED, REFUSED, UNANSWERED for a hold; WAITING, ACKNOWLEDGED, STUCK for the others.
    state TEXT NOT NULL,
    reason TEXT,
    -- Fields 11 and 7 of its first message; NULL before that.
    stan BIGINT,
    sent_time BIGINT,
    tries BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    -- Field 38 of the approval of a hold.
    approval_code TEXT,
    changed_at BIGINT NOT NULL,
    -- The leg whose hold it is about.
    hold_leg_id UUID NOT NULL,
    card_id UUID NOT NULL,
    is_cash BIGINT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
    -- Field 37.
    reference TEXT NOT NULL,
    queued_at BIGINT NOT NULL,
    PRIMARY KEY (leg_id, place)
) WITH (fillfactor = 50);
CREATE INDEX credit_orders_waiting ON credit_orders (next_try_at) WHERE state = 'WAITING';
CREATE INDEX credit_orders_open ON credit_orders (state, queued_at) WHERE state IN ('ASKING', 'WAITING', 'STUCK');
CREATE INDEX credit_orders_of_hold ON credit_orders (hold_leg_id, place);
CREATE INDEX credit_orders_by_reference ON credit_orders (reference) WHERE place = 0;
CREATE TRIGGER credit_orders_are_not_removed BEFORE DELETE OR TRUNCATE ON credit_orders
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Where cards stand, as the credit system is told of it, change by change. Rows are never removed.
CREATE TABLE card_advices (
    card_id UUID NOT NULL,
    -- Counts the changes of the card.
    number BIGINT NOT NULL,
    version BIGINT NOT NULL,
    -- WAITING, ACKNOWLEDGED, STUCK, or SUPERSEDED by a later one.
    state TEXT NOT NULL,
    reason TEXT,
    -- Fields 11 and 7 of its first message; NULL before that.
    stan BIGINT,
    sent_time BIGINT,
    tries BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    -- ISSUED, ACTIVE, FROZEN, LOST, REPLACED, CLOSED.
    status TEXT NOT NULL,
    -- YYMM, of the card or of the one that takes over.
    expiry TEXT NOT NULL,
    -- The card that takes over.
    replaced_by UUID,
    queued_at BIGINT NOT NULL,
    PRIMARY KEY (card_id, number),
    CHECK ((status = 'REPLACED') = (replaced_by IS NOT NULL))
) WITH (fillfactor = 50);
CREATE INDEX card_advices_waiting ON card_advices (next_try_at) WHERE state = 'WAITING';
CREATE INDEX card_advices_open ON card_advices (state, queued_at) WHERE state IN ('WAITING', 'STUCK');
CREATE INDEX card_advices_of_successor ON card_advices (replaced_by) WHERE replaced_by IS NOT NULL;
CREATE TRIGGER card_advices_are_not_removed BEFORE DELETE OR TRUNCATE ON card_advices
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Changes of PINs that reach the credit system and the front, or neither.
CREATE TABLE pin_changes (
    change_id UUID NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- ASKING, DONE, REFUSED.
    state TEXT NOT NULL,
    reason TEXT,
    -- The new PIN's block under the key of the zone, sealed; NULL when the change is over.
    sealed_block BYTEA,
    -- What the front compares the new PIN with; NULL when the change is over.
    pin_value BYTEA,
    tries BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    card_id UUID NOT NULL,
    asked_at BIGINT NOT NULL,
    CHECK ((state = 'ASKING') = (sealed_block IS NOT NULL)),
    CHECK ((state = 'ASKING') = (pin_value IS NOT NULL))
) WITH (fillfactor = 50);
-- One at a time for a card, so that both sides end with the same PIN.
CREATE UNIQUE INDEX pin_changes_asking ON pin_changes (card_id) WHERE state = 'ASKING';
