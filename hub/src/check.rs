//! The check of the hub's own books, for `bankhub doctor` and the end of every test.

use server_kit::store::{Store, StoreError};

use crate::bills::sql::relations_at_odds;
use crate::credit_history::check::broken_logs;
use crate::freeze::check_marks;

/// What the check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BooksReport {
    pub payments: i64,
    pub purchases: i64,
    pub events: i64,
    /// What is wrong; empty when all is well.
    pub faults: Vec<String>,
}

/// Compares payments, purchases, feeds, counters and reminders with each other, and follows the logs of inquiries.
pub async fn check_books(store: &Store) -> Result<BooksReport, StoreError> {
    let count = async |sql: &'static str| -> Result<i64, StoreError> {
        store.fetch_at_leisure(sql, Vec::new()).await?.first().map_or(Ok(0), |row| row.int(0))
    };
    let mut report = BooksReport {
        payments: count("SELECT count(*) FROM payments").await?,
        purchases: count("SELECT count(*) FROM purchases").await?,
        events: count("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM purchases)").await?,
        faults: Vec::new(),
    };
    let elsewhere = crate::sign_in::CHECKS.iter().chain(&crate::sign_up::CHECKS).chain(&crate::errand::CHECKS);
    for &(what, sql) in
        CHECKS.iter().chain(elsewhere).chain(&crate::network::issuer::CHECKS).chain(&crate::fees::CHECKS)
    {
        let wrong = count(sql).await?;
        if wrong > 0 {
            report.faults.push(format!("{wrong} {what}"));
        }
    }
    report.faults.extend(check_marks(store).await?);
    let broken = broken_logs(store).await?;
    if broken > 0 {
        report.faults.push(format!("{broken} logs of inquiries were changed"));
    }
    let at_odds = relations_at_odds(store).await?;
    if at_odds > 0 {
        report.faults.push(format!("{at_odds} accounts have bills that differ in when the relation has ended"));
    }
    Ok(report)
}

/// Each counts rows that must not exist.
const CHECKS: [(&str, &str); 28] = [
    (
        "reversals over links took nothing back and left no tombstone",
        "SELECT count(*) FROM network_messages m WHERE m.kind = 'REVERSAL' AND NOT EXISTS \
         (SELECT 1 FROM payments p WHERE p.payment_id = m.payment_id)",
    ),
    (
        "acts were approved by who proposed them, or by nobody",
        "SELECT count(*) FROM operator_proposals WHERE state IN ('APPROVED', 'DONE', 'FAILED') \
         AND (decided_by IS NULL OR decided_by = proposed_by)",
    ),
    (
        "committed payments have no purchase",
        "SELECT count(*) FROM payments p WHERE (p.kind IN ('PURCHASE', 'ROUTED') OR p.kind = 'CARD' AND p.person_id IS NOT NULL \
         AND p.nature NOT IN ('DEPOSIT', 'TOP_UP', 'TRANSFER_IN', 'REPAYMENT')) \
         AND p.state IN ('COMMITTED', 'POSTED', 'REVERSING', 'REVERSED') AND NOT EXISTS \
         (SELECT 1 FROM purchases r WHERE r.person_id = p.person_id AND r.sequence = p.charge_sequence \
          AND r.occurred_at = p.decided_at AND r.payment_id = p.payment_id \
          AND r.amount_minor = COALESCE(p.completed_minor, p.amount_minor))",
    ),
    (
        "purchases have no committed payment",
        "SELECT count(*) FROM purchases r WHERE r.carrier = 'HUB' AND NOT EXISTS (SELECT 1 FROM payments p \
         WHERE p.payment_id = r.payment_id AND p.state IN ('COMMITTED', 'POSTED', 'REVERSING', 'REVERSED'))",
    ),
    (
        "persons were not told of money that came in",
        "SELECT count(*) FROM payments p WHERE p.kind IN ('CARD', 'TOP_UP') AND p.person_id IS NOT NULL \
         AND p.nature IN ('DEPOSIT', 'TOP_UP', 'TRANSFER_IN', 'REPAYMENT') \
         AND p.state IN ('COMMITTED', 'POSTED', 'REVERSING', 'REVERSED') AND NOT EXISTS (SELECT 1 FROM events e \
         WHERE e.person_id = p.person_id AND e.payment_id = p.payment_id AND e.kind = 'PAID_IN')",
    ),
    (
        "terminals have taken less cash on their last day than their top-ups say",
        "SELECT count(*) FROM (SELECT c.holder FROM cash_taken c JOIN payments p \
         ON c.holder = 'terminal/' || p.terminal_id || '/' || p.currency AND c.day = p.created_at / 86400000000 \
         WHERE p.kind = 'TOP_UP' AND p.state IN ('HOLDING', 'COMMITTED', 'POSTED') \
         GROUP BY c.holder, c.taken_minor HAVING sum(p.amount_minor) <> c.taken_minor) wrong",
    ),
    (
        "persons were not told of their repayments, or were told of them twice",
        "SELECT count(*) FROM repayments q WHERE q.state IN ('COMMITTED', 'POSTED') AND (SELECT count(*) FROM events e \
         WHERE e.person_id = q.person_id AND e.payment_id = q.repayment_id AND e.kind = 'REPAID') <> 1",
    ),
    (
        "repayments are told of that were not committed",
        "SELECT count(*) FROM events e WHERE e.kind = 'REPAID' AND NOT EXISTS (SELECT 1 FROM repayments q \
         WHERE q.repayment_id = e.payment_id AND q.person_id = e.person_id AND q.state IN ('COMMITTED', 'POSTED'))",
    ),
    (
        "payments have refunds that do not add up",
        // Both sides are summed by payment in one pass and not joined: a refund is not found by its payment.
        "SELECT count(*) FROM (SELECT payment_id FROM (SELECT payment_id, refunded_minor, 0 AS found FROM payments \
         WHERE kind IN ('PURCHASE', 'CARD') AND refunded_minor <> 0 UNION ALL SELECT original_id, 0, amount_minor FROM payments \
         WHERE kind = 'REFUND' AND state IN ('COMMITTED', 'POSTED')) sides \
         GROUP BY payment_id HAVING sum(refunded_minor) <> sum(found)) wrong",
    ),
    (
        "payments gave back more than was paid",
        "SELECT count(*) FROM payments WHERE refunded_minor < 0 \
         OR refunded_minor > COALESCE(completed_minor, amount_minor) OR completed_minor > amount_minor",
    ),
    (
        "purchases have give-backs that do not add up",
        // Both sides are summed by purchase in one pass, as above.
        "SELECT count(*) FROM (SELECT person_id, sequence FROM (SELECT person_id, sequence, given_back_minor, 0 AS found \
         FROM purchases WHERE given_back_minor <> 0 UNION ALL SELECT person_id, sequence, 0, amount_minor FROM give_backs) sides \
         GROUP BY person_id, sequence HAVING sum(given_back_minor) <> sum(found)) wrong",
    ),
    (
        "feeds have gaps",
        "SELECT count(*) FROM payers y WHERE y.last_sequence <> \
         (SELECT count(*) FROM events e WHERE e.person_id = y.person_id AND e.sequence <= y.last_sequence) + \
         (SELECT count(*) FROM purchases r WHERE r.person_id = y.person_id AND r.sequence <= y.last_sequence)",
    ),
    (
        "places in feeds are taken twice",
        "SELECT count(*) FROM events e JOIN purchases r ON r.person_id = e.person_id AND r.sequence = e.sequence",
    ),
    (
        "events stand after the end of their feed",
        "SELECT count(*) FROM (SELECT person_id, sequence FROM events \
         UNION ALL SELECT person_id, sequence FROM purchases) e WHERE NOT EXISTS (SELECT 1 FROM payers y \
         WHERE y.person_id = e.person_id AND e.sequence <= y.last_sequence)",
    ),
    (
        "reminders were sent that stand in no feed",
        "SELECT count(*) FROM sent_reminders s WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.person_id = s.person_id \
         AND e.sequence = s.sequence AND e.topic = 'REMINDER' AND e.payment_id = s.reminder_id)",
    ),
    (
        "reminders stand in feeds of which nothing says what they were sent for, or were sent twice",
        "SELECT count(*) FROM events e WHERE e.topic = 'REMINDER' AND NOT EXISTS (SELECT 1 FROM sent_reminders s \
         WHERE s.reminder_id = e.payment_id AND s.sequence = e.sequence AND s.person_id = e.person_id)",
    ),
    (
        "bills lack what they list, or what is listed has no bill",
        "SELECT (SELECT count(*) FROM bills b WHERE NOT EXISTS (SELECT 1 FROM bill_lines l WHERE l.bill_id = b.bill_id \
         AND l.version = b.version)) + \
         (SELECT count(*) FROM bill_lines l WHERE NOT EXISTS (SELECT 1 FROM bills b WHERE b.bill_id = l.bill_id))",
    ),
    (
        "bills stand in the total that should not, or do not stand in it and should",
        "SELECT count(*) FROM bills b WHERE in_total <> CASE WHEN standing LIKE 'ARREARS %' OR NOT EXISTS \
         (SELECT 1 FROM bills n WHERE n.account_id = b.account_id AND n.bank_id = b.bank_id AND n.currency = b.currency \
          AND n.person_id = b.person_id AND n.closed_on > b.closed_on) THEN 1 ELSE 0 END",
    ),
    (
        "banks are not told of a freeze that they have not confirmed",
        "SELECT count(*) FROM freezes WHERE refusal IS NULL AND due_at IS NULL \
         AND (confirmed_number IS NULL OR confirmed_number < order_number)",
    ),
    (
        "safety codes may be set without an identity check that says so",
        "SELECT count(*) FROM safety_codes s WHERE NOT EXISTS (SELECT 1 FROM identity_checks i \
         WHERE i.person_id = s.person_id AND (s.open_until IS NULL OR i.open_until = s.open_until))",
    ),
    (
        "safety codes are kept in part, or counted below zero",
        "SELECT count(*) FROM safety_codes WHERE (code_mac IS NULL) <> (set_at IS NULL) \
         OR (code_mac IS NULL) <> (set_by IS NULL) OR failures < 0",
    ),
    (
        "people were not told of identity checks, or were told twice",
        "SELECT count(*) FROM identity_checks i WHERE (SELECT count(*) FROM events e WHERE e.person_id = i.person_id \
         AND e.payment_id = i.check_id AND e.topic = 'SECURITY') <> 1",
    ),
    (
        "logs of inquiries do not end where they should",
        "SELECT (SELECT count(*) FROM inquiry_heads h WHERE NOT EXISTS (SELECT 1 FROM inquiry_log l \
         WHERE l.person_id = h.person_id AND l.number = h.last_number AND l.hash = h.last_hash)) + \
         (SELECT count(*) FROM inquiry_log l WHERE NOT EXISTS (SELECT 1 FROM inquiry_heads h \
         WHERE h.person_id = l.person_id AND l.number <= h.last_number))",
    ),
    (
        "offers were delivered more or less often than they say, or beyond their budget",
        "SELECT (SELECT count(*) FROM offers WHERE delivered > budget) + (SELECT count(*) FROM (SELECT offer_id FROM \
         (SELECT offer_id, delivered, 0 AS found FROM offers UNION ALL SELECT offer_id, 0, 1 FROM offer_deliveries) sides \
         GROUP BY offer_id HAVING sum(delivered) <> sum(found)) wrong)",
    ),
    (
        "offers were delivered that stand in no feed",
        "SELECT count(*) FROM offer_deliveries d WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.person_id = d.person_id \
         AND e.sequence = d.sequence AND e.topic = 'OFFER' AND e.payment_id = d.offer_id)",
    ),
    (
        "acceptances of offers lack what was signed or what is shown, or answers have it that are none",
        "SELECT count(*) FROM offer_deliveries WHERE (answer = 'ACCEPTED') <> (shown_sealed IS NOT NULL) \
         OR (shown_sealed IS NULL) <> (signature IS NULL) OR (shown_sealed IS NULL) <> (text_sealed IS NULL)",
    ),
    (
        "people are marked as getting offers who get none, or not marked who do",
        "SELECT (SELECT count(*) FROM payers y WHERE y.gets_offers <> 0 AND NOT EXISTS (SELECT 1 FROM offer_agreements a \
         WHERE a.person_id = y.person_id AND a.banks <> '')) + (SELECT count(*) FROM offer_agreements a \
         WHERE a.banks <> '' AND NOT EXISTS (SELECT 1 FROM payers y WHERE y.person_id = a.person_id AND y.gets_offers <> 0))",
    ),
    (
        "people stand in the list of a bank's offers to which they have not agreed, or not in that to which they have",
        "SELECT (SELECT count(*) FROM offer_recipients r WHERE NOT EXISTS (SELECT 1 FROM offer_agreements a \
         WHERE a.person_id = r.person_id AND ',' || a.banks || ',' LIKE '%,' || r.bank_id || ',%')) + \
         (SELECT count(*) FROM offer_agreements a WHERE (SELECT count(*) FROM offer_recipients r WHERE r.person_id = a.person_id \
         AND ',' || a.banks || ',' LIKE '%,' || r.bank_id || ',%') <> \
         CASE WHEN a.banks = '' THEN 0 ELSE length(a.banks) - length(replace(a.banks, ',', '')) + 1 END)",
    ),
];
