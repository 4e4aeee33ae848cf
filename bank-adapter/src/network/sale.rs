//! What is stored of a charge besides what every charge has: the message without the fields that have columns of their own.
//! Nothing is lost on the way, so that the same charge told again is seen to be the same.

use domain::ledger::Sale;
use domain::purchase::LineItem;
use domain::text::Line;
use proto::{Message as _, common, counter};

use super::{code_of, wire};

pub(crate) fn write_sale(sale: &Sale) -> Vec<u8> {
    let seller = counter::NetworkSeller {
        terminal_code: code_of(sale.terminal_id.as_str()).to_owned(),
        place: sale.place.as_ref().map(Line::to_string).unwrap_or_default(),
        location: sale.location.map(|at| common::Location { latitude: at.latitude, longitude: at.longitude }),
        ..counter::NetworkSeller::default()
    };
    let charge = counter::NetworkCharge {
        occurred_at: Some(proto::to_timestamp(sale.occurred_at)),
        seller: Some(seller),
        items: sale.items.iter().map(to_item).collect(),
        ..counter::NetworkCharge::default()
    };
    charge.encode_to_vec()
}

/// Reads what [`write_sale`] wrote. `Err` says what is wrong with it.
pub(crate) fn read_sale(bytes: &[u8]) -> Result<Sale, String> {
    let charge = counter::NetworkCharge::decode(bytes).map_err(|error| error.to_string())?;
    wire::sale(&charge).map_err(|reason| reason.to_string())
}

pub(crate) fn to_item(item: &LineItem) -> common::LineItem {
    common::LineItem {
        name: item.name.to_string(),
        code: item.code.as_ref().map(Line::to_string).unwrap_or_default(),
        quantity_milli: item.quantity_milli,
        amount_minor: item.amount_minor,
    }
}

#[cfg(test)]
mod tests {
    use domain::purchase::Location;
    use domain::{TerminalId, Timestamp};

    use super::*;

    #[test]
    fn r3_what_was_bought_where_and_when_is_read_back_as_it_was() {
        // Degrees that no shorter decimal stands for, and a time to the microsecond.
        let whole = Sale {
            occurred_at: Timestamp::from_micros(1_700_000_000_123_457),
            terminal_id: TerminalId::parse("ext-00000042").unwrap(),
            place: Some(Line::parse("西门").unwrap()),
            location: Some(Location { latitude: 31.2 + 0.1 + 0.2, longitude: -121.473_701_1 }),
            items: vec![
                LineItem::new("Oolong 乌龙", "690123", 250, 1_875).unwrap(),
                LineItem::new("Coupon", "", 1_000, -375).unwrap(),
            ],
        };
        let bare = Sale { place: None, location: None, items: Vec::new(), ..whole.clone() };
        for sale in [whole, bare] {
            assert_eq!(read_sale(&write_sale(&sale)), Ok(sale));
        }
        assert!(read_sale(b"\xff").is_err());
        assert!(read_sale(b"").is_err(), "a time and a terminal are always there");
    }
}
