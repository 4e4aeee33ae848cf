//! Somebody wants accounts and cards frozen, or set free.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::freeze::{Channel, Freezing};
use domain::payment::FrozenInstrument;
use domain::{OrderId, PersonId, Reason, TransactionPassword};
use server_kit::audit::Entry;
use server_kit::store::StoreError;

use super::sql::{self, Bound, Kept};
use super::steps::{Done, Work};
use super::tell::Telling;
use super::words;
use crate::feed::Feeds;
use crate::safety_code::{self, Claim};
use crate::transaction_password;

/// Whoever takes an order in tells the banks of it; the sweeper does when that has not come to an end by then.
const HEAD_START: Duration = Duration::from_secs(5);

/// What has to be right before anything is done.
#[derive(Debug)]
pub(super) enum Proof {
    /// What whoever took the order in has made sure of already.
    Given,
    Password(TransactionPassword),
    SafetyCode(Claim),
}

/// What somebody wants.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) order_id: OrderId,
    pub(super) person_id: PersonId,
    pub(super) frozen: bool,
    pub(super) channel: Channel,
    /// Empty for everything that the person has bound.
    pub(super) instruments: Vec<FrozenInstrument>,
    pub(super) proof: Proof,
    /// Who sent it and why, for the log.
    pub(super) by: String,
}

impl Order {
    /// What it says, by which the same order again is known.
    fn content(&self) -> String {
        let mut words: Vec<String> = self.instruments.iter().map(FrozenInstrument::words).collect();
        words.sort();
        format!("frozen={} {}", self.frozen, words.join(", "))
    }

    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        // The person's row is locked first and for all that follows, so that orders of one person come one after the other.
        let mut feeds = Feeds::load(work.tx, BTreeSet::from([self.person_id])).await?;
        if let Some(reason) = self.refuses_its_code(work, &mut feeds).await? {
            feeds.write(work.tx).await?;
            work.tx.flush().await?;
            return Ok(Err(reason));
        }
        let now = work.tx.now();
        let all = sql::of_person(work.tx, self.person_id).await?;
        let asked = match self.choose(all) {
            Ok(asked) => asked,
            Err(reason) => return Ok(Err(reason)),
        };
        match sql::find_order(work.tx, self.order_id).await? {
            None => {}
            Some(before) if before == (self.person_id, self.content()) => {
                let telling = Telling::of(self.person_id, asked.iter());
                return Ok(Ok(Done::Ordered(asked, telling)));
            }
            Some(_) => return Ok(Err(Reason::IdTaken)),
        }
        if let Proof::Password(password) = &self.proof {
            if let Err(reason) = self.prove(password, work).await? {
                return Ok(Err(reason));
            }
            // The counters stand in the row of the feed, which was written.
            feeds = Feeds::load(work.tx, BTreeSet::from([self.person_id])).await?;
        }
        let mut changed = Vec::new();
        let mut after = Vec::with_capacity(asked.len());
        for mut bound in asked {
            let freezing = Freezing::order(bound.kept.as_ref().map(|kept| kept.freezing), self.frozen);
            if bound.kept.as_ref().is_none_or(|kept| kept.freezing != freezing) {
                let before = bound.kept.take().unwrap_or_else(|| Kept::new(freezing, self.channel, now));
                bound.kept = Some(Kept { freezing, channel: self.channel, ordered_at: now, tries: 0, ..before });
                changed.push(bound.clone());
            }
            after.push(bound);
        }
        sql::insert_order(work.tx, self.order_id, self.person_id, self.content(), now).await?;
        sql::put(work.tx, self.person_id, &changed, Some(now.plus(HEAD_START))).await?;
        if !changed.is_empty() {
            work.log.extend(changed.iter().map(|bound| self.entry(bound)));
            let news = words::ordered(self.order_id, self.frozen, &changed);
            work.events.extend(feeds.tell_news(self.person_id, news, now));
        }
        feeds.write(work.tx).await?;
        work.tx.flush().await?;
        if !changed.is_empty() {
            sql::mark_payer(work.tx, self.person_id).await?;
        }
        let telling = Telling::of(self.person_id, after.iter());
        Ok(Ok(Done::Ordered(after, telling)))
    }

    /// What the order is about. `Err` with `AccountUnknown` or `CardUnknown` for what the person has not bound.
    fn choose(&self, all: Vec<Bound>) -> Result<Vec<Bound>, Reason> {
        use domain::payment::Instrument::{Account, Card};
        if self.instruments.is_empty() {
            // What was never frozen need not be set free.
            let is_meant = |bound: &Bound| self.frozen || bound.kept.is_some();
            return Ok(all.into_iter().filter(is_meant).collect());
        }
        let missing = |wanted: &&FrozenInstrument| !all.iter().any(|bound| bound.name == **wanted);
        match self.instruments.iter().find(missing).map(|wanted| wanted.instrument) {
            Some(Account(_)) => Err(Reason::AccountUnknown),
            Some(Card(_)) => Err(Reason::CardUnknown),
            None => Ok(all.into_iter().filter(|bound| self.instruments.contains(&bound.name)).collect()),
        }
    }

    /// Looks at the safety code, if it is proved by one: also of an order that was taken in before, so that nobody hears how things
    /// stand who does not know the code. What is refused is counted, told and logged.
    async fn refuses_its_code(&self, work: &mut Work<'_>, feeds: &mut Feeds) -> Result<Option<Reason>, StoreError> {
        let Proof::SafetyCode(claim) = &self.proof else { return Ok(None) };
        let proved = safety_code::prove(work.tx, (work.keys, work.safety), feeds, claim).await?;
        work.log.extend(proved.log);
        work.events.extend(proved.told);
        Ok(proved.answer.err())
    }

    /// Compares the password; a wrong one counts as one at a terminal, and is stored. `Err` inside with `AttemptsExhausted` or
    /// `VerificationFailed`.
    async fn prove(
        &self,
        password: &TransactionPassword,
        work: &mut Work<'_>,
    ) -> Result<Result<(), Reason>, StoreError> {
        let by = (work.keys, work.policy);
        let Err(not_proved) = transaction_password::prove(work.tx, by, self.person_id, password).await? else {
            return Ok(Ok(()));
        };
        work.log.extend(not_proved.wrong_tries.map(|tries| self.refused(tries)));
        Ok(Err(not_proved.reason))
    }

    fn refused(&self, wrong_tries: u32) -> Entry {
        let content = format!("by={} wrong_tries={wrong_tries}", self.by);
        Entry { kind: "freeze.not_proved", subject: self.person_id.uuid(), content }
    }

    fn entry(&self, bound: &Bound) -> Entry {
        let number = bound.kept.as_ref().map_or(0, |kept| kept.freezing.order.number);
        let content = format!(
            "bank={} instrument={} number={number} order={} channel={} by={}",
            bound.name.bank_id,
            bound.masked,
            self.order_id,
            self.channel.as_str(),
            self.by
        );
        let kind = if self.frozen { "freeze.ordered" } else { "unfreeze.ordered" };
        Entry { kind, subject: self.person_id.uuid(), content }
    }
}
