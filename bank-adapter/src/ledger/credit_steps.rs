//! The ledger's steps where an existing credit system keeps the credit accounts: holds that it is asked for and its answers,
//! what it is told of all other steps, and changes of PINs. All of it is written in the transaction that decides it.

use std::collections::BTreeSet;

use domain::card::{Card, PinCheck};
use domain::ledger::{self as rules, AccountKind, Books, CreditLeft, HoldOrder, Leg, LegOrder, LegState, Party};
use domain::payment::Instrument;
use domain::{CardId, LegId, Money, Reason, Timestamp};
use server_kit::audit::Entry;
use server_kit::identity::Principal;
use server_kit::store::{StoreError, Tx};

use super::card_steps::{CardFiles, entry};
use super::named::Named;
use super::steps::{Outcome, Step, leg_step, signed};
use crate::card::answers::PinSent;
use crate::card::sql::NewPin as PinRow;
use crate::credit_system::{
    Advice, CardAdvices, ChangeId, CreditHold, HoldAnswer, Kind, NewPin, Orders, PinChanges, PinState, Retold, State,
    StuckKey, Trace,
};

/// A step that only a bank with an existing credit system has.
#[derive(Clone, Debug)]
pub(super) enum CreditStep {
    /// Reserves a leg if the debit side bears all of it, whatever the credit system has left.
    HoldAlone(Box<HoldOrder>),
    /// Reserves a leg, and notes that its credit part is about to be asked for under these numbers.
    Ask(Box<HoldOrder>, CreditLeft, Trace),
    /// What came of asking.
    Settle(LegId, HoldAnswer),
    IntendPin(Box<PinIntent>, Principal),
    /// The end of a change of a PIN: done, or refused and why.
    SettlePin(ChangeId, CardId, Option<Reason>),
    /// An advice that the credit system refused is told again, and who has it told.
    Retell(StuckKey, Principal),
}

/// A PIN that both sides are to have.
#[derive(Clone, Debug)]
pub(crate) struct PinIntent {
    pub(crate) sent: PinSent,
    /// What the HSM said of the PIN before it, when its holder changes it; nothing when the bank sets a new one.
    pub(crate) current: Option<PinCheck>,
    pub(crate) new: NewPin,
}

impl CreditStep {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::HoldAlone(_) => "hold_alone",
            Self::Ask(..) => "ask",
            Self::Settle(..) => "settle",
            Self::IntendPin(..) => "intend_pin",
            Self::SettlePin(..) => "settle_pin",
            Self::Retell(..) => "retell",
        }
    }

    /// The fault points before and after it becomes durable.
    pub(super) const fn durable_point(&self) -> [&'static str; 2] {
        match self {
            Self::HoldAlone(_) => ["D3.before", "D3.after"],
            Self::Retell(..) => ["retold.before", "retold.after"],
            Self::Ask(..) => ["asked.before", "asked.after"],
            Self::Settle(..) => ["settled.before", "settled.after"],
            Self::IntendPin(..) => ["pin.asked.before", "pin.asked.after"],
            Self::SettlePin(..) => ["pin.ended.before", "pin.ended.after"],
        }
    }

    pub(super) fn name_rows(&self, named: &mut Named) {
        match self {
            Self::HoldAlone(order) | Self::Ask(order, ..) => {
                named.legs.insert(order.leg_id);
                named.order(&order.order);
            }
            Self::Settle(leg_id, _) => {
                named.legs.insert(*leg_id);
            }
            Self::IntendPin(intent, _) => {
                named.cards.insert(intent.sent.card_id);
            }
            Self::SettlePin(_, card_id, _) => {
                named.cards.insert(*card_id);
            }
            Self::Retell(StuckKey::Leg(key), _) => {
                named.legs.insert(key.leg_id);
            }
            Self::Retell(StuckKey::Card(card_id), _) => {
                named.cards.insert(*card_id);
            }
        }
    }
}

/// What the credit system must come to know, of the legs and cards of a set.
#[derive(Debug, Default)]
pub(super) struct CreditRows {
    orders: Orders,
    cards: CardAdvices,
    changes: PinChanges,
}

impl CreditRows {
    pub(super) async fn load(tx: &mut Tx, steps: &[Step], named: &Named) -> Result<Self, StoreError> {
        let deposits = named.deposits.iter().map(|id| LegId::from_uuid(id.uuid()));
        let legs: BTreeSet<LegId> = named.legs.iter().copied().chain(deposits).collect();
        let (mut changes, mut cards, mut told) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Credit(CreditStep::IntendPin(intent, _)) => {
                    changes.insert(ChangeId::from_uuid(intent.sent.change_id));
                    cards.insert(intent.sent.card_id);
                }
                Step::Credit(CreditStep::SettlePin(change_id, ..)) => {
                    changes.insert(*change_id);
                }
                Step::Credit(CreditStep::Retell(StuckKey::Card(card_id), _)) => told.extend([*card_id]),
                step => told.extend(changed_cards(step)),
            }
        }
        let orders = Orders::load(tx, &legs).await?;
        // Changes of cards and PINs are seldom, and their tables are not asked about in vain.
        let told = if told.is_empty() { CardAdvices::default() } else { CardAdvices::load(tx, &told).await? };
        let changes =
            if changes.is_empty() { PinChanges::default() } else { PinChanges::load(tx, &changes, &cards).await? };
        Ok(Self { orders, cards: told, changes })
    }

    pub(super) async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.orders.save(tx).await?;
        self.cards.save(tx).await?;
        self.changes.save(tx).await
    }

    /// What a bank cannot do where another system keeps the credit accounts: close their days, and take in money of which that
    /// system has no message.
    pub(super) fn refusal(&self, step: &Step, books: &Books) -> Option<Outcome> {
        let reason = Reason::NatureUnsupported;
        match step {
            Step::CloseDays(..) => Some(Outcome::Closed(Err(reason))),
            Step::Deposit(order, _) => {
                let account = books.account(order.account_id)?;
                let is_of_nobody = account.kind == AccountKind::CustomerCredit && account.card.is_none();
                is_of_nobody.then_some(Outcome::Account(Err(reason)))
            }
            _ => None,
        }
    }

    /// Queues what the credit system has to be told of a step that was decided.
    pub(super) fn advise(&mut self, step: &Step, books: &Books, now: Timestamp) {
        // Of a card only where it stands counts: a change that was refused has left it there.
        for card in changed_cards(step).filter_map(|id| books.card(id)).filter(|card| card.sides.credit().is_some()) {
            let successor = card.replaced_by.and_then(|id| books.card(id));
            self.cards.tell(card, successor, now);
        }
        let leg = |id: &LegId| books.leg(*id).filter(|leg| leg.changed_at == now).and_then(|leg| advice(books, leg));
        let advices: Vec<Advice> = match step {
            Step::Post(legs) => legs.iter().filter_map(leg).collect(),
            Step::Void(order) => leg(&order.leg_id).into_iter().collect(),
            Step::Complete(order) => leg(&order.leg_id).into_iter().collect(),
            // A refund may come before the post of its charge, which it posts too.
            Step::Refund(order) => [order.give_back.original_leg_id, order.leg_id].iter().filter_map(leg).collect(),
            Step::Deposit(order, _) => {
                let account = books.account(order.account_id);
                let card = account.filter(|account| account.kind == AccountKind::CustomerCredit).and_then(|it| it.card);
                let is_stored = books.deposit(order.id).is_some_and(|stored| stored == order);
                let leg_id = LegId::from_uuid(order.id.uuid());
                let repaid = |card_id| Advice::Repayment { leg_id, card_id, amount: order.amount };
                card.filter(|_| is_stored).map(repaid).into_iter().collect()
            }
            _ => Vec::new(),
        };
        for advice in advices {
            if let Err(reason) = self.orders.queue(&advice, now) {
                tracing::error!(?advice, ?reason, "the credit system cannot be told of a step");
                metrics::counter!("bankhub_credit_contradictions_total").increment(1);
            }
        }
    }

    pub(super) fn decide(
        &mut self,
        books: &mut Books,
        files: &mut CardFiles,
        step: &CreditStep,
        now: Timestamp,
        log: &mut Vec<Entry>,
    ) -> Outcome {
        match step {
            CreditStep::HoldAlone(order) => Outcome::Alone(hold_alone(books, order, now, log)),
            CreditStep::Ask(order, left, trace) => Outcome::Asked(self.ask(books, order, (*left, *trace), now, log)),
            CreditStep::Settle(leg_id, answer) => Outcome::Leg(self.settle(books, *leg_id, answer, now, log)),
            CreditStep::IntendPin(intent, by) => Outcome::Pin(self.intend_pin((books, files), intent, by, now, log)),
            CreditStep::SettlePin(change_id, card_id, refusal) => {
                Outcome::Pin(self.settle_pin(books, files, (*change_id, *card_id, *refusal), now, log))
            }
            CreditStep::Retell(key, by) => Outcome::Retold(self.retell(*key, by, now, log)),
        }
    }

    /// The leg, and what is to be asked for by whoever has asked first.
    fn ask(
        &mut self,
        books: &mut Books,
        order: &HoldOrder,
        (left, trace): (CreditLeft, Trace),
        now: Timestamp,
        log: &mut Vec<Entry>,
    ) -> Result<(Leg, Option<CreditHold>), Reason> {
        let leg_id = order.leg_id;
        if books.leg(leg_id).is_none() && self.orders.get(leg_id, Kind::Hold).is_some() {
            return Err(Reason::LegIdTaken);
        }
        let is_known = books.leg(leg_id).is_some();
        let leg = leg_step(books, rules::ask(books, order, left, now), log)?;
        let (Some(Party::Card(card_id)), Some(whole)) = (leg.party(), leg.amount()) else { return Ok((leg, None)) };
        if is_known || leg.state != LegState::Asking {
            return Ok((leg, None));
        }
        let amount = Money::new(whole.currency, leg.credit_minor());
        let hold = CreditHold { leg_id, card_id, amount, is_cash: leg.is_cash_advance() };
        self.orders.ask(&hold, trace, now)?;
        Ok((leg, Some(hold)))
    }

    fn settle(
        &mut self,
        books: &mut Books,
        leg_id: LegId,
        answer: &HoldAnswer,
        now: Timestamp,
        log: &mut Vec<Entry>,
    ) -> Result<Leg, Reason> {
        let said = match self.orders.settle(leg_id, answer, now)? {
            State::Approved => Ok(()),
            State::Refused(reason) => Err(reason),
            _ => Err(Reason::BankAway),
        };
        leg_step(books, rules::settle(books, leg_id, said, now), log)
    }

    /// Notes that the credit system is to be asked for a new PIN. A wrong PIN before it is counted once; the same change again is
    /// the change as it stands, or the same refusal.
    fn intend_pin(
        &mut self,
        (books, files): (&mut Books, &mut CardFiles),
        intent: &PinIntent,
        by: &Principal,
        now: Timestamp,
        log: &mut Vec<Entry>,
    ) -> Result<(Card, PinState), Reason> {
        let PinIntent { sent, current, new } = intent;
        let (card_id, change_id) = (sent.card_id, ChangeId::from_uuid(sent.change_id));
        let before = files.answers.recall(sent)?.transpose()?;
        let is_new = before.is_none() && self.changes.get(change_id).is_none();
        if is_new {
            let decided = rules::change_pin(books, card_id, *current)?;
            if let Err(reason) = decided.answer {
                let card = decided.change.cards.first().or_else(|| books.card(card_id)).ok_or(Reason::Fault)?;
                log.push(entry("card.pin_refused", card, &format!(" refusal={}", reason.code()), by));
                files.answers.remember(*sent, Some(reason));
                books.apply(decided.change);
                return Err(reason);
            }
        }
        let state = self.changes.intend(change_id, card_id, new.clone(), now)?;
        let card = books.card(card_id).cloned().ok_or(Reason::CardUnknown)?;
        if is_new {
            log.push(entry("card.pin_asked", &card, &format!(" change={change_id}"), by));
            files.answers.remember(*sent, None);
        }
        Ok((card, state))
    }

    /// Ends a change. What both sides have agreed on holds whatever has become of the card since.
    fn settle_pin(
        &mut self,
        books: &mut Books,
        files: &mut CardFiles,
        (change_id, card_id, refusal): (ChangeId, CardId, Option<Reason>),
        now: Timestamp,
        log: &mut Vec<Entry>,
    ) -> Result<(Card, PinState), Reason> {
        let card = books.card(card_id).cloned().ok_or(Reason::CardUnknown)?;
        let stored = self.changes.get(change_id).filter(|change| change.card_id == card_id);
        let before = stored.ok_or(Reason::FieldUnknown)?.state;
        if before != PinState::Asking {
            return Ok((card, before));
        }
        let (kind, state, why) = match refusal {
            None => ("card.pin_set", PinState::Done, String::new()),
            Some(reason) => ("card.pin_refused", PinState::Refused(reason), format!(" refusal={}", reason.code())),
        };
        if let Some(value) = self.changes.settle(change_id, refusal, now) {
            if let Ok(decided) = rules::change_pin(books, card_id, None) {
                books.apply(decided.change);
            }
            let version = files.pins.get(&card_id).map_or(0, |pin| pin.version);
            files.new_pins.retain(|pin| pin.card_id != card_id);
            files.new_pins.push(PinRow { card_id, version, change_id: change_id.uuid(), value });
        }
        let card = books.card(card_id).cloned().ok_or(Reason::CardUnknown)?;
        let content = format!("card={} change={change_id}{why}", card.masked);
        log.push(Entry { kind, subject: card_id.uuid(), content });
        Ok((card, state))
    }
}

impl CreditRows {
    fn retell(
        &mut self,
        key: StuckKey,
        by: &Principal,
        now: Timestamp,
        log: &mut Vec<Entry>,
    ) -> Result<Retold, Reason> {
        let (retold, kind, subject) = match key {
            StuckKey::Leg(key) => (self.orders.retell(key, now)?, key.kind.as_str(), key.leg_id.uuid()),
            StuckKey::Card(card_id) => (self.cards.retell(card_id, now)?, "card", card_id.uuid()),
        };
        if let Some(refusal) = retold.refusal {
            let content = signed(&format!("kind={kind} refusal={}", refusal.code()), by);
            log.push(Entry { kind: "advice.retold", subject, content });
        }
        Ok(retold)
    }
}

fn hold_alone(
    books: &mut Books,
    order: &HoldOrder,
    now: Timestamp,
    log: &mut Vec<Entry>,
) -> Result<Option<Leg>, Reason> {
    let decided = rules::hold_without_asking(books, order, now)?;
    decided.map(|decided| leg_step(books, Ok(decided), log)).transpose()
}

/// The cards that a step may change, the one that is replaced first.
fn changed_cards(step: &Step) -> impl Iterator<Item = CardId> {
    let orders = if let Step::FollowHolders(orders) = step { orders.as_slice() } else { &[] };
    let ordered = orders.iter().filter_map(|order| match order.instrument {
        Instrument::Card(id) => Some(id),
        Instrument::Account(_) => None,
    });
    let (first, second) = match step {
        Step::Change(id, ..) => (Some(*id), None),
        Step::Issue(order, _) => (order.replaces, Some(order.card.id)),
        _ => (None, None),
    };
    first.into_iter().chain(second).chain(ordered)
}

/// What the credit system is told of a leg as it stands.
fn advice(books: &Books, leg: &Leg) -> Option<Advice> {
    let (leg_id, amount) = (leg.id, Money::new(leg.amount()?.currency, leg.credit_minor()));
    match (&leg.order, leg.state) {
        (LegOrder::Charge(_), LegState::Posted) => Some(Advice::Post { leg_id, amount }),
        (LegOrder::Charge(_), LegState::Voided) => Some(Advice::Void { leg_id }),
        (LegOrder::Receipt(receipt), LegState::Posted) if amount.minor > 0 => match receipt.payee {
            Party::Card(card_id) => Some(Advice::Repayment { leg_id, card_id, amount }),
            Party::Account(_) | Party::UnknownCard => None,
        },
        (LegOrder::GiveBack(back), LegState::Posted) if amount.minor > 0 => {
            let original_leg_id = back.original_leg_id;
            match books.leg(original_leg_id)?.order {
                LegOrder::Charge(_) => Some(Advice::Refund { leg_id, original_leg_id, amount }),
                LegOrder::Receipt(_) => Some(Advice::Reversal { leg_id, original_leg_id, amount }),
                LegOrder::GiveBack(_) | LegOrder::Unseen => None,
            }
        }
        _ => None,
    }
}
