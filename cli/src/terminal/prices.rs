//! `bankhub terminal prices`.

use domain::{Currency, Money};
use proto::terminal as pb;
use serde_json::json;

use super::Terminal;
use crate::error::CliError;
use crate::output::Output;

/// `NAME=12.50` for one unit; the price is read in the currency that is named beside it.
pub(super) fn typed(text: &str) -> Result<(String, String), String> {
    let form = || "a price is NAME=PRICE, as in \"Rice 5 kg=39.90\"".to_owned();
    let (name, price) = text.rsplit_once('=').ok_or_else(form)?;
    let (name, price) = (name.trim(), price.trim());
    if name.is_empty() || price.is_empty() || price.starts_with('-') {
        Err(form())
    } else {
        Ok((name.to_owned(), price.to_owned()))
    }
}

/// A price as it goes to the hub.
pub fn price(name: &str, price: Money) -> pb::Price {
    pb::Price { name: name.to_owned(), price: Some(proto::to_money(price)), ..pb::Price::default() }
}

pub(super) async fn publish(
    terminal: &Terminal,
    prices: &[(String, String)],
    currency: Currency,
    out: &Output,
) -> Result<(), CliError> {
    let read = |(name, text): &(String, String)| {
        let money =
            Money::parse_major(currency, text).map_err(|reason| CliError::Usage(reason.english().to_owned()))?;
        Ok(price(name, money))
    };
    let prices = prices.iter().map(read).collect::<Result<Vec<_>, CliError>>()?;
    let (sent, changed) = (prices.len(), terminal.publish_prices(prices).await?);
    out.record(
        &[("prices", sent.to_string()), ("changed", changed.to_string())],
        &json!({ "prices": sent, "changed": changed }),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_has_a_name_and_is_not_below_zero() {
        assert_eq!(typed("Rice 5 kg=39.90"), Ok(("Rice 5 kg".to_owned(), "39.90".to_owned())));
        assert_eq!(typed("1=2=3"), Ok(("1=2".to_owned(), "3".to_owned())));
        for bad in ["", "Rice", "=1", "Rice=", "Rice=-1"] {
            assert!(typed(bad).is_err(), "{bad:?}");
        }
    }
}
