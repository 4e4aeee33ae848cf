//! Cards of a debit and a credit account: their movements as tables, and what must hold after any mix of them.

mod elsewhere;
mod freezing;
mod network;
mod proving;

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::*;
use crate::CardId;
use crate::card::{Card, Expiry, Proof, Sides};
use crate::credit::{AutoRepay, Day, EntryKind, Portion, Terms};

const DEBIT: u8 = 1;
const CREDIT: u8 = 5;
const SAVINGS: u8 = 6;
const TODAY: Date = date(2026, 1, 1);

fn card_id() -> CardId {
    CardId::from_uuid(id(7))
}

fn terms() -> Terms {
    Terms { auto_repay: AutoRepay::Full, ..Terms::usual(5) }
}

/// A bank with a card that is active: 500 on its debit side, a limit of 1,000 on its credit side of which 300 may be cash,
/// and a savings account.
fn bank() -> Books {
    let mut books = bank_with(500);
    books.load_cards([], TODAY);
    for (account, new) in
        [(CREDIT, NewAccount::Credit { limit_minor: 1_000, cash_limit_minor: 300 }), (SAVINGS, NewAccount::Savings)]
    {
        let order = OpeningOrder {
            account_id: account_id(account),
            new,
            currency: Currency::CNY,
            holder: Line::parse("王小明").unwrap(),
            payment_limit_minor: 0,
            number: "622200004822".into(),
        };
        let opened = open_account(&books, &order, NOW).unwrap();
        books.apply(opened.change);
        assert!(open_account(&books, &order, NOW).unwrap().change.is_empty());
    }
    let sides = Sides::Both { debit: account_id(DEBIT), credit: account_id(CREDIT) };
    let card = Card::issue(card_id(), Expiry::parse_yymm("3012").unwrap(), sides, "622848******0015".into());
    let issued = issue_card(&books, card.clone()).unwrap();
    books.apply(issued.change);
    assert!(issue_card(&books, card).unwrap().change.is_empty());
    let active = change_card(&books, card_id(), |card| card.activate(TODAY)).unwrap();
    books.apply(active.change);
    books
}

/// One step with the card.
#[derive(Clone, Copy, Debug)]
enum Step {
    Hold {
        leg: u8,
        nature: Nature,
        minor: i64,
    },
    /// Money that comes in: held and posted.
    Receive {
        leg: u8,
        nature: Nature,
        minor: i64,
    },
    /// The same, held only.
    PayIn {
        leg: u8,
        nature: Nature,
        minor: i64,
    },
    FromSavings {
        leg: u8,
        minor: i64,
    },
    Post {
        leg: u8,
    },
    Complete {
        leg: u8,
        minor: i64,
    },
    Void {
        leg: u8,
    },
    Refund {
        leg: u8,
        original: u8,
        minor: i64,
    },
    Freeze(bool),
    EndDay,
}

/// The card's bank from day to day.
struct World {
    books: Books,
    today: Date,
    /// How many transfers the days before have seen.
    closed: usize,
}

impl World {
    fn new() -> Self {
        let books = bank();
        let closed = books.new_transfers().len();
        Self { books, today: TODAY, closed }
    }

    fn run(&mut self, step: Step) -> Result<Option<LegState>, Reason> {
        let books = &self.books;
        let (leg_id, payment_id) = match step {
            Step::Hold { leg, .. }
            | Step::Receive { leg, .. }
            | Step::PayIn { leg, .. }
            | Step::FromSavings { leg, .. }
            | Step::Post { leg }
            | Step::Complete { leg, .. }
            | Step::Void { leg }
            | Step::Refund { leg, .. } => (LegId::from_uuid(id(leg)), PaymentId::from_uuid(id(leg))),
            Step::Freeze(frozen) => {
                let changed = change_card(books, card_id(), |card| card.set_frozen(frozen))?;
                self.books.apply(changed.change);
                return Ok(None);
            }
            Step::EndDay => return self.end_day().map(|()| None),
        };
        let receipt = |nature, minor, savings| Receipt {
            payee: Party::Card(card_id()),
            nature,
            amount: cny(minor),
            merchant: merchant(),
            savings,
        };
        let reserve = |order| hold(books, &HoldOrder { leg_id, payment_id, order, proof: Proof::Given }, NOW);
        let decided = match step {
            Step::Hold { nature, minor, .. } => {
                let savings = (nature == Nature::Savings).then(|| account_id(SAVINGS));
                let (payer, amount) = (Party::Card(card_id()), cny(minor));
                reserve(LegOrder::Charge(Charge { payer, nature, amount, merchant: merchant(), savings, sale: None }))
            }
            Step::Receive { nature, minor, .. } | Step::PayIn { nature, minor, .. } => {
                reserve(LegOrder::Receipt(receipt(nature, minor, None)))
            }
            Step::FromSavings { minor, .. } => {
                let savings = Some(account_id(SAVINGS));
                reserve(LegOrder::Receipt(receipt(Nature::TransferIn, minor, savings)))
            }
            Step::Complete { minor, .. } => {
                complete(books, CompletionOrder { origin: Origin::Hub, leg_id, payment_id, amount: cny(minor) }, NOW)
            }
            Step::Refund { leg, original, minor } => refund(books, &refund_order(leg, original, cny(minor)), NOW),
            Step::Void { .. } => void(books, VoidOrder { origin: Origin::Hub, leg_id, payment_id }, NOW),
            _ => post(books, leg_id, NOW),
        }?;
        self.books.apply(decided.change);
        let is_in = matches!(step, Step::Receive { .. } | Step::FromSavings { .. });
        if is_in && decided.answer.state == LegState::Held {
            let posted = post(&self.books, leg_id, NOW)?;
            self.books.apply(posted.change);
            return Ok(Some(posted.answer.state));
        }
        Ok(Some(decided.answer.state))
    }

    fn entries(&self) -> Vec<crate::credit::Entry> {
        let books = &self.books;
        let entry = |transfer: &Transfer| {
            let leg = books.leg(LegId::from_uuid(transfer.source));
            let booking = books.booking(BookingId::from_uuid(transfer.source));
            let cause = match (leg, booking) {
                (Some(leg), _) => Cause::Leg(leg),
                (None, Some(booking)) => Cause::Booking(booking),
                (None, None) => Cause::CashDeposit,
            };
            credit_entry(account_id(CREDIT), transfer, cause)
        };
        books.new_transfers().iter().skip(self.closed).filter_map(entry).collect()
    }

    fn end_day(&mut self) -> Result<(), Reason> {
        let day = Day { on: self.today, entries: self.entries(), debit_available_minor: i64::MAX };
        let repay_from = Some(account_id(DEBIT));
        let order = DayOrder { account_id: account_id(CREDIT), terms: terms(), repay_from, day };
        let closed = close_day(&self.books, &order, NOW)?;
        self.books.apply(closed.change);
        assert!(close_day(&self.books, &order, NOW).unwrap().change.is_empty(), "the same day twice changes nothing");
        self.closed = self.books.new_transfers().len();
        self.today = self.today.saturating_add(1.day());
        self.books.load_cards([], self.today);
        let position = self.books.position(account_id(CREDIT)).unwrap();
        assert_eq!(position.owed_minor(), -self.credit().balance_minor(), "position and ledger say the same");
        Ok(())
    }

    fn credit(&self) -> &Account {
        self.books.account(account_id(CREDIT)).unwrap()
    }

    /// What is left on the debit side, on the credit side, of it as cash, and in the savings.
    fn left(&self) -> [i64; 4] {
        let card = card_facts(&self.books, card_id()).unwrap().unwrap();
        let savings = self.books.account(account_id(SAVINGS)).unwrap().available_minor();
        let credit = card.credit.unwrap();
        let debit = card.debit.unwrap().account.available_minor;
        [debit, credit.available_minor(), credit.cash_available_minor(), savings]
    }

    fn check(&self) {
        check(&self.books);
        let line = self.credit().credit.unwrap();
        let cash = |legs: LegState| {
            let legs = self.books.legs().filter(move |leg| leg.state == legs);
            let splits = legs.flat_map(|leg| leg.kept_splits());
            splits.filter(|split| split.part == Part::CashAdvance).map(|split| split.amount_minor).sum::<i64>()
        };
        assert_eq!(line.cash_held_minor, cash(LegState::Held));
        let today = self.entries().iter().fold(0, |sum, entry| match entry.kind {
            EntryKind::CashAdvance => sum + entry.amount_minor,
            EntryKind::CashReturned => sum - entry.amount_minor,
            _ => sum,
        });
        let position = self.books.position(account_id(CREDIT)).unwrap();
        assert_eq!(line.cash_owed_minor, position.owed_of(Portion::CashAdvance) + today);
    }
}

const fn hold_of(leg: u8, nature: Nature, minor: i64) -> Step {
    Step::Hold { leg, nature, minor }
}

/// A story such as `purchase 1200, post, refund 150`: what has an amount of its own is a new leg, counted from 10, and the
/// rest is about the first one.
fn steps(story: &str) -> Vec<Step> {
    let mut next = 10;
    let mut steps = Vec::new();
    for words in story.split(", ") {
        let (word, minor) = words.split_once(' ').unwrap_or((words, "0"));
        let (leg, minor) = (next, minor.parse().unwrap());
        let step = match word {
            "post" => Step::Post { leg: 10 },
            "void" => Step::Void { leg: 10 },
            "complete" => Step::Complete { leg: 10, minor },
            "again" => *steps.last().unwrap(),
            "refund" => Step::Refund { leg, original: 10, minor },
            "unsave" => Step::FromSavings { leg, minor },
            "purchase" => Step::Hold { leg, nature: Nature::Purchase, minor },
            "cash" => Step::Hold { leg, nature: Nature::CashWithdrawal, minor },
            "reserve" => Step::Hold { leg, nature: Nature::PreAuthorisation, minor },
            "transfer" => Step::Hold { leg, nature: Nature::TransferOut, minor },
            "save" => Step::Hold { leg, nature: Nature::Savings, minor },
            "top-up" => Step::Receive { leg, nature: Nature::TopUp, minor },
            "pay-in" => Step::PayIn { leg, nature: Nature::Deposit, minor },
            "repayment" => Step::Receive { leg, nature: Nature::Repayment, minor },
            "hold-a-top-up" => Step::Hold { leg, nature: Nature::TopUp, minor },
            "receive-a-purchase" => Step::Receive { leg, nature: Nature::Purchase, minor },
            other => panic!("no step {other}"),
        };
        if !matches!(word, "post" | "void" | "complete" | "again") {
            next += 1;
        }
        steps.push(step);
    }
    steps
}

/// What came of the last step, and what is left on the debit side, on the credit side, of it as cash, and in the savings.
fn told(story: &str) -> (String, [i64; 4]) {
    let mut world = World::new();
    let results: Vec<_> = steps(story).into_iter().map(|step| world.run(step)).collect();
    world.check();
    let told = match results.last().unwrap() {
        Ok(Some(LegState::Refused(reason))) => reason.code().to_owned(),
        Ok(Some(state)) => state.as_str().to_owned(),
        Ok(None) => String::new(),
        Err(reason) => format!("error {}", reason.code()),
    };
    (told, world.left())
}

#[test]
fn c6_a_leg_of_a_card_moves_both_sides_by_this_table() {
    // At first 500 on the debit side, 1,000 on the credit side, of it 300 as cash, and no savings.
    let table = [
        ("a purchase overflows into debit", "purchase 1200", "HELD", [300, 0, 0, 0]),
        ("and is posted as one", "purchase 1200, post", "POSTED", [300, 0, 0, 0]),
        ("or released as one", "purchase 1200, void", "VOIDED", [500, 1_000, 300, 0]),
        ("all of it or nothing", "purchase 1501", "INSUFFICIENT_FUNDS", [500, 1_000, 300, 0]),
        ("a refund goes to debit first", "purchase 1200, post, refund 150", "POSTED", [450, 0, 0, 0]),
        ("then to credit", "purchase 1200, post, refund 150, refund 150", "POSTED", [500, 100, 100, 0]),
        ("never too much", "purchase 9, post, refund 9, refund 1", "REFUND_TOO_LARGE", [500, 1_000, 300, 0]),
        ("cash overflows into an advance", "cash 600", "HELD", [0, 900, 200, 0]),
        ("a posted advance counts", "cash 600, post", "POSTED", [0, 900, 200, 0]),
        ("more up to its limit", "cash 600, post, cash 200", "HELD", [0, 700, 0, 0]),
        ("not above it", "cash 600, post, cash 201", "CASH_ADVANCE_LIMIT_EXCEEDED", [0, 900, 200, 0]),
        ("a reversal frees it at once", "cash 600, post, refund 600", "POSTED", [500, 1_000, 300, 0]),
        ("the advance comes back first", "cash 600, post, refund 120", "POSTED", [20, 1_000, 300, 0]),
        ("money on its way in is not to be spent", "pay-in 80", "HELD", [500, 1_000, 300, 0]),
        ("before its post", "pay-in 80, post", "POSTED", [580, 1_000, 300, 0]),
        ("or never comes", "pay-in 80, void", "VOIDED", [500, 1_000, 300, 0]),
        ("a top-up", "top-up 80", "POSTED", [580, 1_000, 300, 0]),
        ("twice is once", "top-up 80, again", "POSTED", [580, 1_000, 300, 0]),
        ("reversed", "top-up 80, refund 80", "POSTED", [500, 1_000, 300, 0]),
        ("reversed when spent", "top-up 80, transfer 570, refund 80", "INSUFFICIENT_FUNDS", [10, 1_000, 300, 0]),
        ("a repayment of too much", "repayment 80", "POSTED", [500, 1_080, 300, 0]),
        ("spends as credit", "repayment 80, purchase 1080", "HELD", [500, 0, 0, 0]),
        ("money put aside", "save 400, post", "POSTED", [100, 1_000, 300, 400]),
        ("is not to be spent", "save 400, post, transfer 101", "INSUFFICIENT_FUNDS", [100, 1_000, 300, 400]),
        ("is not there before the post", "save 400, unsave 1", "INSUFFICIENT_FUNDS", [100, 1_000, 300, 0]),
        ("comes back", "save 400, post, unsave 300", "POSTED", [400, 1_000, 300, 100]),
        ("as far as there is any", "save 400, post, unsave 401", "INSUFFICIENT_FUNDS", [100, 1_000, 300, 400]),
        ("or is reversed", "save 400, post, refund 400", "POSTED", [500, 1_000, 300, 0]),
        ("money in is not held", "hold-a-top-up 1", "NATURE_UNSUPPORTED", [500, 1_000, 300, 0]),
        ("money out is not received", "receive-a-purchase 1", "NATURE_UNSUPPORTED", [500, 1_000, 300, 0]),
    ];
    for (name, story, wanted, left) in table {
        assert_eq!(told(story), (wanted.to_owned(), left), "{name}: {story}");
    }
}

#[test]
fn c2_a_pre_authorisation_is_completed_with_as_much_or_less_and_the_last_part_gives_way_first() {
    let table = [
        ("a reservation", "reserve 1200", "HELD", [300, 0, 0, 0]),
        ("whole", "reserve 1200, complete 1200", "POSTED", [300, 0, 0, 0]),
        ("with less: debit gives way", "reserve 1200, complete 1050", "POSTED", [450, 0, 0, 0]),
        ("with much less: then credit", "reserve 1200, complete 700", "POSTED", [500, 300, 300, 0]),
        ("the same again", "reserve 1200, complete 700, again", "POSTED", [500, 300, 300, 0]),
        ("another", "reserve 1200, complete 700, complete 600", "error LEG_POSTED", [500, 300, 300, 0]),
        ("a post after it", "reserve 1200, complete 700, post", "POSTED", [500, 300, 300, 0]),
        ("after a post in whole", "reserve 1200, post, complete 700", "error LEG_POSTED", [300, 0, 0, 0]),
        ("a void after it", "reserve 1200, complete 700, void", "error LEG_POSTED", [500, 300, 300, 0]),
        ("after a void", "reserve 1200, void, complete 700", "error LEG_VOIDED", [500, 1_000, 300, 0]),
        ("with more", "reserve 1200, complete 1201", "error COMPLETION_TOO_LARGE", [300, 0, 0, 0]),
        ("with nothing", "reserve 1200, complete 0", "error AMOUNT_NOT_POSITIVE", [300, 0, 0, 0]),
        ("no purchase", "purchase 1200, complete 700", "error NOT_PRE_AUTHORISED", [300, 0, 0, 0]),
        ("nothing at all", "complete 700", "error LEG_UNKNOWN", [500, 1_000, 300, 0]),
        ("what was refused", "reserve 1501, complete 7", "error LEG_REFUSED", [500, 1_000, 300, 0]),
        ("its refunds end with it", "reserve 9, complete 7, refund 8", "REFUND_TOO_LARGE", [500, 993, 300, 0]),
        ("and reach it", "reserve 1200, complete 1050, refund 1050", "POSTED", [500, 1_000, 300, 0]),
        ("it took nothing before", "reserve 1200, refund 1", "LEG_NOT_POSTED", [300, 0, 0, 0]),
    ];
    for (name, story, wanted, left) in table {
        assert_eq!(told(story), (wanted.to_owned(), left), "{name}: {story}");
    }
}

#[test]
fn an_id_of_money_paid_in_belongs_to_one_order() {
    let mut world = World::new();
    let receive = |minor| Step::Receive { leg: 10, nature: Nature::TopUp, minor };
    assert_eq!(world.run(receive(80)), Ok(Some(LegState::Posted)));
    assert_eq!(world.run(receive(81)), Err(Reason::LegIdTaken));
    assert_eq!(world.run(hold_of(10, Nature::Purchase, 80)), Err(Reason::LegIdTaken));
    assert_eq!(world.run(Step::Void { leg: 10 }), Err(Reason::LegPosted));
    assert_eq!(world.run(Step::Void { leg: 11 }), Ok(Some(LegState::Voided)), "a tombstone");
    assert_eq!(world.run(Step::Receive { leg: 11, nature: Nature::TopUp, minor: 80 }), Ok(Some(LegState::Voided)));
    assert_eq!(world.left(), [580, 1_000, 300, 0]);
}

#[test]
fn savings_are_of_the_same_holder_and_frozen_none_comes_back() {
    let mut world = World::new();
    for story in ["save 400", "post"] {
        world.run(steps(story)[0]).unwrap();
    }
    let savings = world.books.account(account_id(SAVINGS)).unwrap().clone();
    let table = [
        (
            "somebody else's",
            Account { holder: Some(Line::parse("Zoë").unwrap()), ..savings.clone() },
            Reason::AccountUnknown,
        ),
        ("closed", Account { status: AccountStatus::Closed, ..savings.clone() }, Reason::AccountClosed),
        ("frozen", Account { frozen: true, ..savings }, Reason::AccountFrozen),
    ];
    for (n, (name, account, reason)) in (20..).zip(table) {
        world.books.load([account], [], []);
        let refused = Ok(Some(LegState::Refused(reason)));
        assert_eq!(world.run(Step::FromSavings { leg: n, minor: 1 }), refused, "{name}");
        let into = if name == "frozen" { Ok(Some(LegState::Held)) } else { refused };
        assert_eq!(world.run(hold_of(n + 10, Nature::Savings, 1)), into, "{name}");
    }
}

#[test]
fn f4_a_frozen_card_takes_money_and_gives_none_and_what_was_held_is_completed() {
    let mut world = World::new();
    world.run(hold_of(10, Nature::PreAuthorisation, 1_200)).unwrap();
    world.run(hold_of(11, Nature::Purchase, 100)).unwrap();
    world.run(Step::Freeze(true)).unwrap();
    let frozen = Ok(Some(LegState::Refused(Reason::CardFrozen)));
    let posted = Ok(Some(LegState::Posted));
    let table = [
        (hold_of(12, Nature::Purchase, 1), frozen),
        (hold_of(13, Nature::CashWithdrawal, 1), frozen),
        (hold_of(14, Nature::TransferOut, 1), frozen),
        (hold_of(15, Nature::Savings, 1), frozen),
        (Step::Receive { leg: 16, nature: Nature::Deposit, minor: 50 }, posted),
        (Step::Receive { leg: 17, nature: Nature::Repayment, minor: 50 }, posted),
        (Step::Complete { leg: 10, minor: 700 }, posted),
        (Step::Post { leg: 11 }, posted),
        (Step::Refund { leg: 18, original: 11, minor: 100 }, posted),
    ];
    for (step, wanted) in table {
        assert_eq!(world.run(step), wanted, "{step:?}");
        world.check();
    }
    world.run(Step::Freeze(false)).unwrap();
    assert_eq!(world.run(hold_of(19, Nature::Purchase, 1)), Ok(Some(LegState::Held)));
}

#[test]
fn c7_on_the_due_day_the_debit_account_pays_as_much_as_it_has_and_the_rest_when_it_has_it() {
    let mut world = World::new();
    world.run(hold_of(10, Nature::Purchase, 900)).unwrap();
    world.run(Step::Post { leg: 10 }).unwrap();
    // Closed on the 5th, due on the 25th.
    while world.today < date(2026, 1, 25) {
        world.run(Step::EndDay).unwrap();
        assert_eq!(world.left(), [500, 100, 100, 0], "nothing moves before the due day");
    }
    world.run(Step::EndDay).unwrap();
    assert_eq!(world.left(), [0, 600, 300, 0]);
    world.run(Step::Receive { leg: 11, nature: Nature::Deposit, minor: 150 }).unwrap();
    world.run(Step::EndDay).unwrap();
    assert_eq!(world.left(), [0, 750, 300, 0]);
    world.run(Step::Receive { leg: 12, nature: Nature::Deposit, minor: 1_000 }).unwrap();
    world.run(Step::EndDay).unwrap();
    assert_eq!(world.left(), [750, 1_000, 300, 0], "and no more than is due");
    world.check();
    assert!(world.books.new_bookings().all(|booking| booking.kind == crate::credit::PostingKind::AutoRepayment));
}

#[test]
fn f4_c7_a_frozen_debit_account_repays_nothing_and_the_credit_account_still_takes_a_repayment() {
    let mut world = World::new();
    world.run(hold_of(10, Nature::Purchase, 900)).unwrap();
    world.run(Step::Post { leg: 10 }).unwrap();
    let freeze = FreezeOrder { account_id: account_id(DEBIT), frozen: true };
    let frozen = set_frozen(&world.books, freeze).unwrap();
    world.books.apply(frozen.change);
    while world.today <= date(2026, 1, 26) {
        world.run(Step::EndDay).unwrap();
    }
    assert_eq!(world.left(), [500, 100, 100, 0]);
    world.run(Step::Receive { leg: 11, nature: Nature::Repayment, minor: 900 }).unwrap();
    assert_eq!(world.left(), [500, 1_000, 300, 0]);
    world.check();
}

fn any_nature() -> impl Strategy<Value = Nature> {
    prop::sample::select(Nature::ALL.to_vec())
}

fn any_card_step() -> impl Strategy<Value = Step> {
    // Small ranges, so that ids meet.
    let leg = 10_u8..20;
    let out = prop::sample::select(vec![
        Nature::Purchase,
        Nature::CashWithdrawal,
        Nature::Savings,
        Nature::TransferOut,
        Nature::PreAuthorisation,
    ]);
    prop_oneof![
        5 => (leg.clone(), out, -1_i64..700).prop_map(|(leg, nature, minor)| Step::Hold { leg, nature, minor }),
        1 => (leg.clone(), any_nature(), 1_i64..700).prop_map(|(leg, nature, minor)| Step::Hold { leg, nature, minor }),
        3 => (leg.clone(), any_nature(), -1_i64..500).prop_map(|(leg, nature, minor)| Step::Receive { leg, nature, minor }),
        1 => (leg.clone(), any_nature(), 1_i64..500).prop_map(|(leg, nature, minor)| Step::PayIn { leg, nature, minor }),
        1 => (leg.clone(), 1_i64..200).prop_map(|(leg, minor)| Step::FromSavings { leg, minor }),
        4 => leg.clone().prop_map(|leg| Step::Post { leg }),
        2 => (leg.clone(), 0_i64..700).prop_map(|(leg, minor)| Step::Complete { leg, minor }),
        1 => leg.clone().prop_map(|leg| Step::Void { leg }),
        4 => (leg.clone(), leg, 1_i64..500).prop_map(|(leg, original, minor)| Step::Refund { leg, original, minor }),
        1 => prop::bool::weighted(0.2).prop_map(Step::Freeze),
        12 => Just(Step::EndDay),
    ]
}

proptest! {
    #[test]
    fn c6_after_any_mix_of_natures_and_days_the_books_balance_and_no_account_passes_its_limit(
        steps in prop::collection::vec(any_card_step(), 0..160)
    ) {
        let mut world = World::new();
        for step in steps {
            let _ = world.run(step);
            world.check();
        }
    }
}
