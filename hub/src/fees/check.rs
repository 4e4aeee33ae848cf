//! What must be true of fees and settlements, for the check of the hub's books.

/// Each counts rows that must not exist.
pub(crate) const CHECKS: [(&str, &str); 5] = [
    (
        "sales, refunds, refusals or reversals are settled otherwise than payments say, or not once",
        // Both sides are summed in one pass and not joined: an entry is not found by its payment. What is given back with a refusal is checked below.
        "SELECT count(*) FROM (SELECT payment_id FROM (\
         SELECT payment_id, 'SALE' AS kind, terminal_id, currency, COALESCE(completed_minor, amount_minor) AS amount, \
         fee_minor AS fee, 1 AS n FROM payments WHERE kind <> 'REFUND' AND fee_minor IS NOT NULL \
         UNION ALL SELECT payment_id, 'REVERSAL', terminal_id, currency, -COALESCE(completed_minor, amount_minor), -fee_minor, 1 \
         FROM payments WHERE kind <> 'REFUND' AND fee_minor IS NOT NULL AND state IN ('REVERSING', 'REVERSED') \
         UNION ALL SELECT payment_id, 'REFUND', terminal_id, currency, -amount_minor, -fee_minor, 1 \
         FROM payments WHERE kind = 'REFUND' AND fee_minor IS NOT NULL \
         UNION ALL SELECT payment_id, 'REFUND_REFUSED', terminal_id, currency, amount_minor, 0, 1 \
         FROM payments WHERE kind = 'REFUND' AND fee_minor IS NOT NULL AND state = 'DECLINED' \
         UNION ALL SELECT payment_id, kind, terminal_id, currency, -amount_minor, \
         CASE WHEN kind = 'REFUND_REFUSED' THEN 0 ELSE -fee_minor END, -1 FROM settlement_entries) sides \
         GROUP BY payment_id, kind, terminal_id, currency HAVING sum(amount) <> 0 OR sum(fee) <> 0 OR sum(n) <> 0) wrong",
    ),
    (
        "payments bear a fee and were never committed, or bear more than was paid",
        "SELECT count(*) FROM payments WHERE (fee_minor IS NULL) <> (fee IS NULL) OR fee_minor < 0 \
         OR fee_minor > COALESCE(completed_minor, amount_minor) OR fee_minor IS NOT NULL AND (kind NOT IN ('PURCHASE', 'CARD', 'REFUND') \
         OR kind <> 'REFUND' AND state NOT IN ('COMMITTED', 'POSTED', 'REVERSING', 'REVERSED'))",
    ),
    (
        "entries of settlements have parts that are more than the whole",
        "SELECT count(*) FROM settlement_entries WHERE abs(fee_minor) > abs(amount_minor) \
         OR abs(issuer_minor) + abs(hub_minor) > abs(fee_minor) OR issuer_minor < 0 AND fee_minor > 0 \
         OR issuer_minor > 0 AND fee_minor < 0 OR hub_minor < 0 AND fee_minor > 0 OR hub_minor > 0 AND fee_minor < 0",
    ),
    (
        "sales gave back more of their fee than they bear, or less than all of it when they were reversed",
        // The entry of a refund names the refund, whose payment says of which sale it is.
        "SELECT count(*) FROM (SELECT COALESCE(p.original_id, p.payment_id) AS sale FROM settlement_entries e \
         JOIN payments p ON p.payment_id = e.payment_id GROUP BY COALESCE(p.original_id, p.payment_id) \
         HAVING sum(CASE WHEN e.kind = 'SALE' THEN 1 ELSE 0 END) > 0 AND (sum(e.fee_minor) < 0 OR sum(e.amount_minor) < 0 \
         OR sum(e.issuer_minor) < 0 OR sum(e.hub_minor) < 0 OR sum(e.issuer_minor) + sum(e.hub_minor) > sum(e.fee_minor) \
         OR sum(CASE WHEN e.kind = 'REVERSAL' THEN 1 ELSE 0 END) > 0 AND (sum(e.fee_minor) <> 0 OR sum(e.amount_minor) <> 0 \
         OR sum(e.issuer_minor) <> 0 OR sum(e.hub_minor) <> 0))) wrong",
    ),
    (
        "fee schedules of one scope hold at the same time, or were withdrawn by nobody",
        "SELECT (SELECT count(*) FROM fee_schedules a JOIN fee_schedules b ON b.scope = a.scope AND b.number > a.number \
         AND b.valid_from <= a.valid_from WHERE a.withdrawn_at IS NULL AND b.withdrawn_at IS NULL) + \
         (SELECT count(*) FROM fee_schedules WHERE (withdrawn_at IS NULL) <> (withdrawn_by IS NULL))",
    ),
];
