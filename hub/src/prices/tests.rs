//! Prices on both engines.

use domain::purchase::{CategoryCode, LineItem, Location, Merchant};
use domain::{MerchantId, PersonId, TerminalId};
use proto::common;

use super::*;
use crate::testing::{TestHub, on_each_engine};

const MILK: &str = "6901234567892";

fn prices(hub: &TestHub, owner: Owner) -> Prices {
    Prices::start(hub.store.clone(), Arc::new(owner)).0
}

async fn open(hub: &TestHub) -> Prices {
    prices(hub, Owner::take(&hub.store, "hub-1", hub.id()).await.unwrap())
}

/// A till of a shop, so many metres north of the corner.
fn till(id: &str, category: &str, north_m: f64) -> Arc<Terminal> {
    Arc::new(Terminal {
        id: TerminalId::parse(id).unwrap(),
        merchant: Merchant {
            id: MerchantId::parse(&format!("{id}-shop")).unwrap(),
            name: Line::parse(&format!("Shop {id}")).unwrap(),
            category: CategoryCode::parse(category).unwrap(),
        },
        place: None,
        location: Some(Location { latitude: 31.2 + north_m / 111_195.0, longitude: 121.5 }),
        suspended: false,
    })
}

fn priced(name: &str, code: &str, currency: &str, minor_units: i64) -> pb::Price {
    let price = Some(common::Money { currency_code: currency.to_owned(), minor_units });
    pb::Price { name: name.to_owned(), code: code.to_owned(), unit: String::new(), price }
}

async fn publish(prices: &Prices, till: &Arc<Terminal>, all: Vec<pb::Price>) -> Result<usize, Reason> {
    prices.publish(till.clone(), &pb::PublishPricesRequest { prices: all }).await.unwrap()
}

/// Two litres of milk for 24.00 CNY at a grocer's on the corner.
fn bought(hub: &TestHub) -> Purchase {
    let corner = till("corner", "5411", 0.0);
    Purchase {
        payment_id: domain::PaymentId::from_uuid(hub.id()),
        carrier: domain::purchase::Carrier::Hub,
        state: domain::purchase::PurchaseState::Posted,
        person_id: PersonId::from_uuid(hub.id()),
        nature: domain::ledger::Nature::Purchase,
        amount: Money::new(Currency::CNY, 2_400),
        credit_minor: None,
        occurred_at: domain::Timestamp::from_secs(1_700_000_000),
        bank_id: domain::BankId::parse("bank-a").unwrap(),
        account_masked: "****4821".to_owned(),
        merchant: corner.merchant.clone(),
        terminal_id: corner.id.clone(),
        place: None,
        location: corner.location,
        items: vec![LineItem::new("Milk 1 l", MILK, 2_000, 2_400).unwrap()],
        given_back_minor: 0,
    }
}

#[tokio::test]
async fn p2_the_same_goods_in_shops_of_the_same_kind_nearby_are_compared_cheapest_first() {
    on_each_engine(async |hub| {
        let prices = open(&hub).await;
        let milk = |minor| vec![priced("Fresh milk", MILK, "CNY", minor), priced("Bread", "", "CNY", 900)];
        for (id, category, north_m, minor) in [
            ("near", "5411", 700.0, 1_100),
            ("cheap", "5411", 1_900.0, 1_000),
            ("far", "5411", 2_100.0, 500),
            ("chemist", "5912", 100.0, 400),
            ("corner", "5411", 0.0, 100),
        ] {
            assert_eq!(publish(&prices, &till(id, category, north_m), milk(minor)).await, Ok(2), "{}", hub.engine);
        }
        let foreign = vec![priced("Fresh milk", MILK, "JPY", 1)];
        publish(&prices, &till("yen", "5411", 50.0), foreign).await.unwrap();
        let message = prices.compare(&bought(&hub), Reach::default()).await.unwrap().unwrap();
        let found: Vec<_> = message
            .comparisons
            .iter()
            .map(|it| (it.merchant_id.as_str(), it.there.minor, it.difference_minor, it.distance_m))
            .collect();
        assert_eq!(found, [("cheap-shop", 2_000, -400, 1_900), ("near-shop", 2_200, -200, 700)], "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn p2_a_price_that_is_published_again_takes_the_place_of_the_one_before() {
    on_each_engine(async |hub| {
        let prices = open(&hub).await;
        let shop = till("near", "5411", 700.0);
        let milk = |minor| vec![priced("Milk 1 l", "", "CNY", minor)];
        assert_eq!(publish(&prices, &shop, milk(1_100)).await, Ok(1));
        assert_eq!(publish(&prices, &shop, milk(1_100)).await, Ok(0));
        assert_eq!(publish(&prices, &shop, milk(1_050)).await, Ok(1));
        let there = async || {
            let message = prices.compare(&bought(&hub), Reach::default()).await.unwrap();
            message.map(|message| message.comparisons.iter().map(|it| it.there.minor).collect::<Vec<_>>())
        };
        // By name, since the shop has published no code.
        assert_eq!(there().await, Some(vec![2_100]), "{}", hub.engine);
        publish(&prices, &shop, milk(0)).await.unwrap();
        assert_eq!(there().await, None);
    })
    .await;
}

#[tokio::test]
async fn p2_what_cannot_be_a_price_is_refused_and_nothing_of_the_message_is_stored() {
    on_each_engine(async |hub| {
        let prices = open(&hub).await;
        let shop = till("near", "5411", 700.0);
        let nowhere = Arc::new(Terminal { location: None, ..(*shop).clone() });
        let fine = || priced("Milk", MILK, "CNY", 1_100);
        let table = [
            (vec![], Reason::FieldMissing),
            (vec![fine(); 201], Reason::TooManyItems),
            (vec![fine(), priced("", MILK, "CNY", 1)], Reason::TextMalformed),
            (vec![fine(), priced("a\nb", MILK, "CNY", 1)], Reason::TextMalformed),
            (vec![fine(), priced("Milk", "\u{202e}1", "CNY", 1)], Reason::TextMalformed),
            (vec![fine(), priced("Milk", MILK, "cny", 1)], Reason::CurrencyUnknown),
            (vec![fine(), priced("Milk", MILK, "CNY", -1)], Reason::AmountNotPositive),
            (vec![fine(), priced("Milk", MILK, "CNY", i64::MAX)], Reason::AmountTooLarge),
            (vec![fine(), pb::Price { price: None, ..fine() }], Reason::FieldMissing),
        ];
        for (all, wanted) in table {
            assert_eq!(publish(&prices, &shop, all).await, Err(wanted), "{}", hub.engine);
        }
        assert_eq!(publish(&prices, &nowhere, vec![fine()]).await, Err(Reason::LocationUnknown));
        let stored = hub.store.fetch("SELECT terminal_id FROM prices", Vec::new()).await.unwrap();
        assert_eq!(stored.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn p2_a_number_decides_where_both_have_one_and_the_name_where_one_has_none() {
    on_each_engine(async |hub| {
        let prices = open(&hub).await;
        const OTHER: &str = "6901234567908";
        // More shops than are looked at sell something else under the same name, and each for less.
        for n in 0..60 {
            let shop = till(&format!("other-{n}"), "5411", 100.0 + f64::from(n));
            publish(&prices, &shop, vec![priced("Milk 1 l", OTHER, "CNY", 100)]).await.unwrap();
        }
        publish(&prices, &till("numbered", "5411", 700.0), vec![priced("Fresh milk", MILK, "CNY", 1_100)])
            .await
            .unwrap();
        publish(&prices, &till("named", "5411", 800.0), vec![priced("MILK 1 L", "", "CNY", 1_000)]).await.unwrap();
        let told = async |purchase: &Purchase| {
            let message = prices.compare(purchase, Reach::default()).await.unwrap().unwrap();
            message.comparisons.iter().map(|it| it.merchant_id.as_str().to_owned()).collect::<Vec<_>>()
        };
        let numbered = bought(&hub);
        assert_eq!(told(&numbered).await, ["named-shop", "numbered-shop"], "{}", hub.engine);
        // A receipt without numbers is compared by names alone.
        let items = vec![LineItem::new("Milk 1 l", "", 2_000, 2_400).unwrap()];
        let plain = told(&Purchase { items, ..numbered }).await;
        assert!(plain.len() == 3 && plain.iter().all(|shop| shop.starts_with("other-")), "{}: {plain:?}", hub.engine);
    })
    .await;
}
