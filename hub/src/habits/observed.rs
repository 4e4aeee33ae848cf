//! A purchase as it was counted, as it is stored.

use domain::habit::{Cell, Observation};
use domain::purchase::CategoryCode;
use domain::{Currency, MerchantId, Reason};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    merchant: String,
    category: String,
    on: String,
    hour: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cell: Option<String>,
    currency: String,
    amount: i64,
    back: i64,
}

pub(super) fn to_json(seen: &Observation) -> String {
    let stored = Stored {
        merchant: seen.merchant_id.to_string(),
        category: seen.category.as_str().to_owned(),
        on: seen.on.to_string(),
        hour: seen.hour,
        cell: seen.cell.map(|cell| cell.to_string()),
        currency: seen.currency.code().to_owned(),
        amount: seen.amount_minor,
        back: seen.given_back_minor,
    };
    // Writing strings and numbers to memory cannot fail; an empty text would be refused when it is read.
    serde_json::to_string(&stored).unwrap_or_default()
}

pub(super) fn from_json(text: &str) -> Result<Observation, Reason> {
    let stored: Stored = serde_json::from_str(text).map_err(|_| Reason::FieldUnknown)?;
    Ok(Observation {
        merchant_id: MerchantId::parse(&stored.merchant)?,
        category: CategoryCode::parse(&stored.category)?,
        on: stored.on.parse().map_err(|_| Reason::FieldUnknown)?,
        hour: stored.hour,
        cell: stored.cell.as_deref().map(Cell::parse).transpose()?,
        currency: Currency::parse(&stored.currency)?,
        amount_minor: stored.amount,
        given_back_minor: stored.back,
    })
}
