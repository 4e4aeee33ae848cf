use super::*;
use crate::purchase::{CategoryCode, Merchant};
use crate::text::Line;
use crate::{AccountId, Currency, MerchantId, TerminalId};
use proptest::prelude::*;
use uuid::Uuid;

use PurchaseState::{Held, Posted, Reversed};

fn yuan(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

/// A report of 100.00 CNY, whose content is the version unless it is changed.
fn report(version: i64, state: PurchaseState) -> Report {
    let mut fingerprint = [0; 32];
    fingerprint[0] = u8::try_from(version).unwrap();
    Report {
        sequence: version,
        fingerprint,
        purchase_id: PaymentId::from_uuid(Uuid::from_u128(7)),
        version,
        bank_id: BankId::parse("bank-a").unwrap(),
        instrument: Instrument::Account(AccountId::from_uuid(Uuid::from_u128(8))),
        account_masked: "****4821".to_owned(),
        state,
        nature: Nature::Purchase,
        amount: yuan(10_000),
        credit_minor: None,
        given_back_minor: 0,
        occurred_at: Timestamp::from_secs(1_700_000_000),
        seller: Terminal {
            id: TerminalId::parse("pos-1").unwrap(),
            merchant: Merchant {
                id: MerchantId::parse("tea").unwrap(),
                name: Line::parse("Tea").unwrap(),
                category: CategoryCode::parse("5814").unwrap(),
            },
            place: None,
            location: None,
            suspended: false,
        },
        items: Vec::new(),
    }
}

fn of(amount: i64, given_back_minor: i64, report: Report) -> Report {
    Report { amount: yuan(amount), given_back_minor, ..report }
}

#[test]
fn r1_a_purchase_is_one_record_whatever_its_bank_tells_of_it() {
    let table = [
        ("posted as held", report(1, Held), report(2, Posted), Ok(vec![Told::Updated { before: yuan(10_000) }])),
        (
            "posted with less",
            report(1, Held),
            of(9_000, 0, report(2, Posted)),
            Ok(vec![Told::Updated { before: yuan(10_000) }]),
        ),
        (
            "a hold that grows",
            report(1, Held),
            of(12_000, 0, report(2, Held)),
            Ok(vec![Told::Updated { before: yuan(10_000) }]),
        ),
        ("a hold that lapses", report(1, Held), report(2, Reversed), Ok(vec![Told::Reversed(yuan(10_000))])),
        (
            "a refund in part",
            report(1, Posted),
            of(10_000, 2_000, report(2, Posted)),
            Ok(vec![Told::Refunded(yuan(2_000))]),
        ),
        (
            "another refund",
            of(10_000, 2_000, report(1, Posted)),
            of(10_000, 5_000, report(3, Posted)),
            Ok(vec![Told::Refunded(yuan(3_000))]),
        ),
        (
            "reversed after a refund",
            of(10_000, 2_000, report(1, Posted)),
            report(2, Reversed),
            Ok(vec![Told::Reversed(yuan(8_000))]),
        ),
        (
            "posted and refunded at once",
            report(1, Held),
            of(9_000, 500, report(3, Posted)),
            Ok(vec![Told::Updated { before: yuan(10_000) }, Told::Refunded(yuan(500))]),
        ),
        ("only a name has changed", report(1, Posted), report(2, Posted), Ok(vec![])),
        ("reversed again", report(1, Reversed), report(2, Reversed), Ok(vec![])),
        ("held after it was posted", report(1, Posted), report(2, Held), Err(Reason::RecordGoesBack)),
        ("posted after it was reversed", report(1, Reversed), report(2, Posted), Err(Reason::RecordGoesBack)),
        (
            "less came back than before",
            of(10_000, 2_000, report(1, Posted)),
            of(10_000, 1_000, report(2, Posted)),
            Err(Reason::RecordGoesBack),
        ),
    ];
    for (name, before, after, wanted) in table {
        assert_eq!(Standing::take(Some(&before.standing()), &after), wanted.map(Taken::Changed), "{name}");
    }
}

#[test]
fn r7_what_came_back_is_what_a_version_tells_beyond_the_one_before() {
    let at = Timestamp::from_secs(1_700_000_500);
    let refunded = |version, minor| of(10_000, minor, report(version, Posted));
    for (name, before, last, after, wanted) in [
        ("nothing", None, 0, refunded(1, 0), None),
        ("with the first that is heard", None, 0, refunded(2, 300), Some((1, 300, false))),
        ("a refund", Some(refunded(1, 0)), 0, refunded(2, 2_000), Some((1, 2_000, false))),
        ("another refund", Some(refunded(2, 2_000)), 1, refunded(3, 5_000), Some((2, 3_000, false))),
        ("two that were told as one", Some(refunded(1, 0)), 0, refunded(3, 5_000), Some((1, 5_000, false))),
        ("the rest", Some(refunded(3, 5_000)), 2, report(4, Reversed), Some((3, 5_000, true))),
        ("a hold that lapses", Some(report(1, Held)), 0, report(2, Reversed), Some((1, 10_000, true))),
        ("no more of it", Some(report(4, Reversed)), 3, report(5, Reversed), None),
    ] {
        let known = before.map(|before: Report| before.standing());
        let found = after.give_back(known.as_ref(), last, at);
        assert!(found.is_none_or(|it| it.given_at == at && it.payment_id.is_none()), "{name}");
        assert_eq!(found.map(|it| (it.number, it.amount_minor, it.reversal)), wanted, "{name}");
    }
    let early = refunded(1, 300).give_back(None, 0, Timestamp::from_secs(1)).unwrap();
    assert_eq!(early.given_at, Timestamp::from_secs(1_700_000_000), "nothing comes back before it was paid");
}

#[test]
fn r1_what_is_known_or_older_changes_nothing() {
    let known = report(3, Posted).standing();
    assert_eq!(Standing::take(None, &report(1, Reversed)), Ok(Taken::New));
    assert_eq!(Standing::take(Some(&known), &report(3, Posted)), Ok(Taken::Nothing));
    assert_eq!(Standing::take(Some(&known), &report(2, Reversed)), Ok(Taken::Nothing));
    let other = Report { fingerprint: [9; 32], ..report(3, Posted) };
    assert_eq!(Standing::take(Some(&known), &other), Err(Reason::RecordVersionTaken));
    let yen = Report { amount: Money::new(Currency::parse("JPY").unwrap(), 10_000), ..report(4, Posted) };
    assert_eq!(Standing::take(Some(&known), &yen), Err(Reason::CurrencyMismatch));
}

#[test]
fn r1_a_report_that_cannot_be_is_refused() {
    let table = [
        (report(1, Posted), Ok(())),
        (of(10_000, 10_000, report(1, Posted)), Ok(())),
        (of(10_000, 10_001, report(1, Posted)), Err(Reason::RefundTooLarge)),
        (of(10_000, -1, report(1, Posted)), Err(Reason::RefundTooLarge)),
        (of(10_000, 1, report(1, Held)), Err(Reason::RefundTooLarge)),
        (Report { credit_minor: Some(10_001), ..report(1, Posted) }, Err(Reason::AmountMalformed)),
        (Report { credit_minor: Some(-1), ..report(1, Posted) }, Err(Reason::AmountMalformed)),
        (Report { version: 0, ..report(1, Posted) }, Err(Reason::SequenceOutOfRange)),
    ];
    for (report, wanted) in table {
        assert_eq!(report.check(), wanted, "{report:?}");
    }
}

#[test]
fn r1_reports_are_taken_in_one_after_the_other() {
    let cursor = Cursor { through_sequence: 7, last_fingerprint: [7; 32] };
    let table = [
        (8, [8; 32], Ok(Admission::Next)),
        (9, [9; 32], Ok(Admission::Gap)),
        (i64::MAX, [9; 32], Ok(Admission::Gap)),
        (7, [7; 32], Ok(Admission::Repeat)),
        (1, [1; 32], Ok(Admission::Repeat)),
        (7, [8; 32], Err(Reason::ReportSequenceTaken)),
    ];
    for (sequence, fingerprint, wanted) in table {
        assert_eq!(cursor.admit(sequence, &fingerprint), wanted, "{sequence}");
    }
    assert_eq!(Cursor::default().admit(1, &[0; 32]), Ok(Admission::Next));
}

proptest! {
    /// In whatever order the versions of a purchase come, and however often, its record ends as the last one says.
    #[test]
    fn r1_versions_in_any_order_end_in_the_same_record(order in Just((1..=6_i64).collect::<Vec<_>>()).prop_shuffle(), again in 0..6_usize) {
        let version = |version: i64| match version {
            1 => report(1, Held),
            2 => of(9_900, 0, report(2, Posted)),
            back @ 3..=5 => of(9_900, (back - 2) * 1_000, report(back, Posted)),
            last => of(9_900, 0, report(last, Reversed)),
        };
        let mut known: Option<Standing> = None;
        for at in order.iter().chain(order.get(again)) {
            let report = version(*at);
            if Standing::take(known.as_ref(), &report).unwrap() != Taken::Nothing {
                known = Some(report.standing());
            }
        }
        prop_assert_eq!(known, Some(version(6).standing()));
    }
}
