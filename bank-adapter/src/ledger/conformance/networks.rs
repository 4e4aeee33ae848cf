//! Charges that other networks carried, and what is reported of them.

use domain::card::{Card, Expiry, Product, Sides};
use domain::ledger::LegState::{Held, Posted, Refused, Voided};
use domain::ledger::{CompletionOrder, HoldOrder, LegOrder, Origin, Party, RefundOrder, Sale, VoidOrder};
use domain::payment::Instrument;
use domain::purchase::{LineItem, Location};
use domain::text::Line;
use domain::{CardId, TerminalId};
use proto::Message as _;
use proto::common::PurchaseState;
use proto::federation::PurchaseReport;
use proto::federation::purchase_report::Instrument as Named;

use super::bank::{Bank, cny, hold_order, refund_order, void_order};
use super::*;
use crate::card::sql::CardFile;
use crate::ledger::card_steps::{CardChange, IssueOrder};
use crate::ledger::steps::Step;
use crate::report::{Answer, ReportStep, read_progress, read_refused};
use server_kit::store::{StepSet as _, StoreError};

fn sale() -> Sale {
    Sale {
        occurred_at: Timestamp::from_micros(1_700_000_000_123_456),
        terminal_id: TerminalId::parse("ext-00000042").unwrap(),
        place: Some(Line::parse("West Gate").unwrap()),
        location: Some(Location { latitude: 0.1 + 0.2, longitude: -121.473_701_1 }),
        items: vec![LineItem::new("Oolong", "690123", 250, 1_875).unwrap()],
    }
}

/// A charge of another network.
fn charge_order(leg_id: LegId, account_id: AccountId, minor: i64) -> HoldOrder {
    let mut order = hold_order(leg_id, account_id, minor);
    let LegOrder::Charge(charge) = &mut order.order else { unreachable!() };
    charge.merchant.id = domain::MerchantId::parse("ext-898310148160568").unwrap();
    charge.sale = Some(Box::new(sale()));
    order
}

/// A leg's state, or why nothing was stored.
type Done = Result<domain::ledger::LegState, Reason>;

fn state(result: Result<domain::ledger::Leg, LedgerError>) -> Done {
    match result {
        Ok(leg) => Ok(leg.state),
        Err(LedgerError::Refused(reason)) => Err(reason),
        Err(LedgerError::Store(error)) => panic!("{error}"),
    }
}

impl Bank {
    async fn network_hold(&self, leg_id: LegId, account: AccountId, minor: i64) -> Done {
        state(self.ledger.hold(charge_order(leg_id, account, minor)).await)
    }

    async fn network_post(&self, leg_id: LegId, minor: i64) -> Done {
        let payment_id = PaymentId::from_uuid(leg_id.uuid());
        let order = CompletionOrder { origin: Origin::Network, leg_id, payment_id, amount: cny(minor) };
        state(self.ledger.complete(order).await)
    }

    async fn network_void(&self, leg_id: LegId) -> Done {
        state(self.ledger.void(VoidOrder { origin: Origin::Network, ..void_order(leg_id) }).await)
    }

    async fn network_refund(&self, leg_id: LegId, original: LegId, minor: i64) -> Done {
        let order = RefundOrder { origin: Origin::Network, ..refund_order(leg_id, original, minor) };
        state(self.ledger.refund(order).await)
    }

    async fn follow(&self, account: AccountId) {
        self.ledger.follow(Instrument::Account(account)).await.unwrap();
    }

    /// All reports, each with its place.
    async fn reports(&self) -> Vec<PurchaseReport> {
        let rows =
            self.store.fetch("SELECT sequence, content FROM reports ORDER BY sequence", Vec::new()).await.unwrap();
        let read = |row: &server_kit::store::Row| {
            let report = PurchaseReport::decode(row.bytes(1).unwrap().as_slice()).unwrap();
            assert_eq!(report.sequence, 0, "the place is no part of what is said");
            PurchaseReport { sequence: row.int(0).unwrap(), ..report }
        };
        rows.iter().map(read).collect()
    }

    /// A card that is in use.
    async fn card_over(&self, debit: AccountId) -> CardId {
        let id = CardId::from_uuid(self.ids.uuid().unwrap());
        let card = Card::issue(id, Expiry::parse_yymm("9912").unwrap(), Sides::Debit(debit), "622848******0015".into());
        let file =
            CardFile { pan_hashes: [[7; 32]; 2], pan_sealed: vec![7], product: Product::DebitOnly, cvk_version: 1 };
        self.ledger.issue(IssueOrder { card, file, replaces: None }, teller()).await.unwrap();
        self.ledger.change_card(id, CardChange::Activate, teller()).await.unwrap();
        id
    }
}

/// What a report says, in short: its place, version and state, how much, and how much came back.
fn told(report: &PurchaseReport) -> (i64, i64, PurchaseState, i64, i64) {
    let amount = report.amount.as_ref().unwrap().minor_units;
    (report.sequence, report.version, report.state(), amount, report.given_back_minor)
}

pub(super) async fn c2_charges_of_other_networks_are_legs_of_which_the_hub_does_not_know(bank: Bank) {
    let (account, of_hub) = (bank.account_with(1_000).await, bank.leg_id());
    let [held, posted, voided, refund, unseen]: [LegId; 5] = std::array::from_fn(|_| bank.leg_id());
    bank.hold(of_hub, account, 100).await.unwrap();
    for leg in [held, posted, voided] {
        assert_eq!(bank.network_hold(leg, account, 200).await, Ok(Held));
    }
    assert_eq!(bank.network_post(posted, 150).await, Ok(Posted));
    assert_eq!(bank.network_refund(refund, posted, 50).await, Ok(Posted));
    assert_eq!(bank.network_void(voided).await, Ok(Voided));
    assert_eq!(bank.network_void(unseen).await, Ok(Voided));
    assert_eq!(bank.available(account).await, 1_000 - 100 - 200 - 150 + 50);

    let (start, end) = (At::before(Timestamp::default()), Timestamp::from_micros(i64::MAX));
    let ids = |legs: Vec<domain::ledger::Leg>| legs.into_iter().map(|leg| leg.id).collect::<Vec<_>>();
    assert_eq!(ids(bank.ledger.legs_changed(start, end, 100).await.unwrap()), [of_hub]);
    assert_eq!(
        ids(bank.ledger.legs_held(start, end, 100).await.unwrap()),
        [of_hub],
        "the hub is not asked about others"
    );
    // As it is remembered, and as it is read back.
    let mut bank = bank;
    for again in [true, false] {
        assert_eq!(bank.post(held).await, Err(Reason::LegUnknown));
        assert_eq!(bank.void(held).await, Err(Reason::LegUnknown));
        assert_eq!(bank.void(unseen).await, Err(Reason::LegUnknown));
        assert_eq!(bank.hold(held, account, 200).await, Err(Reason::LegIdTaken));
        assert_eq!(bank.hold(unseen, account, 200).await, Err(Reason::LegIdTaken));
        assert_eq!(bank.refund(bank.leg_id(), posted, 1).await, Ok(Refused(Reason::OriginalUnknown)));
        assert_eq!(bank.network_post(of_hub, 100).await, Err(Reason::LegUnknown));
        assert_eq!(bank.network_void(of_hub).await, Err(Reason::LegUnknown));
        assert_eq!(bank.network_refund(bank.leg_id(), of_hub, 1).await, Ok(Refused(Reason::OriginalUnknown)));
        if again {
            bank = bank.restart().await;
        }
    }
    let house = |origin: Origin| origin.settlement(Currency::CNY);
    let owed = async |origin| bank.ledger.account(house(origin)).await.unwrap().balance_minor();
    assert_eq!((owed(Origin::Network).await, owed(Origin::Hub).await), (100, 0));
    bank.end().await;
}

pub(super) async fn the_same_charge_told_again_after_a_restart_is_the_same_and_told_otherwise_is_not(bank: Bank) {
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    assert_eq!(bank.network_hold(leg, account, 300).await, Ok(Held));
    let before = bank.ledger.leg(leg).await.unwrap();
    assert_eq!(before.order, charge_order(leg, account, 300).order);
    let bank = bank.restart().await;
    assert_eq!(bank.network_hold(leg, account, 300).await, Ok(Held));
    assert_eq!(bank.network_hold(leg, account, 301).await, Err(Reason::LegIdTaken));
    let changes: [fn(&mut Sale); 5] = [
        |sale| sale.occurred_at = Timestamp::from_micros(1_700_000_000_123_457),
        |sale| sale.terminal_id = TerminalId::parse("ext-00000043").unwrap(),
        |sale| sale.place = None,
        |sale| sale.location = Some(Location { latitude: 0.3, longitude: -121.473_701_1 }),
        |sale| sale.items.clear(),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut other = charge_order(leg, account, 300);
        let LegOrder::Charge(charge) = &mut other.order else { unreachable!() };
        change(charge.sale.as_mut().unwrap());
        assert_eq!(state(bank.ledger.hold(other).await), Err(Reason::LegIdTaken), "{n}");
    }
    assert_eq!(bank.available(account).await, 700);
    bank.end().await;
}

pub(super) async fn c2_a_charge_that_was_authorised_offline_is_posted_at_once_or_refused(bank: Bank) {
    let account = bank.account_with(1_000).await;
    bank.follow(account).await;
    let [paid, poor, held, gone, less]: [LegId; 5] = std::array::from_fn(|_| bank.leg_id());
    let offline = async |leg, minor| state(bank.ledger.post_offline(charge_order(leg, account, minor)).await);
    for _ in 0..2 {
        assert_eq!(offline(paid, 300).await, Ok(Posted), "the same again is the same");
    }
    assert_eq!(offline(poor, 701).await, Ok(Refused(Reason::InsufficientFunds)));
    bank.network_hold(held, account, 100).await.unwrap();
    assert_eq!(offline(held, 100).await, Ok(Posted));
    bank.network_void(gone).await.unwrap();
    assert_eq!(offline(gone, 1).await, Ok(Voided));
    bank.network_hold(less, account, 100).await.unwrap();
    bank.network_post(less, 90).await.unwrap();
    assert_eq!(offline(less, 100).await, Err(Reason::LegPosted), "it was posted with less");
    assert_eq!(bank.available(account).await, 1_000 - 300 - 100 - 90);
    let reported: Vec<_> = bank.reports().await.iter().map(|it| (it.purchase_id.clone(), told(it))).collect();
    assert_eq!(reported[0], (paid.to_string(), (1, 1, PurchaseState::Posted, 300, 0)), "there was no hold to tell of");
    assert!(reported.iter().all(|(id, _)| *id != poor.to_string() && *id != gone.to_string()), "{reported:?}");
    bank.end().await;
}

pub(super) async fn r1_each_change_of_a_purchase_is_reported_once_in_the_banks_own_count(bank: Bank) {
    let account = bank.account_with(1_000).await;
    for _ in 0..2 {
        bank.follow(account).await;
    }
    let [bought, dropped, poor, first, second]: [LegId; 5] = std::array::from_fn(|_| bank.leg_id());
    for _ in 0..2 {
        bank.network_hold(bought, account, 300).await.unwrap();
        bank.network_hold(dropped, account, 100).await.unwrap();
        assert_eq!(bank.network_hold(poor, account, 5_000).await, Ok(Refused(Reason::InsufficientFunds)));
    }
    for _ in 0..2 {
        bank.network_post(bought, 250).await.unwrap();
    }
    let bank = bank.restart().await;
    for _ in 0..2 {
        bank.network_void(dropped).await.unwrap();
        bank.network_refund(first, bought, 100).await.unwrap();
        bank.network_refund(second, bought, 150).await.unwrap();
        let too_much = bank.network_refund(bank.leg_id(), bought, 1).await;
        assert_eq!(too_much, Ok(Refused(Reason::RefundTooLarge)), "which changes nothing");
    }
    bank.hold(bank.leg_id(), account, 1).await.unwrap();
    let reports = bank.reports().await;
    use PurchaseState::{Held, Posted, Reversed};
    let wanted = [
        (bought, (1, 1, Held, 300, 0)),
        (dropped, (2, 1, Held, 100, 0)),
        (bought, (3, 2, Posted, 250, 0)),
        (dropped, (4, 2, Reversed, 100, 100)),
        (bought, (5, 3, Posted, 250, 100)),
        (bought, (6, 4, Posted, 250, 250)),
    ];
    let said: Vec<_> = reports.iter().map(|report| (report.purchase_id.clone(), told(report))).collect();
    assert_eq!(said, wanted.map(|(id, told)| (id.to_string(), told)));
    let seller = reports[0].seller.clone().unwrap();
    assert_eq!((seller.merchant_code.as_str(), seller.terminal_code.as_str()), ("898310148160568", "00000042"));
    assert_eq!((seller.display_name.as_str(), seller.category_code.as_str()), ("Tea House", "5812"));
    assert_eq!(seller.location.unwrap().latitude.to_bits(), (0.1_f64 + 0.2).to_bits());
    assert_eq!(reports[0].occurred_at.as_ref().map(proto::from_timestamp), Some(sale().occurred_at));
    assert_eq!((reports[0].items.len(), reports[0].items[0].quantity_milli), (1, 250));
    assert_eq!(reports[0].instrument, Some(Named::AccountId(account.to_string())));
    assert!(reports[0].masked.starts_with("****") && reports[0].credit_minor.is_none());
    bank.end().await;
}

pub(super) async fn r1_nothing_is_reported_of_what_nobody_has_bound(bank: Bank) {
    let [account, other] = [bank.account_with(1_000).await, bank.account_with(1_000).await];
    let [before, dropped, after]: [LegId; 3] = std::array::from_fn(|_| bank.leg_id());
    bank.network_hold(before, account, 300).await.unwrap();
    bank.network_hold(dropped, account, 100).await.unwrap();
    bank.network_hold(bank.leg_id(), other, 100).await.unwrap();
    assert!(bank.reports().await.is_empty());
    bank.follow(account).await;
    bank.network_void(dropped).await.unwrap();
    assert!(bank.reports().await.is_empty(), "the hub has never heard of what was dropped");
    bank.network_post(before, 300).await.unwrap();
    bank.network_hold(after, account, 10).await.unwrap();
    bank.network_hold(bank.leg_id(), other, 100).await.unwrap();
    let reports = bank.reports().await;
    let said: Vec<_> = reports.iter().map(|report| (report.purchase_id.clone(), told(report))).collect();
    use PurchaseState::{Held, Posted};
    assert_eq!(said, [(before.to_string(), (1, 2, Posted, 300, 0)), (after.to_string(), (2, 1, Held, 10, 0))]);

    let nobody = AccountId::from_uuid(bank.ids.uuid().unwrap());
    let house = Origin::Hub.settlement(Currency::CNY);
    for unknown in [nobody, house] {
        let refused = bank.ledger.follow(Instrument::Account(unknown)).await;
        assert!(matches!(refused, Err(LedgerError::Refused(Reason::AccountUnknown))), "{refused:?}");
    }
    let refused = bank.ledger.follow(Instrument::Card(CardId::from_uuid(nobody.uuid()))).await;
    assert!(matches!(refused, Err(LedgerError::Refused(Reason::CardUnknown))), "{refused:?}");
    bank.end().await;
}

pub(super) async fn r1_what_is_paid_from_an_account_is_followed_by_the_card_over_it(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let card = bank.card_over(account).await;
    let with_card = async |minor| {
        let mut order = charge_order(bank.leg_id(), account, minor);
        let LegOrder::Charge(charge) = &mut order.order else { unreachable!() };
        charge.payer = Party::Card(card);
        state(bank.ledger.hold(order).await)
    };
    bank.ledger.follow(Instrument::Card(card)).await.unwrap();
    assert_eq!(with_card(100).await, Ok(Held));
    bank.network_hold(bank.leg_id(), account, 10).await.unwrap();
    bank.follow(account).await;
    bank.network_hold(bank.leg_id(), account, 1).await.unwrap();
    let reports = bank.reports().await;
    let (by_card, by_account) = (Named::CardId(card.to_string()), Named::AccountId(account.to_string()));
    let named: Vec<_> = reports.iter().map(|report| report.instrument.clone().unwrap()).collect();
    assert_eq!(named, [by_card.clone(), by_card, by_account], "the account by itself as soon as it is bound itself");
    let masked: Vec<&str> = reports.iter().map(|report| report.masked.as_str()).collect();
    assert_eq!(masked[..2], ["622848******0015"; 2]);
    assert!(masked[2].starts_with("****"));
    assert_eq!(reports.iter().map(|report| report.credit_minor).collect::<Vec<_>>(), [Some(0), None, None]);
    bank.end().await;
}

pub(super) async fn r1_reports_that_are_made_at_once_are_numbered_without_a_gap(bank: Bank) {
    let account = bank.account_with(100_000).await;
    bank.follow(account).await;
    let charges = (0..200).map(|n: i64| {
        let (ledger, leg_id) = (bank.ledger.clone(), bank.leg_id());
        tokio::spawn(async move {
            let leg = ledger.hold(charge_order(leg_id, account, 10 + n % 7)).await.unwrap();
            ledger.complete(leg.whole().unwrap()).await.unwrap();
        })
    });
    for charge in charges.collect::<Vec<_>>() {
        charge.await.unwrap();
    }
    let reports = bank.reports().await;
    assert!(reports.iter().map(|report| report.sequence).eq(1..=400), "{} reports", reports.len());
    bank.end().await;
}

pub(super) async fn r1_what_the_hub_has_said_of_reports_is_kept(bank: Bank) {
    let account = bank.account_with(1_000).await;
    bank.follow(account).await;
    for _ in 0..5 {
        bank.network_hold(bank.leg_id(), account, 10).await.unwrap();
    }
    assert_eq!(read_progress(&bank.store).await.unwrap(), (5, 0));
    let answer = Answer { through_sequence: 4, refused: vec![(2, Reason::NotYours), (4, Reason::TextMalformed)] };
    for _ in 0..2 {
        bank.ledger.acknowledge(answer.clone()).await.unwrap();
    }
    let back = Answer { through_sequence: 1, refused: Vec::new() };
    bank.ledger.acknowledge(back).await.unwrap();
    let bank = bank.restart().await;
    assert_eq!(read_progress(&bank.store).await.unwrap(), (5, 1), "a hub may come back from a backup");
    let purchases: Vec<String> = bank.reports().await.into_iter().map(|report| report.purchase_id).collect();
    let refused = read_refused(&bank.store, 100).await.unwrap();
    let refused: Vec<_> = refused.into_iter().map(|(n, purchase, reason)| (n, purchase.to_string(), reason)).collect();
    let wanted = [(4, "TEXT_MALFORMED"), (2, "NOT_YOURS")];
    assert_eq!(refused, wanted.map(|(n, reason)| (n, purchases[n as usize - 1].clone(), reason.to_owned())));
    assert_eq!(read_refused(&bank.store, 1).await.unwrap().len(), 1);
    bank.end().await;
}

pub(super) async fn r1_a_set_that_is_dropped_or_run_again_reports_each_purchase_once(bank: Bank) {
    let account = bank.account_with(1_000).await;
    let set = steps_by_hand(&bank);
    let [bought, offline, dropped, back]: [LegId; 4] = std::array::from_fn(|_| bank.leg_id());
    let post = |leg_id: LegId, minor| {
        let payment_id = PaymentId::from_uuid(leg_id.uuid());
        Step::Complete(CompletionOrder { origin: Origin::Network, leg_id, payment_id, amount: cny(minor) })
    };
    let steps = [
        Step::Report(ReportStep::Follow(Instrument::Account(account))),
        Step::Hold(vec![charge_order(bought, account, 300), charge_order(dropped, account, 50)]),
        post(bought, 250),
        Step::Refund(RefundOrder { origin: Origin::Network, ..refund_order(back, bought, 100) }),
        Step::Offline(Box::new(charge_order(offline, account, 40))),
        Step::Void(VoidOrder { origin: Origin::Network, ..void_order(dropped) }),
        Step::Report(ReportStep::Acknowledge(Answer { through_sequence: 0, refused: vec![(1, Reason::NotYours)] })),
    ];
    let mut tx = bank.store.begin().await.unwrap();
    set.run(&mut tx, &steps).await.unwrap();
    drop(tx);
    set.dropped(&StoreError::Conflict);
    assert!(bank.reports().await.is_empty());
    for _ in 0..3 {
        let mut tx = bank.store.begin().await.unwrap();
        let outcomes = set.run(&mut tx, &steps).await.unwrap();
        tx.commit().await.unwrap();
        set.committed(&steps, &outcomes);
        let mut said: Vec<_> =
            bank.reports().await.iter().map(|it| (it.purchase_id.clone(), told(it).1, told(it).4)).collect();
        said.sort();
        assert_eq!(
            said,
            [(bought.to_string(), 1, 100), (offline.to_string(), 1, 0)],
            "as they stand at the end of the set"
        );
    }
    assert_eq!(read_refused(&bank.store, 9).await.unwrap().len(), 1);
    assert_eq!(bank.available(account).await, 1_000 - 150 - 40);
    bank.end().await;
}

pub(super) async fn the_check_of_the_books_finds_what_was_settled_on_the_wrong_side_and_reports_that_are_missing(
    bank: Bank,
) {
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    bank.follow(account).await;
    bank.network_hold(leg, account, 300).await.unwrap();
    bank.network_post(leg, 200).await.unwrap();
    assert!(crate::check_books(&bank.store).await.unwrap().is_right());
    for sql in ["UPDATE reports SET version = 9", "DELETE FROM reports"] {
        let mut tx = bank.store.begin().await.unwrap();
        let refused = tx.execute(sql, Vec::new()).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    let again = "INSERT INTO reports SELECT sequence + 9, purchase_id, version - 8, content, made_at FROM reports \
                 WHERE sequence = 2";
    for (sql, finds) in [
        ("UPDATE legs SET origin = 'HUB'", 1),
        ("UPDATE legs SET origin = 'NETWORK'", 0),
        // A number that is far off, with a version that was before.
        (again, 2),
    ] {
        let mut tx = bank.store.begin().await.unwrap();
        tx.execute(sql, Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let report = crate::check_books(&bank.store).await.unwrap();
        assert_eq!(report.faults.len(), finds, "{sql}: {report:?}");
    }
    bank.close().await;
}
