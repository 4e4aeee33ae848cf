use proptest::prelude::*;

use super::terms::half_even;
use super::*;
use crate::purchase::CategoryCode;
use crate::{Currency, FeeScheduleId, MerchantId, Reason, Timestamp};

const TERMS: Terms = Terms {
    rate_ppm: 3_800,
    fixed_minor: 0,
    floor_minor: 0,
    cap_minor: None,
    issuer_ppm: 0,
    hub_ppm: 0,
    returns: Returns::Proportional,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_750_000_000 + seconds)
}

fn id(n: u64) -> FeeScheduleId {
    FeeScheduleId::parse(&format!("0192f0c1-7a6b-7c3d-8e4f-{n:012x}")).unwrap()
}

fn schedule(n: u64, scope: &str, rate_ppm: Option<i64>, from: i64) -> Schedule {
    let terms = rate_ppm.map(|rate_ppm| Terms { rate_ppm, ..TERMS });
    Schedule { id: id(n), scope: Scope::parse(scope).unwrap(), terms, valid_from: at(from) }
}

fn charged(schedules: &Schedules, (merchant, category, way): (&str, &str, Way), seconds: i64) -> Fee {
    let merchant = MerchantId::parse(merchant).unwrap();
    let category = CategoryCode::parse(category).unwrap();
    let sold = Sold { merchant: &merchant, category, way, currency: Currency::CNY };
    schedules.charge(&sold, 1_000_000, at(seconds))
}

#[test]
fn m9_a_fee_is_rate_and_fixed_amount_between_floor_and_cap_and_never_more_than_the_amount() {
    let max = i64::MAX;
    for (amount, rate, fixed, floor, cap, fee) in [
        (10_000, 3_800, 0, 0, None, 38),
        (10_000, 100, 0, 0, None, 1),
        // A hundredth of a basis point, 0.0325 %.
        (1_000_000, 325, 0, 0, None, 325),
        (10_000, 3_800, 20, 0, None, 58),
        (10_000, 0, 0, 0, None, 0),
        (10_000, PPM, 0, 0, None, 10_000),
        (10_000, PPM, 500, 0, None, 10_000),
        (10_000, 3_800, 0, 100, None, 100),
        (10_000, 3_800, 0, 38, Some(38), 38),
        (10_000, 3_800, 0, 0, Some(30), 30),
        (10_000, 3_800, 0, 0, Some(0), 0),
        (50, 3_800, 0, 100, None, 50),
        (1, 3_800, 20, 0, None, 1),
        // Halves go to the even one: 12.5, 13.5.
        (12_500, 1_000, 0, 0, None, 12),
        (13_500, 1_000, 0, 0, None, 14),
        (12_501, 1_000, 0, 0, None, 13),
        (max, PPM, max, max, None, max),
        (max, 1, 0, 0, None, 9_223_372_036_855),
    ] {
        let terms = Terms { rate_ppm: rate, fixed_minor: fixed, floor_minor: floor, cap_minor: cap, ..TERMS };
        assert_eq!(terms.charge(amount).minor, fee, "{amount} {rate} {fixed} {floor} {cap:?}");
    }
}

#[test]
fn m9_shares_are_rounded_down_and_what_is_left_over_is_the_acquirers() {
    for (fee, issuer, hub, parts) in [
        (100, 700_000, 100_000, (70, 10, 20)),
        (99, 700_000, 100_000, (69, 9, 21)),
        (1, 700_000, 299_999, (0, 0, 1)),
        (99, PPM, 0, (99, 0, 0)),
        (99, 0, 0, (0, 0, 99)),
        (0, 700_000, 100_000, (0, 0, 0)),
    ] {
        let terms = Terms { rate_ppm: 0, fixed_minor: fee, issuer_ppm: issuer, hub_ppm: hub, ..TERMS };
        let found = terms.charge(1_000);
        assert_eq!((found.issuer_minor, found.hub_minor, found.acquirer_minor()), parts, "{fee} {issuer} {hub}");
    }
}

#[test]
fn m9_terms_that_cannot_be_charged_are_refused() {
    let max = i64::MAX;
    for (terms, reason) in [
        (Terms { rate_ppm: -1, ..TERMS }, Reason::FeeRateOutOfRange),
        (Terms { rate_ppm: PPM + 1, ..TERMS }, Reason::FeeRateOutOfRange),
        (Terms { rate_ppm: max, ..TERMS }, Reason::FeeRateOutOfRange),
        (Terms { fixed_minor: -1, ..TERMS }, Reason::AmountMalformed),
        (Terms { floor_minor: -1, ..TERMS }, Reason::AmountMalformed),
        (Terms { cap_minor: Some(-1), ..TERMS }, Reason::AmountMalformed),
        (Terms { fixed_minor: max, ..TERMS }, Reason::AmountTooLarge),
        (Terms { floor_minor: max, ..TERMS }, Reason::AmountTooLarge),
        (Terms { cap_minor: Some(max), ..TERMS }, Reason::AmountTooLarge),
        (Terms { floor_minor: 2, cap_minor: Some(1), ..TERMS }, Reason::FeeFloorAboveCap),
        (Terms { issuer_ppm: -1, ..TERMS }, Reason::FeeSharesTooLarge),
        (Terms { issuer_ppm: PPM, hub_ppm: 1, ..TERMS }, Reason::FeeSharesTooLarge),
        (Terms { issuer_ppm: max, hub_ppm: max, ..TERMS }, Reason::FeeSharesTooLarge),
        (Terms { issuer_ppm: PPM + 1, hub_ppm: -1, ..TERMS }, Reason::FeeSharesTooLarge),
    ] {
        assert_eq!(terms.check(Currency::CNY), Err(reason), "{terms:?}");
    }
    let good = Terms { rate_ppm: PPM, floor_minor: 1, cap_minor: Some(1), issuer_ppm: PPM, ..TERMS };
    assert_eq!(good.check(Currency::CNY), Ok(good));
}

#[test]
fn m9_a_rate_is_written_in_per_cent_with_four_decimals_at_most() {
    for (text, ppm) in [("0.38", 3_800), ("0.0325", 325), ("100", PPM), ("0", 0), ("1.50000", 15_000)] {
        assert_eq!(parse_percent(text), Ok(ppm), "{text}");
    }
    for bad in ["", "-1", "100.0001", "0.00001", "1e2", "0,38", "x", "９", "99999999999999999999999999999999"] {
        assert_eq!(parse_percent(bad), Err(Reason::FeeRateOutOfRange), "{bad}");
    }
}

#[test]
fn m9_a_payment_is_charged_by_the_nearest_schedule_alone() {
    let schedules: Schedules = [
        schedule(1, "* * * CNY", Some(1), 0),
        schedule(2, "* * PHONE CNY", Some(2), 0),
        schedule(3, "* 5812 * CNY", Some(3), 0),
        schedule(4, "* 5812 PHONE CNY", Some(4), 0),
        schedule(5, "noodles * * CNY", Some(5), 0),
        schedule(6, "noodles * CARD_CREDIT CNY", Some(6), 0),
        schedule(7, "noodles 5812 * CNY", Some(7), 1_000),
        schedule(8, "books * * USD", Some(8), 0),
    ]
    .into_iter()
    .collect();
    for (merchant, category, way, seconds, by) in [
        ("books", "5942", Way::CardDebit, 0, Some(1)),
        ("books", "5942", Way::Phone, 0, Some(2)),
        ("tea", "5812", Way::CardOther, 0, Some(3)),
        ("tea", "5812", Way::Phone, 0, Some(4)),
        ("noodles", "5812", Way::Phone, 0, Some(5)),
        ("noodles", "5812", Way::CardCredit, 0, Some(6)),
        ("noodles", "5812", Way::Phone, 999, Some(5)),
        ("noodles", "5812", Way::CardCredit, 1_000, Some(7)),
        ("tea", "5812", Way::Phone, -1, None),
    ] {
        let fee = charged(&schedules, (merchant, category, way), seconds);
        assert_eq!(fee.schedule, by.map(id), "{merchant} {category} {way:?} {seconds}");
        assert_eq!(fee.parts.minor, by.map_or(0, |by| i64::try_from(by).unwrap()));
    }
}

#[test]
fn m9_a_schedule_holds_from_its_moment_until_the_next_one_and_one_that_ends_leaves_it_to_a_wider_one() {
    let schedules: Schedules = [
        schedule(1, "* * * CNY", Some(1), 0),
        schedule(2, "noodles * * CNY", Some(2), 100),
        schedule(3, "noodles * * CNY", Some(3), 200),
        schedule(4, "noodles * * CNY", None, 300),
        schedule(5, "noodles * * CNY", Some(0), 400),
    ]
    .into_iter()
    .collect();
    for (seconds, by) in [(99, 1), (100, 2), (199, 2), (200, 3), (299, 3), (300, 1), (399, 1), (400, 5), (9_999, 5)] {
        let fee = charged(&schedules, ("noodles", "5812", Way::Phone), seconds);
        assert_eq!(fee.schedule, Some(id(by)), "{seconds}");
    }
}

#[test]
fn m9_a_new_schedule_comes_after_those_that_stand_and_after_everybody_has_heard_of_it() {
    let stands: Schedules =
        [schedule(1, "* * * CNY", Some(1), 0), schedule(2, "* * * CNY", Some(1), 1_000)].into_iter().collect();
    for (new, reason) in [
        (schedule(3, "* * * CNY", Some(1), 1_001), Ok(())),
        (schedule(3, "* * * CNY", None, 1_001), Ok(())),
        (schedule(3, "* * * CNY", Some(1), 1_000), Err(Reason::FeeValidityOverlaps)),
        (schedule(3, "* * * CNY", Some(1), 999), Err(Reason::FeeValidityOverlaps)),
        (schedule(3, "* * PHONE CNY", Some(1), 20), Ok(())),
        (schedule(3, "* * * USD", Some(1), 20), Ok(())),
        (schedule(3, "* * PHONE CNY", None, 20), Err(Reason::FeeScheduleUnknown)),
        (schedule(3, "* * PHONE CNY", Some(1), 19), Err(Reason::FeeValidityOutOfRange)),
        (schedule(3, "* * PHONE CNY", Some(1), -1), Err(Reason::FeeValidityOutOfRange)),
        (schedule(3, "* * PHONE CNY", Some(1), 3 * 366 * 86_400), Err(Reason::FeeValidityOutOfRange)),
        (schedule(3, "* * PHONE CNY", Some(-1), 20), Err(Reason::FeeRateOutOfRange)),
    ] {
        assert_eq!(stands.may_set(&new, at(10)), reason, "{new:?}");
    }
    let never = Schedule { valid_from: Timestamp::from_micros(i64::MAX), ..schedule(3, "* * PHONE CNY", Some(1), 0) };
    assert_eq!(stands.may_set(&never, at(10)), Err(Reason::FeeValidityOutOfRange));
    let coming = schedule(2, "* * * CNY", Some(1), 1_000);
    assert_eq!(Schedules::may_withdraw(&coming, at(990)), Ok(()));
    assert_eq!(Schedules::may_withdraw(&coming, at(991)), Err(Reason::FeeScheduleInForce));
}

#[test]
fn m9_what_a_schedule_is_about_has_one_spelling() {
    for good in ["* * * CNY", "noodles 5812 CARD_CREDIT JPY", "noodles * * CNY", "* 5812 PHONE CNY"] {
        assert_eq!(Scope::parse(good).unwrap().to_string(), good);
    }
    for (bad, reason) in [
        ("* * * cny", Reason::CurrencyUnknown),
        ("* * * XAU", Reason::CurrencyUnknown),
        ("Noodles * * CNY", Reason::NameMalformed),
        ("* 581 * CNY", Reason::CategoryMalformed),
        ("* 0001 * CNY", Reason::CategoryUnknown),
        ("* * CASH CNY", Reason::FieldUnknown),
        ("* * CNY", Reason::FieldUnknown),
        ("  * * CNY", Reason::FieldUnknown),
        ("* * * CNY ", Reason::FieldUnknown),
    ] {
        assert_eq!(Scope::parse(bad), Err(reason), "{bad}");
    }
}

#[test]
fn m9_what_was_charged_reads_back_as_it_was_written_and_a_changed_one_is_an_error() {
    let parts = Parts { minor: 100, issuer_minor: 70, hub_minor: 10 };
    for fee in [Fee::NONE, Fee { schedule: Some(id(7)), parts, returns: Returns::Nothing }] {
        assert_eq!(Fee::parse(fee.parts.minor, &fee.words()), Ok(fee));
    }
    for (minor, bad) in [
        (0, ""),
        (0, "- PROPORTIONAL 0"),
        (0, "x PROPORTIONAL 0 0"),
        (0, "- SOME 0 0"),
        (9, "- NOTHING 9 1"),
        (9, "- NOTHING -1 0"),
    ] {
        assert_eq!(Fee::parse(minor, bad), Err(Reason::FieldUnknown), "{bad}");
    }
}

#[test]
fn m9_a_day_is_what_was_sold_less_what_came_back_and_less_fees() {
    let fee = |minor, issuer_minor, hub_minor| Parts { minor, issuer_minor, hub_minor };
    let mut day = Totals::default();
    day.add(EntryKind::Sale, 3, 10_000, fee(100, 70, 10)).unwrap();
    day.add(EntryKind::Refund, 2, -3_000, fee(-30, -21, -3)).unwrap();
    day.add(EntryKind::RefundRefused, 1, 1_000, fee(10, 7, 1)).unwrap();
    day.add(EntryKind::Reversal, 1, -4_000, fee(-40, -28, -4)).unwrap();
    let expected = Totals {
        sales: 3,
        sales_minor: 10_000,
        refunds: 1,
        refunds_minor: 2_000,
        reversals: 1,
        reversals_minor: 4_000,
        fees: fee(40, 28, 4),
    };
    assert_eq!((day, day.net_minor(), day.fees.acquirer_minor()), (expected, 3_960, 8));
    assert_eq!(day.add(EntryKind::Sale, 1, i64::MAX, fee(0, 0, 0)), Err(Reason::AmountTooLarge));
}

prop_compose! {
    fn terms()(
        rate_ppm in 0..=PPM,
        fixed_minor in 0_i64..1_000,
        floor_minor in 0_i64..1_000,
        over in prop::option::of(0_i64..10_000),
        issuer_ppm in 0..=PPM,
        share in 0..=PPM,
        returns in prop::sample::select(Returns::ALL.to_vec()),
    ) -> Terms {
        let cap_minor = over.map(|over| floor_minor + over);
        let hub_ppm = (PPM - issuer_ppm) * share / PPM;
        Terms { rate_ppm, fixed_minor, floor_minor, cap_minor, issuer_ppm, hub_ppm, returns }
    }
}

fn is_whole(parts: Parts) -> bool {
    [parts.minor, parts.issuer_minor, parts.hub_minor, parts.acquirer_minor()].iter().all(|part| *part >= 0)
}

proptest! {
    #[test]
    fn m9_a_fee_is_between_nothing_and_the_amount_and_its_parts_are_the_whole(terms in terms(), amount in 1..=i64::MAX) {
        prop_assert_eq!(terms.check(Currency::CNY), Ok(terms));
        let parts = terms.charge(amount);
        prop_assert!(parts.minor <= amount && is_whole(parts), "{:?}", parts);
        prop_assert!(parts.minor <= terms.cap_minor.unwrap_or(i64::MAX));
        prop_assert!(parts.minor >= terms.floor_minor.min(amount));
    }

    /// Against the slow way: the nearest whole number, by trying both neighbours.
    #[test]
    fn m9_halves_go_to_the_even_one(number in 0_i128..1_000_000_000_000, by in 1_i128..2_000_000) {
        let found = i128::from(half_even(number, by));
        let distance = |whole: i128| (whole * by - number).abs();
        prop_assert!(distance(found) <= distance(found + 1) && distance(found) <= distance(found - 1));
        prop_assert!(distance(found) * 2 != by || found % 2 == 0);
    }

    /// Refunds in any order, some of which banks refuse: of no part more comes back than was charged, and with all of the amount all of it.
    #[test]
    fn m9_what_is_given_back_is_never_more_than_what_was_charged(
        terms in terms(),
        amount in 1_i64..1_000_000,
        refunds in prop::collection::vec((1_i64..1_000_000, any::<bool>()), 0..40),
    ) {
        let fee = Fee { schedule: None, parts: terms.charge(amount), returns: terms.returns };
        let (mut refunded, mut kept) = (0, fee.parts);
        let mut all = refunds;
        all.push((i64::MAX, false));
        for (wanted, is_refused) in all {
            let minor = wanted.min(amount - refunded);
            let back = fee.given_back((refunded, refunded + minor), amount).parts;
            prop_assert!(is_whole(back), "nothing is charged by a refund: {:?}", back);
            if !is_refused {
                refunded += minor;
                kept = kept.minus(back);
            }
            prop_assert!(is_whole(kept), "{:?}", kept);
            prop_assert_eq!(kept, fee.parts.minus(fee.returned(refunded, amount)));
        }
        prop_assert_eq!(refunded, amount);
        prop_assert_eq!(kept, if terms.returns == Returns::Nothing { fee.parts } else { Parts::default() });
    }
}
