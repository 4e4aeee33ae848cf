//! What cards add to accounts and legs is stored as it is.

use domain::card::{Card, Expiry, Proof, Sides};
use domain::ledger::LegState::{Held, Posted};
use domain::ledger::{
    self as rules, Account, Books, Charge, CompletionOrder, Decided, HoldOrder, Leg, LegOrder, Nature, NewAccount,
    OpeningOrder, Origin, Party, Receipt,
};
use domain::text::Line;
use domain::{AccountId, CardId, Currency, LegId, PaymentId, Reason};

use super::bank::{Bank, calendar, cny, hold_order, refund_order};
use crate::ledger::card_steps::CardFiles;
use crate::ledger::recent::Recent;
use crate::ledger::sql::{self, Named};

/// Decides and makes it part of the books.
fn done<T>(books: &mut Books, decide: impl FnOnce(&Books) -> Result<Decided<T>, Reason>) -> T {
    let decided = decide(books).unwrap();
    books.apply(decided.change);
    decided.answer
}

/// Opens an account.
fn open(bank: &Bank, books: &mut Books, new: NewAccount) -> Account {
    let account_id = AccountId::from_uuid(bank.ids.uuid().unwrap());
    let holder = Line::parse("王小明").unwrap();
    let number = account_id.uuid().simple().to_string().into_boxed_str();
    let order = OpeningOrder { account_id, new, currency: Currency::CNY, holder, payment_limit_minor: 0, number };
    done(books, |books| rules::open_account(books, &order, domain::Timestamp::from_secs(1)))
}

pub(super) async fn c6_legs_of_cards_and_the_limits_of_credit_accounts_are_read_back_as_they_were(bank: Bank) {
    let debit = bank.account_with(500).await;
    let credit = bank.credit_account(1_000, 300).await;
    let mut tx = bank.store.begin().await.unwrap();
    let (now, mut recent) = (tx.now(), Recent::default());
    let named = Named { accounts: [debit, credit].into(), ..Named::default() };
    let today = calendar().day_of(now);
    let mut books = sql::load(&mut tx, named, &recent, today).await.unwrap();
    let savings = open(&bank, &mut books, NewAccount::Savings).id;
    let card_id = CardId::from_uuid(bank.ids.uuid().unwrap());
    let card = Card::issue(card_id, Expiry::parse_yymm("9912").unwrap(), Sides::Both { debit, credit }, "6228".into());
    books.load_cards([card.activate(today).unwrap()], today);

    let LegOrder::Charge(Charge { merchant, .. }) = hold_order(bank.leg_id(), debit, 1).order else { unreachable!() };
    let ids = |id: LegId| (id, PaymentId::from_uuid(id.uuid()));
    let hold = |books: &mut Books, nature, minor, savings| -> Leg {
        let (leg_id, payment_id) = ids(bank.leg_id());
        let (payer, merchant) = (Party::Card(card_id), merchant.clone());
        let order = LegOrder::Charge(Charge { payer, nature, amount: cny(minor), merchant, savings, sale: None });
        let order = HoldOrder { leg_id, payment_id, order, proof: Proof::Given };
        done(books, |books| rules::hold(books, &order, now))
    };
    let saved = hold(&mut books, Nature::Savings, 100, Some(savings));
    let cash = hold(&mut books, Nature::CashWithdrawal, 600, None);
    let reserved = hold(&mut books, Nature::PreAuthorisation, 500, None);
    let (leg_id, payment_id) = ids(reserved.id);
    let order = CompletionOrder { origin: Origin::Hub, leg_id, payment_id, amount: cny(400) };
    let completed = done(&mut books, |books| rules::complete(books, order, now));
    let (leg_id, payment_id) = ids(bank.leg_id());
    let (payee, amount) = (Party::Card(card_id), cny(50));
    let order = LegOrder::Receipt(Receipt { payee, nature: Nature::TopUp, amount, merchant, savings: None });
    let order = HoldOrder { leg_id, payment_id, order, proof: Proof::Given };
    let held = done(&mut books, |books| rules::hold(books, &order, now));
    let received = done(&mut books, |books| rules::post(books, held.id, now));
    let order = refund_order(bank.leg_id(), completed.id, 50);
    let returned = done(&mut books, |books| rules::refund(books, &order, now));
    sql::save(&mut tx, &books, &CardFiles::default(), &mut recent).await.unwrap();
    tx.commit().await.unwrap();

    for (leg, state) in [(saved, Held), (cash, Held), (completed, Posted), (received, Posted), (returned, Posted)] {
        let stored = bank.ledger.leg(leg.id).await.unwrap();
        assert_eq!(stored.state, state);
        assert_eq!(stored, Leg { version: 1, ..books.leg(leg.id).unwrap().clone() });
    }
    for account in [debit, credit, savings] {
        let stored = bank.ledger.account(account).await.unwrap();
        assert_eq!(Account { version: 0, ..stored }, Account { version: 0, ..books.account(account).unwrap().clone() });
    }
    // The ledger goes on with what is stored and not with what it remembers: it knows the savings account of the leg and the
    // cash that is held.
    let bank = bank.restart().await;
    for leg in books.legs().filter(|leg| leg.state == Held) {
        assert_eq!(bank.post(leg.id).await, Ok(Posted));
    }
    let line = bank.ledger.account(credit).await.unwrap().credit.unwrap();
    assert_eq!((line.cash_owed_minor, line.cash_held_minor), (200, 0));
    assert_eq!(bank.available(savings).await, 100);
    bank.end().await;
}
