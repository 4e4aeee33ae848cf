//! The durable steps of lines to card networks: what is asked stands in the database before the network hears of it, and what it has
//! answered before anybody goes by it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::network::{Asked, Balance, Said, Standing};
use domain::{BankId, LegId, Money, PaymentId, Reason, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::keystore::{KeyName, KeyStore, SharedKeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Issuers;
use super::link::Link;
use super::message::{Answer, Draft};
use super::set::Set;
use super::sql::{self, NewCard, Order};
use super::totals::sql::load_due;
use super::totals::{DayCount, DayTotals, Key};
use crate::network::sql::{Compared, load_days, put_day, put_settlement, today};

/// Orders, or totals of days, that are told in one step.
pub(super) const MOST_DUE: i64 = 64;
/// After so long what is told by itself is told again.
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// Which leg of which payment it is, and over which line.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) link: String,
    pub(super) bank: BankId,
    pub(super) leg: LegId,
    pub(super) payment: PaymentId,
}

#[derive(Debug)]
pub(super) enum Step {
    /// A leg is to begin.
    First {
        named: Named,
        draft: Box<Draft>,
    },
    /// A leg is to be as if it had not been.
    Void(Named),
    /// Of what a leg has reserved so much is taken.
    Complete {
        named: Named,
        amount: Money,
    },
    /// So much of what was taken by another leg goes back.
    GiveBack {
        named: Named,
        original: LegId,
        amount: Money,
    },
    /// Which of these legs have been taken from their cards.
    Taken(Vec<LegId>),
    /// The network has answered.
    Answered {
        leg: LegId,
        asked: Asked,
        /// Of money that goes back: the leg that took it.
        original: Option<LegId>,
        said: Said,
        approval_code: Option<String>,
    },
    /// The network has approved what nobody waits for.
    Late {
        link: String,
        stan: i64,
        sent_at: Timestamp,
        answer: Box<Answer>,
    },
    /// What is to be told again by itself.
    Due,
    CutOver {
        link: String,
        day: u16,
    },
    Card(Box<NewCard>),
    /// Which day it is on a line; the totals of these days, which were found unbegun, are begun where they have ended.
    BeginTotals {
        link: String,
        unbegun: Vec<Key>,
    },
    /// What is to be told of days that have ended, and what was counted of them.
    DueTotals(Vec<DayCount>),
    /// The network has answered the totals of a day.
    TotalsAnswered {
        key: Key,
        balance: Balance,
        theirs: String,
    },
    /// The network has had its own totals compared.
    Compare(Box<Compared>),
}

/// What became of a step.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The order goes out, or goes out again.
    Send {
        order: Box<Order>,
        is_repeat: bool,
    },
    Stands(Standing),
    /// The leg is void whatever comes.
    Void,
    /// Nothing can be asked: there is no such leg, or the dialect has no message for it.
    Impossible(Reason),
    /// These are to be told.
    Due(Vec<Order>),
    Taken(Vec<LegId>),
    /// From this day to that one.
    Day(Date, Date),
    Card(Result<String, Reason>),
    /// These are to be told, and whether again.
    Totals(Vec<(DayTotals, bool)>),
    Balance(Balance),
    Done,
}

#[derive(Debug)]
pub(super) struct IssuerSteps {
    pub(super) owner: Arc<Owner>,
    pub(super) chain: HeldChain,
    pub(super) zone: TimeZone,
    pub(super) keys: SharedKeyStore,
    pub(super) links: BTreeMap<String, Arc<Link>>,
}

impl Step {
    fn legs(&self) -> Vec<LegId> {
        match self {
            Self::First { named, .. } | Self::Void(named) | Self::Complete { named, .. } => vec![named.leg],
            Self::GiveBack { named, original, .. } => vec![named.leg, *original],
            Self::Answered { leg, original, .. } => original.iter().chain([leg]).copied().collect(),
            Self::Taken(legs) => legs.clone(),
            Self::Late { .. } | Self::Due | Self::CutOver { .. } | Self::Card(_) => Vec::new(),
            Self::BeginTotals { .. } | Self::DueTotals(_) | Self::TotalsAnswered { .. } | Self::Compare(_) => {
                Vec::new()
            }
        }
    }

    fn link(&self) -> Option<&String> {
        match self {
            Self::First { named, .. }
            | Self::Void(named)
            | Self::Complete { named, .. }
            | Self::GiveBack { named, .. } => Some(&named.link),
            Self::Late { link, .. } | Self::CutOver { link, .. } | Self::BeginTotals { link, .. } => Some(link),
            Self::Answered { .. } | Self::Taken(_) | Self::Due | Self::Card(_) => None,
            Self::DueTotals(_) | Self::TotalsAnswered { .. } | Self::Compare(_) => None,
        }
    }
}

/// What binds a kept message to its row.
pub(super) fn bound(leg: LegId, asked: Asked) -> Vec<u8> {
    [leg.uuid().as_bytes(), asked.as_str().as_bytes()].concat()
}

pub(super) const fn entry(kind: &'static str, subject: Uuid, content: String) -> Entry {
    Entry { kind, subject, content }
}

impl IssuerSteps {
    /// The message of an order as it was kept.
    pub(super) fn open(&self, order: &Order) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let opened = self.keys.open(KeyName::SealedPayload, &bound(order.leg, order.asked), &order.sealed);
        let opened = opened
            .map_err(|error| StoreError::Refused(format!("a message to a card network does not open: {error}")))?;
        Ok(Zeroizing::new(opened))
    }
}

impl IssuerSteps {
    async fn load<'s>(&'s self, tx: &mut Tx, steps: &[Step]) -> Result<(Set<'s>, Vec<LegId>), StoreError> {
        let mut links: Vec<String> = steps.iter().filter_map(Step::link).cloned().collect();
        let mut legs: Vec<LegId> = steps.iter().flat_map(Step::legs).collect();
        let (mut due, mut totals) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::DueTotals(_) if totals.is_empty() => totals = load_due(tx, MOST_DUE).await?,
                Step::Late { link, stan, sent_at, .. } => {
                    legs.extend(sql::load_traced(tx, link, (*stan, *sent_at)).await?);
                }
                Step::Due => due = sql::load_due(tx, MOST_DUE).await?,
                _ => {}
            }
        }
        legs.extend(&due);
        links.extend(totals.iter().map(|row| row.key.link.clone()));
        let set = Set {
            steps: self,
            now: tx.now(),
            today: today(tx.now(), &self.zone)?,
            days: load_days(tx, links.clone()).await?,
            // First the lines: what another hub does about a leg of the same line is seen, or waits.
            lines: sql::load_lines(tx, links).await?,
            orders: sql::load(tx, legs.iter().map(|leg| leg.uuid()).collect()).await?,
            changed: BTreeMap::new(),
            numbered: BTreeMap::new(),
            totals,
            log: Vec::new(),
        };
        Ok((set, due))
    }

    async fn take(&self, tx: &mut Tx, set: &mut Set<'_>, step: &Step, due: &[LegId]) -> Result<Outcome, StoreError> {
        match step {
            Step::First { named, draft } => set.first(named, draft),
            Step::Void(named) => set.void(named),
            Step::Complete { named, amount } => set.complete(named, *amount),
            Step::GiveBack { named, original, amount } => set.give_back(named, *original, *amount),
            Step::Answered { leg, asked, said, approval_code, .. } => {
                Ok(set.answered((*leg, *asked), *said, approval_code.as_ref()))
            }
            Step::Taken(legs) => {
                let is_done = |leg: &LegId, asked| set.standing(*leg, asked) == Some(Standing::Done);
                let taken = |leg: &&LegId| is_done(leg, Asked::Charge) || is_done(leg, Asked::Completion);
                Ok(Outcome::Taken(legs.iter().filter(taken).copied().collect()))
            }
            Step::Late { link, stan, sent_at, answer } => set.late(link, (*stan, *sent_at), answer),
            Step::Due => {
                let again = set.now.plus(TELL_AGAIN);
                let found: Vec<Order> = set
                    .orders
                    .values()
                    .filter(|order| due.contains(&order.leg) && order.due_at.is_some_and(|at| at <= set.now))
                    .cloned()
                    .collect();
                let put = |order: Order| set.put(Order { due_at: Some(again), ..order });
                Ok(Outcome::Due(found.into_iter().map(put).collect()))
            }
            Step::CutOver { link, day } => {
                let outcome = set.cut_over(link, *day);
                if let (Outcome::Day(before, next), Some(day)) = (&outcome, set.days.get(link))
                    && before < next
                {
                    put_day(tx, link, *day).await?;
                }
                Ok(outcome)
            }
            Step::Card(card) => register(tx, &*self.keys, card, &mut set.log).await.map(Outcome::Card),
            Step::BeginTotals { link, unbegun } => set.begin_totals(tx, link, unbegun).await,
            Step::DueTotals(counted) => set.due_totals(tx, counted).await,
            Step::TotalsAnswered { key, balance, theirs } => set.totals_answered(tx, (key, *balance, theirs)).await,
            Step::Compare(compared) => {
                put_settlement(tx, compared).await?;
                Ok(Outcome::Done)
            }
        }
    }
}

/// Whether totals of a day are told for the first time by it.
fn begins_totals(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Totals(told) if told.iter().any(|(_, is_repeat)| !is_repeat))
}

/// Keeps a card, once; gives how it is shown.
async fn register(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    new: &NewCard,
    log: &mut Vec<Entry>,
) -> Result<Result<String, Reason>, StoreError> {
    let new = Issuers::pinned(tx, keys, new).await?;
    let card = &new.row;
    match sql::load_cards(tx, &new).await? {
        [None, None] => {}
        [Some(by_id), Some(by_number)] => {
            let same = by_id.card == by_number.card && by_id.bank == card.bank;
            return Ok(if same { Ok(card.masked.clone()) } else { Err(Reason::CardTaken) });
        }
        _ => return Ok(Err(Reason::CardTaken)),
    }
    sql::insert_card(tx, &new).await?;
    let content = format!("bank={} card={}", card.bank, card.masked);
    log.push(entry("NETWORK_CARD_REGISTERED", card.card.uuid(), content));
    Ok(Ok(card.masked.clone()))
}

impl StepSet for IssuerSteps {
    const NAME: &'static str = "issuer-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let (mut set, due) = self.load(tx, steps).await?;
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            outcomes.push(self.take(tx, &mut set, step, &due).await?);
        }
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Send { is_repeat: false, .. })) {
            fault::point("issuer.order.before");
        }
        if outcomes.iter().any(begins_totals) {
            fault::point("issuer.totals.before");
        }
        let changed: Vec<Order> = set.changed.keys().filter_map(|key| set.orders.get(key).cloned()).collect();
        sql::put(tx, &changed).await?;
        let next = |(link, next): (&String, &i64)| {
            let version = set.lines.get(link).map_or(1, |(version, _)| version + 1);
            (link.clone(), (version, *next))
        };
        sql::put_lines(tx, &set.numbered.iter().map(next).collect()).await?;
        if !set.log.is_empty() {
            self.chain.append(tx, set.log).await?;
        }
        Ok(outcomes)
    }

    fn committed(&self, _: &[Step], outcomes: &[Outcome]) {
        self.chain.confirm();
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Send { is_repeat: false, .. })) {
            fault::point("issuer.order.after");
        }
        if outcomes.iter().any(begins_totals) {
            fault::point("issuer.totals.after");
        }
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}
