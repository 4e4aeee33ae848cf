//! The durable step of bills: what a bank reports, taken in by sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::bill::stands_in_total;
use domain::credit_history::{Standing, Taken as Verdict, take};
use domain::feed::{Event, News};
use domain::payment::Instrument;
use domain::{BankId, BillId, PersonId, Reason, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;

use super::Taken;
use super::intake::{Intake, Sent};
use super::sql::{self, BillKey, Known, KnownBills};
use crate::feed::{Feed, Feeds};
use crate::records::holder::Holders;
use crate::reminders;
use crate::zone::day_of;

/// What came of the bills of a call.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) taken: Taken,
    events: Vec<Arc<Event>>,
}

/// The step's surroundings.
#[derive(Debug)]
pub(super) struct BillSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) zone: TimeZone,
}

impl StepSet for BillSteps {
    const NAME: &'static str = "bills-writer";

    type Step = Intake;
    type Outcome = Outcome;

    // Rows are locked in the order of bills, reminders, feeds, here and wherever else two of them are.
    async fn run(&self, tx: &mut Tx, steps: &[Intake]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let mut books = Books::load(tx, steps, self.today(tx.now())?).await?;
        let taken: Vec<(Taken, Vec<(PersonId, News)>)> = steps.iter().map(|intake| books.take_in(intake)).collect();
        self.chain.append(tx, std::mem::take(&mut books.log)).await?;
        reminders::look_again(tx, &books.changed).await?;
        let told: BTreeSet<PersonId> = taken.iter().flat_map(|(_, news)| news).map(|(person, _)| *person).collect();
        let mut feeds = Feeds::load(tx, told).await?;
        let now = tx.now();
        let mut tell = |(person, news)| feeds.tell_news(person, news, now);
        let outcomes: Vec<Outcome> = taken
            .into_iter()
            .map(|(taken, news)| Outcome { taken, events: news.into_iter().filter_map(&mut tell).collect() })
            .collect();
        let events: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.events).cloned().collect();
        self.feed.hand_on(tx, &events).await?;
        let (relations, marks) = (books.relations(), books.mark_totals());
        sql::put(tx, books.known).await?;
        sql::mark(tx, marks).await?;
        for ((account_id, bank_id), ended_on) in relations {
            sql::end_relation(tx, account_id, &bank_id, ended_on).await?;
        }
        feeds.write(tx).await?;
        fault::point("B1.before");
        Ok(outcomes)
    }

    fn committed(&self, _: &[Intake], outcomes: &[Outcome]) {
        self.chain.confirm();
        if !outcomes.is_empty() {
            fault::point("B1.after");
        }
        for outcome in outcomes {
            self.feed.publish(&outcome.events);
        }
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn recovered(&self) {
        self.feed.wake_all();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

impl BillSteps {
    fn today(&self, now: Timestamp) -> Result<Date, StoreError> {
        day_of(now, &self.zone).map_err(|reason| StoreError::Refused(reason.code().to_owned()))
    }
}

/// The rows that a set names, and what is to be written.
#[derive(Debug)]
struct Books {
    today: Date,
    known: KnownBills,
    holders: Holders,
    /// Whose bills stand differently now.
    changed: BTreeSet<PersonId>,
    log: Vec<Entry>,
}

impl Books {
    async fn load(tx: &mut Tx, steps: &[Intake], today: Date) -> Result<Self, StoreError> {
        let sent = || steps.iter().flat_map(|intake| &intake.bills).filter_map(|sent| sent.as_ref().ok());
        let known = sql::load_known(tx, sent().map(|it| it.bill.account.account_id).collect()).await?;
        let accounts = sent().map(|it| Instrument::Account(it.bill.account.account_id));
        let cards = sent().filter_map(|it| it.card_id).map(Instrument::Card);
        let holders = Holders::load(tx, accounts.chain(cards).collect()).await?;
        Ok(Self { today, known, holders, changed: BTreeSet::new(), log: Vec::new() })
    }

    fn take_in(&mut self, intake: &Intake) -> (Taken, Vec<(PersonId, News)>) {
        let mut news = Vec::new();
        let mut take = |sent: &Result<Box<Sent>, Reason>| {
            let taken = sent.as_ref().map_err(|reason| *reason).and_then(|sent| self.take(sent, &mut news));
            if let Err(reason) = taken {
                self.refuse(intake, sent.as_deref().ok(), reason);
            }
            taken
        };
        let taken = intake.bills.iter().map(&mut take).collect();
        (taken, news)
    }

    fn refuse(&mut self, intake: &Intake, sent: Option<&Sent>, reason: Reason) {
        let bank_id = &intake.bank_id;
        tracing::warn!(%bank_id, reason = reason.code(), "a bank's bill is refused");
        metrics::counter!("bankhub_bills_refused_total").increment(1);
        let subject = sent.map_or(Uuid::nil(), |sent| sent.bill.account.account_id.uuid());
        let closed_on = sent.map_or_else(|| "-".to_owned(), |sent| sent.bill.closed_on.to_string());
        let content = format!("bank={bank_id} closed_on={closed_on} refusal={}", reason.code());
        self.log.push(Entry { kind: "bill.refused", subject, content });
    }

    fn take(&mut self, sent: &Sent, news: &mut Vec<(PersonId, News)>) -> Result<(), Reason> {
        let key = sql::key_of(&sent.key());
        let known = self.known.get(&key);
        // It stays with the person for whom it was first taken in.
        let person_id = match known {
            Some(known) => known.entry.person_id,
            None => match self.holder(sent)? {
                Some(person_id) => person_id,
                None => return Ok(()),
            },
        };
        let entry = match take(known.map(|known| &known.entry), sent.entry(person_id))? {
            Verdict::Store(entry) => entry,
            // The credit history sees a part of the bill only.
            Verdict::Already if known.is_some_and(|known| known.fingerprint == sent.fingerprint) => return Ok(()),
            Verdict::Already => return Err(Reason::HistoryVersionTaken),
        };
        let (bill_id, version) = known.map_or((sent.bill_id, 0), |known| (known.bill_id, known.version));
        let told = tell(known, sent, bill_id, self.today);
        news.extend(told.map(|news| (person_id, news)));
        let content = format!(
            "bank={} account={} currency={} closed_on={} version={} standing={}",
            sent.bill.account.bank_id,
            sent.bill.account.account_id,
            sent.bill.currency,
            sent.bill.closed_on,
            sent.version,
            sent.standing
        );
        self.log.push(Entry { kind: "bill.reported", subject: bill_id.uuid(), content });
        self.changed.insert(person_id);
        let (fingerprint, relation_ended_on) = (sent.fingerprint, sent.relation_ended_on);
        let (in_total, sent) = (known.is_some_and(|known| known.in_total), Some(Box::new(sent.clone())));
        self.known.insert(key, Known { entry, bill_id, fingerprint, version, relation_ended_on, in_total, sent });
        Ok(())
    }

    /// Accounts of which the bills do not all say what the last one does of their relation, each with what that is.
    fn relations(&self) -> BTreeMap<(Uuid, BankId), Option<Date>> {
        let mut accounts: BTreeMap<(Uuid, BankId), Vec<&Known>> = BTreeMap::new();
        for ((account_id, bank_id, ..), known) in &self.known {
            accounts.entry((*account_id, bank_id.clone())).or_default().push(known);
        }
        let ended = |(account, bills): (_, Vec<&Known>)| {
            let last = bills.iter().max_by_key(|known| known.entry.key.closed_on)?;
            let ended_on = last.relation_ended_on;
            let is_news = bills.iter().any(|known| known.relation_ended_on != ended_on);
            is_news.then_some((account, ended_on))
        };
        accounts.into_iter().filter_map(ended).collect()
    }

    /// Marks what stands in the total now, and gives the marks of bills of which nothing else is written.
    fn mark_totals(&mut self) -> Vec<(BillKey, bool)> {
        let mut newest = BTreeMap::new();
        for ((account_id, bank_id, currency, closed_on), known) in &self.known {
            // By key, so that the last one is the newest.
            newest.insert((*account_id, bank_id.clone(), *currency, known.entry.person_id), *closed_on);
        }
        let mut marks = Vec::new();
        for (key, known) in &mut self.known {
            let (account_id, bank_id, currency, closed_on) = key;
            let of_account = (*account_id, bank_id.clone(), *currency, known.entry.person_id);
            let newest = newest.get(&of_account).copied().unwrap_or(*closed_on);
            let in_total = stands_in_total(*closed_on, newest, known.entry.standing);
            if known.in_total != in_total && known.sent.is_none() {
                marks.push((key.clone(), in_total));
            }
            known.in_total = in_total;
        }
        marks
    }

    /// By the account or else by the card over it; nobody's who is known here.
    fn holder(&self, sent: &Sent) -> Result<Option<PersonId>, Reason> {
        let account = &sent.bill.account;
        if let Some(person_id) = self.holders.of(&account.bank_id, Instrument::Account(account.account_id))? {
            return Ok(Some(person_id));
        }
        sent.card_id.map_or(Ok(None), |card| self.holders.of(&account.bank_id, Instrument::Card(card)))
    }
}

/// What the person hears: of a bill when it comes, unless it is long over, and of one that is in arrears when it falls into them.
fn tell(known: Option<&Known>, sent: &Sent, bill_id: BillId, today: Date) -> Option<News> {
    let in_arrears = |standing: &Standing| matches!(standing, Standing::Arrears { .. });
    let was_in_arrears = known.is_some_and(|known| in_arrears(&known.entry.standing));
    if in_arrears(&sent.standing) {
        return (!was_in_arrears).then(|| sent.bill.news_of_arrears(bill_id));
    }
    let matters = sent.bill.left_minor() > 0 || sent.bill.due_on >= today;
    (known.is_none() && matters).then(|| sent.bill.news_of_close(bill_id))
}
