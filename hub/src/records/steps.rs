//! The durable step of the record: what a bank reports, taken in by sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::feed::{Event, EventKind};
use domain::record::{Admission, Report, Standing, Taken, Told};
use domain::{BankId, PaymentId, PersonId, Reason, Timestamp};
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;

use super::holder::Holders;
use super::intake::{Intake, Sent};
use super::sql::{self, BankCursor, RecordRow, Refused};
use crate::feed::{Feed, Feeds};
use crate::offers;

/// How far a bank's reports are taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenIn {
    pub through_sequence: i64,
    /// Those of the call that were passed over because they cannot be taken in.
    pub refused: Vec<(i64, Reason)>,
}

/// What came of a bank's reports.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) taken_in: Result<TakenIn, Reason>,
    events: Vec<Arc<Event>>,
}

/// The step's surroundings.
#[derive(Debug)]
pub(super) struct RecordSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
}

impl StepSet for RecordSteps {
    const NAME: &'static str = "records-writer";

    type Step = Intake;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Intake]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let mut books = Books::load(tx, steps).await?;
        // Of calls of one bank that were under way at once, any may have come first; what was bought first is told first.
        let mut in_order: Vec<(usize, &Intake)> = steps.iter().enumerate().collect();
        in_order.sort_by_key(|(_, intake)| intake.place());
        let mut outcomes = BTreeMap::new();
        for (asked, intake) in in_order {
            let known = books.refused_before(tx, intake).await?;
            outcomes.insert(asked, books.take_in(intake, known, tx.now()));
        }
        let outcomes: Vec<Outcome> = outcomes.into_values().collect();
        self.chain.append(tx, std::mem::take(&mut books.log)).await?;
        let told: Vec<Arc<Event>> = outcomes.iter().flat_map(|it| &it.events).cloned().collect();
        self.feed.hand_on(tx, &told).await?;
        offers::note(tx, &told, |person_id| books.feeds.gets_offers(person_id)).await?;
        books.write(tx).await?;
        fault::point("R1.before");
        Ok(outcomes)
    }

    fn committed(&self, _: &[Intake], outcomes: &[Outcome]) {
        self.chain.confirm();
        if !outcomes.is_empty() {
            fault::point("R1.after");
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

/// The rows that a set of reports names, and what is to be written.
#[derive(Debug, Default)]
struct Books {
    cursors: BTreeMap<BankId, BankCursor>,
    holders: Holders,
    records: BTreeMap<(PaymentId, BankId), RecordRow>,
    feeds: Feeds,
    refused: Vec<Refused>,
    log: Vec<Entry>,
}

impl Books {
    /// One query for each table. Rows are locked in this order here and at every other replica.
    async fn load(tx: &mut Tx, steps: &[Intake]) -> Result<Self, StoreError> {
        let banks: BTreeSet<&BankId> = steps.iter().map(|intake| &intake.bank_id).collect();
        let cursors = sql::load_cursors(tx, banks).await?;
        let reports = || steps.iter().flat_map(|intake| &intake.reports).filter_map(|sent| sent.report.as_ref().ok());
        let holders = Holders::load(tx, reports().map(|report| report.instrument).collect()).await?;
        let records = sql::load_records(tx, reports().map(|report| report.purchase_id).collect()).await?;
        let persons: BTreeSet<PersonId> =
            holders.persons().chain(records.values().map(|record| record.person_id)).collect();
        let feeds = Feeds::load(tx, persons).await?;
        Ok(Self { cursors, holders, records, feeds, ..Self::default() })
    }

    /// What was said of reports of this call that were refused before: the same call again gets the same answer.
    async fn refused_before(&self, tx: &mut Tx, intake: &Intake) -> Result<Vec<(i64, Reason)>, StoreError> {
        let through = self.cursors.get(&intake.bank_id).map_or(0, |cursor| cursor.value.through_sequence);
        match intake.reports.first() {
            Some(first) if first.sequence <= through => {
                let last = first.sequence.saturating_add(intake.reports.len() as i64 - 1).min(through);
                sql::read_refused(tx, &intake.bank_id, first.sequence, last).await
            }
            _ => Ok(Vec::new()),
        }
    }

    fn take_in(&mut self, intake: &Intake, mut refused: Vec<(i64, Reason)>, now: Timestamp) -> Outcome {
        let mut events = Vec::new();
        let mut cursor = self.cursors.get(&intake.bank_id).cloned().unwrap_or_default();
        for sent in &intake.reports {
            match cursor.value.admit(sent.sequence, &sent.fingerprint) {
                Ok(Admission::Repeat) => continue,
                Ok(Admission::Gap) => break,
                Ok(Admission::Next) => {}
                Err(reason) => return Outcome { taken_in: Err(reason), events },
            }
            cursor.value.through_sequence = sent.sequence;
            cursor.value.last_fingerprint = sent.fingerprint;
            cursor.changed = true;
            if let Err(reason) = self.take(intake, sent, now, &mut events) {
                refused.push((sent.sequence, reason));
                self.refuse(&intake.bank_id, sent, reason);
            }
        }
        let through_sequence = cursor.value.through_sequence;
        self.cursors.insert(intake.bank_id.clone(), cursor);
        Outcome { taken_in: Ok(TakenIn { through_sequence, refused }), events }
    }

    fn refuse(&mut self, bank_id: &BankId, sent: &Sent, reason: Reason) {
        tracing::warn!(%bank_id, sequence = sent.sequence, reason = reason.code(), "a bank's report is refused");
        metrics::counter!("bankhub_reports_refused_total").increment(1);
        let content = format!("bank={bank_id} report={} refusal={}", sent.sequence, reason.code());
        let subject = sent.purchase_id.map_or(Uuid::nil(), PaymentId::uuid);
        self.log.push(Entry { kind: "report.refused", subject, content });
        self.refused.push(Refused {
            bank_id: bank_id.clone(),
            sequence: sent.sequence,
            purchase_id: sent.purchase_id,
            reason,
        });
    }

    fn take(
        &mut self,
        intake: &Intake,
        sent: &Sent,
        at: Timestamp,
        events: &mut Vec<Arc<Event>>,
    ) -> Result<(), Reason> {
        let report = sent.report.as_ref().map_err(|reason| *reason)?;
        let key = (report.purchase_id, intake.bank_id.clone());
        let known = self.records.get(&key);
        let person_id = match known {
            // A purchase stays with whom it was recorded for, whosever the account is by now.
            Some(record) => Some(record.person_id),
            None => self.holders.of(&report.bank_id, report.instrument)?,
        };
        let taken = Standing::take(known.map(|record| &record.standing), report)?;
        // Of people who are not known here nothing is kept.
        let Some(person_id) = person_id else { return Ok(()) };
        match taken {
            Taken::Nothing => return Ok(()),
            Taken::New => self.record(key, report, (person_id, at), events),
            Taken::Changed(told) => self.change(&key, report, &told, at, events),
        }
        let Report { bank_id, state, amount, version, account_masked: account, .. } = &**report;
        let (state, back) = (state.as_str(), report.given_back_minor);
        let content =
            format!("bank={bank_id} account={account} amount={amount} back={back} state={state} version={version}");
        self.log.push(Entry { kind: "purchase.reported", subject: report.purchase_id.uuid(), content });
        Ok(())
    }

    /// A purchase that was not known: it stands at the end of the person's feed, and is what tells the person of it.
    fn record(
        &mut self,
        key: (PaymentId, BankId),
        report: &Arc<Report>,
        (person_id, at): (PersonId, Timestamp),
        events: &mut Vec<Arc<Event>>,
    ) {
        let Some(sequence) = self.feeds.next(person_id) else { return };
        let record = RecordRow::new(person_id, sequence, report, at);
        let purchase = Arc::new(report.purchase(person_id));
        let kind = EventKind::Charge(purchase);
        events.push(Arc::new(Event { person_id, sequence, occurred_at: report.occurred_at, kind }));
        self.records.insert(key, record);
    }

    fn change(
        &mut self,
        key: &(PaymentId, BankId),
        report: &Arc<Report>,
        told: &[Told],
        at: Timestamp,
        events: &mut Vec<Arc<Event>>,
    ) {
        let Some(record) = self.records.get_mut(key) else { return };
        record.follow(report, at);
        let (person_id, payment_id) = (record.person_id, report.purchase_id);
        for told in told {
            let merchant = report.seller.merchant.clone();
            let (kind, about) = match told {
                Told::Updated { before } => {
                    (EventKind::Update { purchase: Arc::new(report.purchase(person_id)), before: *before }, before)
                }
                Told::Refunded(amount) => {
                    (EventKind::GiveBack { payment_id, amount: *amount, reversal: false, merchant }, amount)
                }
                Told::Reversed(amount) => {
                    (EventKind::GiveBack { payment_id, amount: *amount, reversal: true, merchant }, amount)
                }
            };
            let about = (payment_id, record.sequence, about.minor);
            events.extend(self.feeds.tell_of_record(person_id, kind, at, about));
        }
    }

    /// Writes each table once.
    async fn write(self, tx: &mut Tx) -> Result<(), StoreError> {
        sql::put_cursors(tx, self.cursors).await?;
        sql::put_records(tx, self.records).await?;
        self.feeds.write(tx).await?;
        sql::insert_refused(tx, self.refused).await
    }
}
