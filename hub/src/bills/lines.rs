//! The lines of a statement as they are stored.

use domain::bill::StatementLine;
use domain::text::Line;
use domain::{PaymentId, Reason};
use serde::{Deserialize, Serialize};

use super::intake::day;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    on: String,
    amount: i64,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payment: Option<String>,
}

pub(super) fn to_json(lines: &[StatementLine]) -> String {
    let stored = |line: &StatementLine| Stored {
        on: line.on.to_string(),
        amount: line.amount_minor,
        text: line.text.to_string(),
        payment: line.payment_id.map(|id| id.to_string()),
    };
    // Writing strings and numbers to memory cannot fail; an empty text would be refused when it is read.
    serde_json::to_string(&lines.iter().map(stored).collect::<Vec<_>>()).unwrap_or_default()
}

pub(super) fn from_json(text: &str) -> Result<Vec<StatementLine>, Reason> {
    let stored: Vec<Stored> = serde_json::from_str(text).map_err(|_| Reason::FieldUnknown)?;
    let line = |stored: Stored| {
        Ok(StatementLine {
            on: day(&stored.on)?,
            amount_minor: stored.amount,
            text: Line::parse(&stored.text)?,
            payment_id: stored.payment.as_deref().map(PaymentId::parse).transpose()?,
        })
    };
    stored.into_iter().map(line).collect()
}
