//! What must never be so of what is asked over card networks, for `bankhub doctor` and the end of every test.

/// Each counts rows that must not exist.
pub(crate) const CHECKS: [(&str, &str); 3] = [
    (
        "payments are committed that their card network has not approved",
        "SELECT count(*) FROM payments p WHERE p.state IN ('COMMITTED', 'POSTED') AND p.kind IN ('PURCHASE', 'CARD') \
         AND EXISTS (SELECT 1 FROM network_orders o WHERE o.leg_id = p.leg_id) AND NOT EXISTS (SELECT 1 FROM network_orders o \
         WHERE o.leg_id = p.leg_id AND o.asked IN ('CHARGE', 'AUTHORISATION') AND o.state = 'DONE')",
    ),
    (
        "payments came to nothing and were not taken back at their card network",
        "SELECT count(*) FROM payments p WHERE p.state = 'ABORTED' AND EXISTS (SELECT 1 FROM network_orders o \
         WHERE o.leg_id = p.leg_id AND o.asked IN ('CHARGE', 'AUTHORISATION') AND o.state <> 'REFUSED') \
         AND NOT EXISTS (SELECT 1 FROM network_orders o WHERE o.leg_id = p.leg_id AND o.asked = 'REVERSAL' \
         AND (o.state = 'DONE' OR o.due_at IS NOT NULL))",
    ),
    (
        "messages to a card network have the same number and time",
        "SELECT count(*) FROM (SELECT link FROM network_orders WHERE stan > 0 GROUP BY link, stan, sent_at \
         HAVING count(*) > 1) twice",
    ),
];
