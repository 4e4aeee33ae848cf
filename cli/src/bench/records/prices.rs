//! What shops nearby ask, over very many prices: published through the hub's own writer, and compared by the call that follows each
//! charge, both in this process while no hub runs, so that nothing else is in the time of a comparison.

use std::sync::Arc;
use std::time::Duration;

use domain::ledger::Nature;
use domain::nearby::Reach;
use domain::purchase::{Carrier, CategoryCode, LineItem, Location, Merchant, Purchase, PurchaseState, Terminal};
use domain::text::Line;
use domain::{BankId, Currency, MerchantId, Money, PaymentId, PersonId, Reason, TerminalId};
use hub::prices::Prices;
use proto::{common, terminal as pb};
use server_kit::clock::{Clock as _, Stopwatch, SystemClock};
use server_kit::store::{Owner, Store};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::past::{one_of, place};
use super::{RecordsError, RecordsOptions};
use crate::bench::latency::Latencies;

/// Prices of one shop, of so many things that shops of its category sell.
const PRICES_OF_A_SHOP: u64 = 100;
const GOODS: u64 = 500;
const CATEGORIES: [&str; 8] = ["5411", "5812", "5814", "5541", "5912", "5942", "5732", "4111"];
/// Shops that publish at once.
const AT_ONCE: usize = 64;
/// Things on the receipt of a purchase that is compared.
const BOUGHT: u64 = 3;
const COMPARISONS: u64 = 4_000;
/// Comparisons before those that count.
const WARM_UP: u64 = 400;
/// Who writes while no hub runs.
const NAME: &str = "growth-prices";

/// What was published.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    pub prices: u64,
    pub elapsed: Duration,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// From the purchase to what is worth telling of it: all queries and the rule.
    pub latencies: Latencies,
    /// Of how many purchases there was something to tell.
    pub told: u64,
}

const fn shops(options: &RecordsOptions) -> u64 {
    let shops = options.prices.div_ceil(PRICES_OF_A_SHOP);
    if shops == 0 { 1 } else { shops }
}

/// Publishes so many prices.
pub async fn publish_all(store: &Store, options: &RecordsOptions, mark: Uuid) -> Result<Published, RecordsError> {
    let owner = Arc::new(Owner::take(store, NAME, mark).await?);
    let (prices, task) = Prices::start(store.clone(), owner);
    let watch = Stopwatch::start();
    let mut publishing = JoinSet::new();
    for n in 0..shops(options) {
        if publishing.len() >= AT_ONCE
            && let Some(done) = publishing.join_next().await
        {
            done.map_err(|_| RecordsError::TaskEnded)??;
        }
        publishing.spawn(publish(prices.clone(), options.seed, n));
    }
    while let Some(done) = publishing.join_next().await {
        done.map_err(|_| RecordsError::TaskEnded)??;
    }
    drop(prices);
    task.await.map_err(|_| RecordsError::TaskEnded)?;
    Ok(Published { prices: shops(options) * PRICES_OF_A_SHOP, elapsed: watch.elapsed() })
}

/// Compares purchases with what was published, one after the other.
pub async fn compare(store: &Store, options: &RecordsOptions, mark: Uuid) -> Result<Compared, RecordsError> {
    let owner = Arc::new(Owner::take(store, NAME, mark).await?);
    let (prices, task) = Prices::start(store.clone(), owner);
    let mut compared = Compared::default();
    for n in 0..WARM_UP + COMPARISONS {
        let bought = purchase(options.seed, shops(options), n).map_err(RecordsError::Rule)?;
        let watch = Stopwatch::start();
        let message = prices.compare(&bought, Reach::default()).await?;
        if n >= WARM_UP {
            compared.latencies.record(watch.elapsed());
            compared.told += u64::from(message.is_some());
        }
    }
    drop(prices);
    task.await.map_err(|_| RecordsError::TaskEnded)?;
    Ok(compared)
}

async fn publish(prices: Prices, seed: u64, n: u64) -> Result<(), RecordsError> {
    let terminal = Arc::new(shop(seed, n).map_err(RecordsError::Rule)?);
    let price = |place: u64| {
        let minor_units = i64::try_from(500 + one_of(5_000, &[seed, n, place])).unwrap_or_default();
        let goods = sold(seed, n, place);
        pb::Price {
            name: format!("Thing {goods}"),
            code: gtin(category_of(n), goods),
            unit: String::new(),
            price: Some(common::Money { currency_code: "CNY".to_owned(), minor_units }),
        }
    };
    let request = pb::PublishPricesRequest { prices: (0..PRICES_OF_A_SHOP).map(price).collect() };
    prices.publish(terminal, &request).await?.map(drop).map_err(RecordsError::Rule)
}

const fn category_of(shop: u64) -> u64 {
    shop % CATEGORIES.len() as u64
}

/// What a shop has in a place of its list: things that follow each other from somewhere on, so that none is there twice.
fn sold(seed: u64, shop: u64, place: u64) -> u64 {
    (one_of(GOODS, &[seed, shop]) + place) % GOODS
}

/// A number of GS1 with its check digit (GS1 General Specifications, section 7.9).
fn gtin(category: u64, goods: u64) -> String {
    let digits = format!("690{category:03}{goods:06}");
    let weighed =
        digits.bytes().zip([1, 3].into_iter().cycle()).map(|(digit, weight)| u32::from(digit - b'0') * weight);
    format!("{digits}{}", (10 - weighed.sum::<u32>() % 10) % 10)
}

fn shop(seed: u64, n: u64) -> Result<Terminal, Reason> {
    let (latitude, longitude) = place(seed, n);
    let category = usize::try_from(category_of(n)).ok().and_then(|at| CATEGORIES.get(at)).copied();
    Ok(Terminal {
        id: TerminalId::parse(&format!("price-{n}"))?,
        merchant: Merchant {
            id: MerchantId::parse(&format!("price-{n}"))?,
            name: Line::parse(&format!("Shop {n}"))?,
            category: CategoryCode::parse(category.unwrap_or_default())?,
        },
        place: None,
        location: Some(Location { latitude, longitude }),
        suspended: false,
    })
}

fn purchase(seed: u64, shops: u64, n: u64) -> Result<Purchase, Reason> {
    let at = one_of(shops, &[seed, n, 1]);
    let terminal = shop(seed, at)?;
    let item = |line: u64| {
        let goods = sold(seed, at, one_of(PRICES_OF_A_SHOP, &[seed, n, 2 + line]));
        LineItem::new(&format!("Thing {goods}"), &gtin(category_of(at), goods), 1_000, 3_000)
    };
    let id = Uuid::from_u128(u128::from(n) + 1);
    Ok(Purchase {
        payment_id: PaymentId::from_uuid(id),
        carrier: Carrier::Hub,
        state: PurchaseState::Posted,
        person_id: PersonId::from_uuid(id),
        nature: Nature::Purchase,
        amount: Money::new(Currency::CNY, 9_000),
        credit_minor: None,
        occurred_at: SystemClock.now(),
        bank_id: BankId::parse("bank-a")?,
        account_masked: "****4821".to_owned(),
        merchant: terminal.merchant,
        terminal_id: terminal.id,
        place: terminal.place,
        location: terminal.location,
        items: (0..BOUGHT).map(item).collect::<Result<_, Reason>>()?,
        given_back_minor: 0,
    })
}

#[cfg(test)]
mod tests {
    use domain::nearby::Gtin;

    use super::*;

    #[test]
    fn a_shop_sells_each_thing_once_under_a_number_of_its_own() {
        let sells = |shop: u64| (0..PRICES_OF_A_SHOP).map(move |place| gtin(category_of(shop), sold(7, shop, place)));
        for shop in [0, 1, 77, 9_999] {
            let codes: std::collections::BTreeSet<String> = sells(shop).collect();
            assert_eq!(codes.len() as u64, PRICES_OF_A_SHOP);
            assert!(codes.iter().all(|code| Gtin::parse(code).is_some()), "{codes:?}");
        }
        let bought = purchase(7, 100, 3).unwrap();
        let at: u64 = bought.merchant.id.as_str().trim_start_matches("price-").parse().unwrap();
        let codes: Vec<String> = sells(at).collect();
        assert!(bought.items.iter().all(|item| codes.contains(&item.code.as_ref().unwrap().to_string())));
    }
}
