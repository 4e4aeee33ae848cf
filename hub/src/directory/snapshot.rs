//! What a payment remembers of its terminal and of what was bought: a snapshot, so that a record says for ever what
//! was true on the day of the purchase (R3), whatever the merchant is called later.

use domain::purchase::{CategoryCode, LineItem, Location, Merchant, Terminal};
use domain::text::Line;
use domain::{MerchantId, Reason};
use serde::{Deserialize, Serialize};

/// A merchant with the place of the terminal, as they were when the payment was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Whom the money goes to.
    pub merchant: Merchant,
    /// What people called the place.
    pub place: Option<Line>,
    /// Where the terminal stood.
    pub location: Option<Location>,
}

/// A stored snapshot cannot be read: it was written by another program, or changed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is not the JSON that this file writes.
    #[error("a snapshot is not the JSON that was written: {0}")]
    Json(#[from] serde_json::Error),
    /// One of its values is none that the domain knows.
    #[error("a snapshot holds a value that does not exist: {0:?}")]
    Value(Reason),
}

impl From<Reason> for SnapshotError {
    fn from(reason: Reason) -> Self {
        Self::Value(reason)
    }
}

/// What is read: a list of these in this order, as it is written, or an object with their names, as it was written before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MerchantJson<'a> {
    #[serde(borrow)]
    id: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    category: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    place: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    latitude: Option<f64>,
    #[serde(default)]
    longitude: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemJson<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    code: Option<std::borrow::Cow<'a, str>>,
    quantity_milli: i64,
    amount_minor: i64,
}

/// The terminal's merchant and place as `[id, name, category, place, latitude, longitude]`; what is not known is `null`. There are many rows
/// with it, and names would be a third of it.
pub fn merchant_to_json(terminal: &Terminal) -> String {
    let Terminal { merchant, place, location, .. } = terminal;
    let (latitude, longitude) = location.map(|at| (at.latitude, at.longitude)).unzip();
    to_json(&(
        merchant.id.as_str(),
        merchant.name.as_str(),
        merchant.category.as_str(),
        place.as_ref().map(Line::as_str),
        latitude,
        longitude,
    ))
}

/// Reads what [`merchant_to_json`] wrote, and what it wrote when each value had its name.
pub fn merchant_from_json(text: &str) -> Result<Snapshot, SnapshotError> {
    let json: MerchantJson<'_> = serde_json::from_str(text)?;
    let merchant = Merchant {
        id: MerchantId::parse(&json.id)?,
        name: Line::parse(&json.name)?,
        category: CategoryCode::parse(&json.category)?,
    };
    let location = match (json.latitude, json.longitude) {
        (Some(latitude), Some(longitude)) => Some(Location { latitude, longitude }),
        _ => None,
    };
    Ok(Snapshot { merchant, place: json.place.as_deref().map(Line::parse).transpose()?, location })
}

/// The line items as `[[name, code, quantity_milli, amount_minor]]`; without a code that is `null`.
pub fn items_to_json(items: &[LineItem]) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|it| (it.name.as_str(), it.code.as_ref().map(Line::as_str), it.quantity_milli, it.amount_minor))
        .collect();
    to_json(&items)
}

/// The line items as `[{"name","code","quantity_milli","amount_minor"}]`: the fingerprint of a request is made of this, and a request that
/// comes again must have the one that it had.
pub fn items_to_named_json(items: &[LineItem]) -> String {
    let items: Vec<ItemJson<'_>> = items
        .iter()
        .map(|item| ItemJson {
            name: item.name.as_str().into(),
            code: item.code.as_ref().map(|code| code.as_str().into()),
            quantity_milli: item.quantity_milli,
            amount_minor: item.amount_minor,
        })
        .collect();
    to_json(&items)
}

/// Reads what [`items_to_json`] wrote, or [`items_to_named_json`], as it was before.
pub fn items_from_json(text: &str) -> Result<Vec<LineItem>, SnapshotError> {
    let items: Vec<ItemJson<'_>> = serde_json::from_str(text)?;
    let read = |item: &ItemJson<'_>| {
        LineItem::new(&item.name, item.code.as_deref().unwrap_or_default(), item.quantity_milli, item.amount_minor)
    };
    Ok(items.iter().map(read).collect::<Result<_, Reason>>()?)
}

fn to_json(value: &impl Serialize) -> String {
    // Writing strings and numbers to memory cannot fail; an empty text would be refused when it is read.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use domain::TerminalId;

    use super::*;

    fn terminal() -> Terminal {
        Terminal {
            id: TerminalId::parse("till-1").unwrap(),
            merchant: Merchant {
                id: MerchantId::parse("noodles").unwrap(),
                name: Line::parse("老王\"面馆\"\\").unwrap(),
                category: CategoryCode::parse("5812").unwrap(),
            },
            place: Some(Line::parse("West Gate").unwrap()),
            location: Some(Location { latitude: 31.25, longitude: -121.5 }),
            suspended: false,
        }
    }

    #[test]
    fn r3_a_merchant_with_its_place_survives_storage() {
        let terminal = terminal();
        let read = merchant_from_json(&merchant_to_json(&terminal)).unwrap();
        assert_eq!(read.merchant, terminal.merchant);
        assert_eq!((read.place, read.location), (terminal.place, terminal.location));
    }

    #[test]
    fn r3_a_terminal_of_which_no_place_is_known_survives_storage() {
        let terminal = Terminal { place: None, location: None, ..terminal() };
        let json = merchant_to_json(&terminal);
        assert_eq!(json, r#"["noodles","老王\"面馆\"\\","5812",null,null,null]"#);
        let read = merchant_from_json(&json).unwrap();
        assert_eq!((read.place, read.location), (None, None));
    }

    #[test]
    fn r3_what_was_stored_with_names_is_read_as_ever() {
        let full = r#"{"id":"noodles","name":"老王\"面馆\"\\","category":"5812","place":"West Gate","latitude":31.25,"longitude":-121.5}"#;
        assert_eq!(merchant_from_json(full).unwrap(), merchant_from_json(&merchant_to_json(&terminal())).unwrap());
        let bare = merchant_from_json(r#"{"id":"noodles","name":"a","category":"5812"}"#).unwrap();
        assert_eq!((bare.place, bare.location), (None, None));
        let items = vec![
            LineItem::new("牛肉面", "6901234567892", 2_000, 3_600).unwrap(),
            LineItem::new("Discount", "", 1_000, -360).unwrap(),
        ];
        let named = items_to_named_json(&items);
        assert_eq!(
            named,
            r#"[{"name":"牛肉面","code":"6901234567892","quantity_milli":2000,"amount_minor":3600},{"name":"Discount","quantity_milli":1000,"amount_minor":-360}]"#
        );
        assert_eq!(items_from_json(&named).unwrap(), items);
        assert_eq!(items_to_json(&items), r#"[["牛肉面","6901234567892",2000,3600],["Discount",null,1000,-360]]"#);
    }

    #[test]
    fn r3_line_items_survive_storage_in_order() {
        let items = vec![
            LineItem::new("牛肉面", "6901234567892", 2_000, 3_600).unwrap(),
            LineItem::new("Discount \"10 %\"", "", 1_000, -360).unwrap(),
        ];
        assert_eq!(items_from_json(&items_to_json(&items)).unwrap(), items);
        assert_eq!(items_from_json(&items_to_json(&[])).unwrap(), []);
    }

    #[test]
    fn a_snapshot_that_was_changed_is_an_error_and_not_a_default() {
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"id":"A","name":"a","category":"5812"}"#,
            r#"{"id":"a","name":"a","category":"58"}"#,
            r#"["a","a","58",null,null,null]"#,
            r#"["a","a","5812",null,"31",null]"#,
            r#"["a","a","5812",null,null,null,null]"#,
        ] {
            assert!(merchant_from_json(bad).is_err(), "{bad}");
        }
        for bad in [
            "",
            "{}",
            r#"[{"name":"a","quantity_milli":0,"amount_minor":1}]"#,
            r#"[{"name":"a"}]"#,
            r#"[["a",null,1000]]"#,
            r#"[["a",null,0,1]]"#,
            r#"[["a",null,1000,1,1]]"#,
        ] {
            assert!(items_from_json(bad).is_err(), "{bad}");
        }
    }
}
