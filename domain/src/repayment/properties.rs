//! Two banks' books and the hub between them, with every message late, lost or sent twice: money is neither lost nor made, and what the
//! person was told stands.

use std::time::Duration;

use jiff::civil::date;
use proptest::prelude::*;
use uuid::Uuid;

use super::tests::{NOW, account, begun, card, form, leg};
use super::*;
use crate::card::{Card, Expiry, Proof, Sides};
use crate::ledger::{
    AccountKind, Books, Charge, Deposit, DepositId, FreezeOrder, HoldOrder, LegOrder, LegState, NewAccount,
    OpeningOrder, Origin, Party as Payer, Receipt, VoidOrder, change_card, deposit_cash, hold, is_balanced, issue_card,
    open_account, post, set_frozen, void,
};
use crate::payment::{Policy, Verdict};
use crate::text::Line;
use crate::{AccountId, Currency};

const AMOUNT: i64 = 125_000;

/// Something that happens between the hub and the banks.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A hold reaches its bank, on time or long after; its answer may be lost.
    Hold { side: Side, lost: bool },
    /// The hub does what is outstanding with one bank. It is killed before the answer is stored, or not.
    Carry { side: Side, lost: bool },
    /// A bank asks about a leg that it holds.
    Resolve { side: Side },
    /// The decision deadline comes nearer, or is over.
    Wait { seconds: u64 },
    /// The person spends at the paying bank.
    Spend { minor: i64 },
    /// An account is frozen, or set free.
    Freeze { side: Side, frozen: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let side = || prop_oneof![Just(Side::Paying), Just(Side::Receiving)];
    prop_oneof![
        3 => (side(), any::<bool>()).prop_map(|(side, lost)| Step::Hold { side, lost }),
        4 => (side(), any::<bool>()).prop_map(|(side, lost)| Step::Carry { side, lost }),
        2 => side().prop_map(|side| Step::Resolve { side }),
        1 => (1_u64..40).prop_map(|seconds| Step::Wait { seconds }),
        1 => (1_i64..200_000).prop_map(|minor| Step::Spend { minor }),
        1 => (side(), any::<bool>()).prop_map(|(side, frozen)| Step::Freeze { side, frozen }),
    ]
}

struct World {
    repayment: Repayment,
    paying: Books,
    receiving: Books,
    now: Timestamp,
    spent_minor: i64,
    /// The person's account at the bank that pays, and the credit account at the other one.
    accounts: (AccountId, AccountId),
    told: Vec<Seen>,
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_f0c1_7a6b_7c3d_8e4f_0001_0000_0000 + n)
}

fn open(books: &mut Books, account_id: AccountId, new: NewAccount) {
    let order = OpeningOrder {
        account_id,
        new,
        currency: Currency::CNY,
        holder: Line::parse("Li Na").unwrap(),
        payment_limit_minor: 0,
        number: "622200004821".into(),
    };
    let opened = open_account(books, &order, NOW).unwrap();
    books.apply(opened.change);
}

impl World {
    /// So much at the paying bank; at the other one a card over a credit account alone, of which nothing is owed and which keeps
    /// as much as its limit to its holder's credit.
    fn new(balance_minor: i64, limit_minor: i64) -> Self {
        let (Instrument::Account(debit), Instrument::Card(card_id)) = (account(), card()) else { unreachable!() };
        let credit = AccountId::from_uuid(id(1));
        let (mut paying, mut receiving) = (Books::default(), Books::default());
        for books in [&mut paying, &mut receiving] {
            books.load_cards([], date(2026, 1, 6));
        }
        open(&mut paying, debit, NewAccount::Deposit);
        let deposit = Deposit {
            id: DepositId::from_uuid(id(2)),
            account_id: debit,
            amount: Money::new(Currency::CNY, balance_minor),
        };
        let deposited = deposit_cash(&paying, deposit, NOW).unwrap();
        paying.apply(deposited.change);
        open(&mut receiving, credit, NewAccount::Credit { limit_minor, cash_limit_minor: 0 });
        let sides = Sides::Credit(credit);
        let new = Card::issue(card_id, Expiry::parse_yymm("3012").unwrap(), sides, "622848******0015".into());
        let issued = issue_card(&receiving, new).unwrap();
        receiving.apply(issued.change);
        let active = change_card(&receiving, card_id, |card| card.activate(date(2026, 1, 6))).unwrap();
        receiving.apply(active.change);
        let told = vec![Seen::Pending];
        Self { repayment: begun(), paying, receiving, now: NOW, spent_minor: 0, accounts: (debit, credit), told }
    }

    fn books(&mut self, side: Side) -> &mut Books {
        match side {
            Side::Paying => &mut self.paying,
            Side::Receiving => &mut self.receiving,
        }
    }

    fn hold(&mut self, side: Side) -> LegState {
        let (amount, now) = (form().amount, self.now);
        let named = self.repayment.leg(side.other()).party.named.clone();
        let party = |instrument| match instrument {
            Instrument::Account(id) => Payer::Account(id),
            Instrument::Card(id) => Payer::Card(id),
        };
        let (nature, savings, sale) = (side.nature(), None, None);
        let order = match side {
            Side::Paying => {
                LegOrder::Charge(Charge { payer: party(account()), nature, amount, merchant: named, savings, sale })
            }
            Side::Receiving => {
                LegOrder::Receipt(Receipt { payee: party(card()), nature, amount, merchant: named, savings })
            }
        };
        let order = HoldOrder { leg_id: leg(side), payment_id: form().id, order, proof: Proof::Given };
        let books = self.books(side);
        let decided = hold(books, &order, now).unwrap();
        books.apply(decided.change);
        decided.answer.state
    }

    /// What the hub does with an answer to a hold.
    fn heard(&mut self, side: Side, state: LegState) {
        let (now, policy) = (self.now, Policy::default());
        match state {
            LegState::Held | LegState::Posted => drop(self.repayment.held(&[side], now, &policy)),
            LegState::Refused(reason) => drop(self.repayment.abort(reason, Some(side), now)),
            LegState::Voided => drop(self.repayment.abort(Reason::DecisionTimedOut, Some(side), now)),
            LegState::Asking => unreachable!("no credit system is asked here"),
        }
    }

    fn carry(&mut self, side: Side, lost: bool) {
        let now = self.now;
        match self.repayment.outstanding(now) {
            Work::Nothing => {}
            Work::Abort => drop(self.repayment.time_out(now)),
            Work::Hold => {
                let state = self.hold(side);
                if !lost {
                    self.heard(side, state);
                }
            }
            Work::Post => {
                let decided = post(self.books(side), leg(side), now).expect("what was held can be posted");
                self.books(side).apply(decided.change);
                if !lost {
                    self.repayment.posted(&[side]);
                }
            }
            Work::Void => {
                let order = VoidOrder { origin: Origin::Hub, leg_id: leg(side), payment_id: form().id };
                let decided = void(self.books(side), order, now).expect("what was never committed can be voided");
                self.books(side).apply(decided.change);
                if !lost {
                    self.repayment.voided(&[side]);
                }
            }
        }
    }

    fn resolve(&mut self, side: Side) {
        let now = self.now;
        if self.books(side).leg(leg(side)).is_none_or(|leg| leg.state != LegState::Held) {
            return;
        }
        let bank = self.repayment.leg(side).party.bank_id.clone();
        let change = match self.repayment.verdict_on(&bank, leg(side)).unwrap().unwrap() {
            Verdict::Wait => return,
            Verdict::Post => post(self.books(side), leg(side), now).unwrap().change,
            Verdict::Void => {
                let order = VoidOrder { origin: Origin::Hub, leg_id: leg(side), payment_id: form().id };
                void(self.books(side), order, now).unwrap().change
            }
        };
        self.books(side).apply(change);
    }

    fn spend(&mut self, n: usize, minor: i64) {
        let named = self.repayment.receiving.party.named.clone();
        let leg_id = LegId::from_uuid(id(100 + n as u128));
        let order = HoldOrder {
            leg_id,
            payment_id: PaymentId::from_uuid(leg_id.uuid()),
            order: LegOrder::Charge(Charge::purchase(self.accounts.0, Money::new(Currency::CNY, minor), named)),
            proof: Proof::Given,
        };
        let decided = hold(&self.paying, &order, self.now).unwrap();
        self.paying.apply(decided.change);
        if decided.answer.state == LegState::Held {
            let posted = post(&self.paying, leg_id, self.now).unwrap();
            self.paying.apply(posted.change);
            self.spent_minor += minor;
        }
    }

    fn freeze(&mut self, side: Side, frozen: bool) {
        let (debit, credit) = self.accounts;
        let account_id = if side == Side::Paying { debit } else { credit };
        let decided = set_frozen(self.books(side), FreezeOrder { account_id, frozen }).unwrap();
        self.books(side).apply(decided.change);
    }

    fn run(&mut self, n: usize, step: Step) {
        match step {
            Step::Hold { side, lost } => {
                let state = self.hold(side);
                // An answer that comes after everything is decided is heard all the same.
                if !lost {
                    self.heard(side, state);
                }
            }
            Step::Carry { side, lost } => self.carry(side, lost),
            Step::Resolve { side } => self.resolve(side),
            Step::Wait { seconds } => self.now = self.now.plus(Duration::from_secs(seconds)),
            Step::Spend { minor } => self.spend(n, minor),
            Step::Freeze { side, frozen } => self.freeze(side, frozen),
        }
        self.told.push(self.repayment.seen());
    }

    /// What the sweeper does until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..8 {
            for side in Side::BOTH {
                self.carry(side, false);
            }
            self.now = self.now.plus(Duration::from_secs(30));
        }
        self.told.push(self.repayment.seen());
    }

    fn balances(&self) -> (i64, i64) {
        let balance = |books: &Books, id| books.account(id).map_or(0, |account| account.balance_minor());
        (balance(&self.paying, self.accounts.0), balance(&self.receiving, self.accounts.1))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn r8_whatever_is_lost_late_or_twice_the_money_is_here_or_there_and_an_answer_stands(
        balance_minor in prop_oneof![Just(AMOUNT), Just(AMOUNT - 1), 1_i64..400_000],
        limit_minor in prop_oneof![Just(AMOUNT), Just(AMOUNT - 1), Just(1_000_000_i64)],
        steps in prop::collection::vec(step(), 0..24),
    ) {
        let mut world = World::new(balance_minor, limit_minor);
        for (n, step) in steps.into_iter().enumerate() {
            world.run(n, step);
        }
        world.settle();
        let moved = match world.repayment.state {
            State::Posted => AMOUNT,
            State::Aborted => 0,
            other => panic!("still {other:?}"),
        };
        prop_assert_eq!(world.balances(), (balance_minor - world.spent_minor - moved, moved));
        for (side, books) in [(Side::Paying, &world.paying), (Side::Receiving, &world.receiving)] {
            let (debit, credit) = world.accounts;
            let settlement = AccountKind::HubSettlement.house_id(Currency::CNY);
            let cash = AccountKind::Cash.house_id(Currency::CNY);
            let accounts = [debit, credit, settlement, cash].into_iter().filter_map(|id| books.account(id));
            prop_assert!(is_balanced(accounts.clone()), "{side:?}");
            let pending = |account: &crate::ledger::Account| {
                account.balances.debits_pending != 0 || account.balances.credits_pending != 0
            };
            prop_assert!(!accounts.clone().any(pending), "{side:?} still holds");
        }
        // What one bank owes the federation the other one is owed by it.
        let owed = |books: &Books| {
            let settlement = AccountKind::HubSettlement.house_id(Currency::CNY);
            books.account(settlement).map_or(0, |account| account.balance_minor())
        };
        prop_assert_eq!(owed(&world.paying), world.spent_minor + moved);
        prop_assert_eq!(owed(&world.receiving), -moved);
        let decided = world.told.iter().position(|seen| seen.is_final()).expect("it comes to an end");
        prop_assert!(world.told[decided..].iter().all(|seen| *seen == world.told[decided]), "{:?}", world.told);
    }
}
