//! What is told after a purchase, and what is not.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{BankId, PersonId, TerminalId, Timestamp};

const HERE: Location = Location { latitude: 39.9042, longitude: 116.4074 };
/// A degree of latitude, in metres.
const DEGREE_M: f64 = 111_195.08;
const MILK: &str = "6901234567892";

fn line(text: &str) -> Line {
    Line::parse(text).unwrap()
}

fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

fn goods(name: &str, code: Option<&str>, quantity_milli: i64, amount_minor: i64) -> Goods {
    Goods { name: line(name), code: code.map(line), unit: None, quantity_milli, amount_minor }
}

/// One bottle of milk for 14.50 at a grocery.
fn bought(goods: Vec<Goods>) -> Bought {
    Bought {
        payment_id: PaymentId::parse("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f").unwrap(),
        merchant_id: MerchantId::parse("here").unwrap(),
        category: CategoryCode::parse("5411").unwrap(),
        location: HERE,
        currency: Currency::CNY,
        goods,
    }
}

fn milk() -> Bought {
    bought(vec![goods("Milk 1L", Some(MILK), 1_000, 1_450)])
}

fn price(name: &str, code: Option<&str>, minor: i64) -> Price {
    Price { name: line(name), code: code.map(line), unit: None, price: cny(minor) }
}

fn shop(id: &str, north_m: f64, prices: Vec<Price>) -> Shop {
    Shop {
        merchant_id: MerchantId::parse(id).unwrap(),
        name: line(&format!("Shop {id}")),
        category: CategoryCode::parse("5411").unwrap(),
        location: Location { latitude: HERE.latitude + north_m / DEGREE_M, ..HERE },
        prices,
    }
}

/// The shops that are told of, with the difference and the distance.
fn told(bought: &Bought, shops: &[Shop]) -> Vec<(String, i64, u32)> {
    let comparisons = look(bought, shops, Reach::default()).map(|message| message.comparisons).unwrap_or_default();
    comparisons.into_iter().map(|c| (c.merchant_id.to_string(), c.difference_minor, c.distance_m)).collect()
}

#[test]
fn p2_a_shop_is_compared_with_if_it_is_near_and_of_the_same_kind() {
    let sells = || vec![price("Milk 1L", Some(MILK), 1_250)];
    let near = || shop("a", 320.0, sells());
    let table = [
        ("near", near(), Some((-200, 300))),
        ("next door", Shop { location: HERE, ..near() }, Some((-200, 100))),
        ("at the edge", shop("a", 1_999.0, sells()), Some((-200, 2_000))),
        ("past it", shop("a", 2_001.0, sells()), None),
        ("nowhere", Shop { location: Location { latitude: f64::NAN, ..HERE }, ..near() }, None),
        ("another kind", Shop { category: CategoryCode::parse("5812").unwrap(), ..near() }, None),
        ("the shop itself", shop("here", 320.0, sells()), None),
        ("nothing to sell", shop("a", 320.0, vec![]), None),
    ];
    for (name, shop, wanted) in table {
        let wanted: Vec<_> = wanted.map(|(by, far)| ("a".to_owned(), by, far)).into_iter().collect();
        assert_eq!(told(&milk(), &[shop]), wanted, "{name}");
    }
    let wide = Reach { radius_m: 3_000, most: 3 };
    assert!(look(&milk(), &[shop("a", 2_001.0, sells())], wide).is_some());
    assert_eq!(look(&milk(), &[], Reach::default()), None);
}

#[test]
fn p2_goods_are_the_same_by_gtin_or_by_exactly_their_name() {
    let kilo = || Some(line("kg"));
    let yen = Money::new(Currency::parse("JPY").unwrap(), 1_250);
    let by_code = || goods("Milk 1L", Some(MILK), 1_000, 1_450);
    let own_code = || goods("Milk 1L", Some("1001"), 1_000, 1_450);
    let same = || price("Milk 1L", Some(MILK), 1_250);
    let table = [
        ("one code, two names", by_code(), price("牛奶", Some(MILK), 1_250), true),
        ("one code, filled up", by_code(), price("牛奶", Some("06901234567892"), 1_250), true),
        ("one name, two codes", by_code(), price("Milk 1L", Some("4006381333931"), 1_250), false),
        ("one name, no code there", by_code(), price("Milk 1L", None, 1_250), true),
        ("one name, no code here", goods("Milk 1L", None, 1_000, 1_450), same(), true),
        ("one name in capitals", own_code(), price("MILK 1l", None, 1_250), true),
        ("one name beyond ASCII", goods("Crème", None, 1_000, 1_450), price("CRÈME", None, 1_250), true),
        ("a name that is alike", own_code(), price("Milk 1 L", None, 1_250), false),
        ("shops' own codes", own_code(), price("Nails", Some("1001"), 1_250), false),
        ("another unit", own_code(), Price { unit: kilo(), ..price("Milk 1L", None, 1_250) }, false),
        ("the same unit", Goods { unit: Some(line("KG")), ..own_code() }, Price { unit: kilo(), ..same() }, true),
        ("another currency", by_code(), Price { price: yen, ..same() }, false),
        ("for nothing", by_code(), price("Milk 1L", Some(MILK), 0), false),
        ("a discount", goods("Milk 1L", Some(MILK), 1_000, -100), same(), false),
        ("free", goods("Milk 1L", Some(MILK), 1_000, 0), same(), false),
        (
            "so little that it costs nothing there",
            goods("Milk 1L", Some(MILK), 1, 1),
            price("Milk 1L", Some(MILK), 499),
            false,
        ),
        ("none of it", goods("Milk 1L", Some(MILK), 0, 1_450), same(), false),
        ("more than can be", goods("Milk 1L", Some(MILK), i64::MAX, 1_450), same(), false),
    ];
    for (name, goods, price, wanted) in table {
        assert_eq!(told(&bought(vec![goods]), &[shop("a", 320.0, vec![price])]).len(), usize::from(wanted), "{name}");
    }
}

#[test]
fn p2_the_price_is_for_as_much_as_was_bought() {
    // Quantity, paid, price of one unit there; what it costs there, and the difference.
    let table = [
        (1_000, 1_450, 1_250, 1_250, -200),
        (3_000, 4_350, 1_250, 3_750, -600),
        (355, 500, 1_299, 461, -39),
        (500, 500, 1_001, 501, 1),
        (1, 1, 500, 1, 0),
        (1_000, 1_450, 1_450, 1_450, 0),
    ];
    for (quantity_milli, paid, unit_minor, there, difference) in table {
        let bought = bought(vec![goods("Milk 1L", Some(MILK), quantity_milli, paid)]);
        let shops = [shop("a", 320.0, vec![price("Milk 1L", Some(MILK), unit_minor)])];
        let comparison = look(&bought, &shops, Reach::default()).unwrap().comparisons.remove(0);
        assert_eq!((comparison.there, comparison.difference_minor), (cny(there), difference), "{quantity_milli} of it");
    }
    let twice =
        bought(vec![goods("Milk 1L", Some(MILK), 1_000, 1_450), goods("Milk, 1 litre", Some(MILK), 2_000, 2_900)]);
    let shops = [shop("a", 320.0, vec![price("Milk 1L", Some(MILK), 1_250)])];
    assert_eq!(told(&twice, &shops), [("a".to_owned(), -600, 300)], "two lines of one receipt");
}

#[test]
fn p2_what_saves_most_comes_first_and_three_are_enough() {
    let at = |id: &str, far, minor| shop(id, far, vec![price("Milk 1L", Some(MILK), minor)]);
    let shops = [at("e", 100.0, 1_500), at("b", 900.0, 1_300), at("d", 200.0, 1_400), at("a", 500.0, 1_300)];
    let wanted = [("a".to_owned(), -150, 500), ("b".to_owned(), -150, 900), ("d".to_owned(), -50, 200)];
    assert_eq!(told(&milk(), &shops), wanted);
    assert_eq!(told(&milk(), &shops[..1]), [("e".to_owned(), 50, 100)], "dearer, when there is nothing else");
    let prices =
        vec![price("Milk 1L", None, 900), price("Milk 1L", Some(MILK), 1_300), price("Milk", Some(MILK), 1_299)];
    assert_eq!(told(&milk(), &[shop("a", 320.0, prices)]), [("a".to_owned(), -151, 300)], "by code, and the lowest");
    let twice = [at("a", 500.0, 1_300), at("a", 100.0, 1_310)];
    assert_eq!(told(&milk(), &twice), [("a".to_owned(), -150, 500)], "one merchant, one line");
}

#[test]
fn p3_the_message_is_told_in_words_and_once_for_each_purchase() {
    let two = bought(vec![goods("Milk 1L", Some(MILK), 1_000, 1_450), goods("鸡蛋", None, 1_000, 990)]);
    let shops = [
        shop("a", 320.0, vec![price("牛奶", Some(MILK), 1_250), price("鸡蛋", None, 990)]),
        shop("b", 1_240.0, vec![price("鸡蛋", None, 1_090)]),
    ];
    let message = look(&two, &shops, Reach::default()).unwrap();
    assert_eq!(
        message.english(),
        "Nearby prices for what you bought:\n\
         Milk 1L: 12.50 CNY at Shop a, about 300 m away, 2.00 CNY less\n\
         鸡蛋: 9.90 CNY at Shop a, about 300 m away, the same\n\
         鸡蛋: 10.90 CNY at Shop b, about 1.2 km away, 1.00 CNY more"
    );
    assert_eq!(
        message.chinese(),
        "您所购商品的附近价格：\n\
         Milk 1L：Shop a（约300米）12.50 CNY，便宜2.00 CNY\n\
         鸡蛋：Shop a（约300米）9.90 CNY，价格相同\n\
         鸡蛋：Shop b（约1.2公里）10.90 CNY，贵1.00 CNY"
    );
    assert_eq!(message.key(), "nearby/0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f");
}

#[test]
fn p1_the_place_is_that_of_the_terminal_and_without_one_there_is_nothing() {
    let item = crate::purchase::LineItem::new("Milk 1L", MILK, 1_000, 1_450).unwrap();
    let bought = milk();
    let purchase = |nature, location| Purchase {
        carrier: crate::purchase::Carrier::Hub,
        state: crate::purchase::PurchaseState::Posted,
        payment_id: bought.payment_id,
        person_id: PersonId::from_uuid(Uuid::from_u128(1)),
        nature,
        amount: cny(1_450),
        credit_minor: None,
        occurred_at: Timestamp::from_secs(1_800_000_000),
        bank_id: BankId::parse("bank-a").unwrap(),
        account_masked: "****4821".into(),
        merchant: crate::purchase::Merchant {
            id: bought.merchant_id.clone(),
            name: line("Here"),
            category: bought.category,
        },
        terminal_id: TerminalId::parse("t-1").unwrap(),
        place: None,
        location,
        items: vec![item.clone()],
        given_back_minor: 0,
    };
    assert_eq!(Bought::of(&purchase(Nature::Purchase, Some(HERE))), Some(milk()));
    assert_eq!(Bought::of(&purchase(Nature::Purchase, None)), None);
    assert_eq!(Bought::of(&purchase(Nature::CashWithdrawal, Some(HERE))), None);
}

fn any_shop() -> impl Strategy<Value = Shop> {
    let prices = prop::collection::vec(("[abA]", 1_i64..5).prop_map(|(name, minor)| price(&name, None, minor)), 0..4);
    ("[a-e]", 0.0..3_000.0, prices).prop_map(|(id, far, prices)| shop(&id, far, prices))
}

proptest! {
    #[test]
    fn p2_a_message_has_one_to_three_comparisons_in_order_whatever_the_order_of_shops(
        (shops, shuffled) in prop::collection::vec(any_shop(), 0..8)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        items in prop::collection::vec(("[ab]", 1_i64..4), 0..4)
    ) {
        let bought = bought(items.into_iter().map(|(name, paid)| goods(&name, None, 1_000, paid)).collect());
        let message = look(&bought, &shops, Reach::default());
        prop_assert_eq!(&message, &look(&bought, &shuffled, Reach::default()));
        let Some(Message { comparisons, .. }) = message else { return Ok(()) };
        prop_assert!((1..=3).contains(&comparisons.len()));
        prop_assert!(comparisons.is_sorted_by_key(|c| (c.difference_minor, c.distance_m)));
        prop_assert!(comparisons.iter().all(|c| c.distance_m % 100 == 0 && (100..=2_000).contains(&c.distance_m)));
    }
}
