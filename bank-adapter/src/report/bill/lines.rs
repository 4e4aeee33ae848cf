//! What a bill lists: the entries of its cycle.

use domain::credit::{EntryKind, PostingKind, Statement};
use proto::federation as pb;
use server_kit::store::{Row, StoreError, Tx};

/// The most lines of one bill that the hub takes.
const MOST_LINES: usize = 500;

/// With the payment or the purchase that an entry is of; of what came back that is the one that it came back from.
const ENTRIES: &str = "\
    SELECT e.day, e.kind, e.amount_minor, l.merchant_name, l.origin, COALESCE(o.payment_id, l.payment_id), \
           COALESCE(o.leg_id, l.leg_id), o.merchant_name \
    FROM credit_entries e LEFT JOIN legs l ON l.leg_id = e.source_id \
    LEFT JOIN legs o ON o.leg_id = l.original_leg_id \
    WHERE e.account_id = $1 AND e.day >= $2 AND e.day <= $3 ORDER BY e.day, e.made_at, e.place";

/// The lines of a statement, in order. Of too many the last ones stand together in one.
pub(super) async fn of(tx: &mut Tx, statement: &Statement) -> Result<Vec<pb::BillLine>, StoreError> {
    let Statement { account_id, from, closed_on, .. } = statement;
    let args = vec![account_id.uuid().into(), from.to_string().into(), closed_on.to_string().into()];
    let rows = tx.fetch(ENTRIES, args).await?;
    let mut lines = rows.iter().map(line_of).collect::<Result<Vec<_>, _>>()?;
    if lines.len() > MOST_LINES {
        let rest = lines.split_off(MOST_LINES.saturating_sub(1));
        let amount_minor = rest.iter().map(|line| line.amount_minor).fold(0, i64::saturating_add);
        let text = format!("{} more", rest.len());
        lines.push(pb::BillLine { posted_on: closed_on.to_string(), amount_minor, text, payment_id: String::new() });
    }
    Ok(lines)
}

fn line_of(row: &Row) -> Result<pb::BillLine, StoreError> {
    let kind = row.parsed(1, EntryKind::parse)?;
    let amount_minor = row.int(2)?;
    let merchant = row.maybe_text(3)?.or(row.maybe_text(7)?).filter(|name| !name.is_empty());
    // A purchase that another network carried is known to the hub by its leg.
    let payment = match row.maybe_text(4)?.as_deref() {
        Some("NETWORK") => row.maybe_id(6)?,
        _ => row.maybe_id(5)?,
    };
    Ok(pb::BillLine {
        posted_on: row.text(0)?,
        amount_minor: if pays(kind) { amount_minor.saturating_neg() } else { amount_minor },
        text: merchant.unwrap_or_else(|| words_of(kind).to_owned()),
        payment_id: payment.map(|id| id.to_string()).unwrap_or_default(),
    })
}

const fn pays(kind: EntryKind) -> bool {
    match kind {
        EntryKind::Repayment | EntryKind::Refund | EntryKind::CashReturned => true,
        EntryKind::Booked(kind) => matches!(kind, PostingKind::AutoRepayment),
        EntryKind::Purchase | EntryKind::CashAdvance | EntryKind::Fee => false,
    }
}

/// What the bank calls what no merchant stands for.
const fn words_of(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Purchase => "Purchase",
        EntryKind::CashAdvance => "Cash advance",
        EntryKind::Fee => "Fee",
        EntryKind::Repayment => "Repayment",
        EntryKind::Refund => "Refund",
        EntryKind::CashReturned => "Cash advance returned",
        EntryKind::Booked(PostingKind::AutoRepayment) => "Automatic repayment",
        EntryKind::Booked(PostingKind::LateFee) => "Late fee",
        EntryKind::Booked(PostingKind::InterestOnCash) => "Interest on cash advances",
        EntryKind::Booked(PostingKind::InterestOnPurchases) => "Interest on purchases",
    }
}
