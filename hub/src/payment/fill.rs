//! A past for a hub that is to be measured: payments that were made, approved and posted, with everything that the hub itself
//! would have stored for them.
//!
//! Each payment goes through the rules of `domain::payment` at its own points in time, and its rows are written as those of
//! any set of steps. What is left out is the other side: the bank is not asked, so its ledger has to be filled from the same
//! payments.

use std::sync::Arc;

use domain::payment::{
    Attempt, Held, Instrument, NewPayment, Payer, PayerGuard, PayingInstrument, Payment, Policy, Proof, State,
};
use domain::purchase::{LineItem, Terminal};
use domain::{
    AccountId, AttemptId, BankId, LegId, Money, OneTimeCode, PaymentId, PersonId, PhoneNumber, Reason, Timestamp,
};
use server_kit::audit::Chain;
use server_kit::keystore::{KeyName, SharedKeyStore};
use server_kit::store::{Store, StoreError, Tx};

use super::books::{Books, Named};
use super::recent::Recent;
use super::request::ReadCreate;
use super::rules::Rules;
use super::steps::{NewCode, tell_code};

/// The log of the past, apart from the chains of the hub's own writers.
const CHAIN: &str = "growth/payment";

/// A payment that was made, approved and posted.
#[derive(Clone, Debug)]
pub struct PastPayment {
    pub id: PaymentId,
    /// A person whom this hub has registered, with the account that paid.
    pub person_id: PersonId,
    pub phone: PhoneNumber,
    pub account: PastAccount,
    pub terminal: Arc<Terminal>,
    pub amount: Money,
    pub items: Vec<LineItem>,
    pub code: OneTimeCode,
    pub attempt_id: AttemptId,
    pub leg_id: LegId,
    /// When the terminal asked …
    pub asked_at: Timestamp,
    /// … when the payer's code and password came in, within the life of the code …
    pub authorized_at: Timestamp,
    /// … when it was approved, within the time for that …
    pub decided_at: Timestamp,
    /// … and when the bank had posted it.
    pub posted_at: Timestamp,
}

/// The account that paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastAccount {
    pub bank_id: BankId,
    pub account_id: AccountId,
    /// The account as others may see it, such as `****4821`.
    pub masked: String,
}

/// Writes a past into a hub's database that no hub has open.
#[derive(Debug)]
pub struct Past {
    store: Store,
    keys: SharedKeyStore,
    chain: Chain,
    policy: Policy,
}

impl Past {
    pub fn new(store: &Store, keys: SharedKeyStore) -> Self {
        let chain = Chain::new(CHAIN, keys.clone());
        Self { store: store.clone(), keys, chain, policy: Policy::default() }
    }

    /// Adds payments in one transaction. Their events follow the last one of each person's feed.
    pub async fn add(&mut self, payments: &[PastPayment]) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let done = match self.write(&mut tx, payments).await {
            Ok(()) => tx.commit().await,
            Err(error) => Err(error),
        };
        self.chain.settle(done)
    }

    /// Signs the end of the log.
    pub async fn seal(&mut self) -> Result<(), StoreError> {
        self.chain.seal_now(&self.store).await
    }

    async fn write(&mut self, tx: &mut Tx, payments: &[PastPayment]) -> Result<(), StoreError> {
        let named = Named { payers: payments.iter().map(|past| past.person_id).collect(), ..Named::default() };
        let mut books = Books::load(tx, &named, &Recent::default(), &Rules::default()).await?;
        for past in payments {
            let new = self.request(past)?;
            let sealed =
                self.keys.seal(KeyName::SealedPayload, past.id.uuid().as_bytes(), past.code.reveal().as_bytes())?;
            let code = NewCode { code: past.code.clone(), sealed };
            live(&mut books, past, new, &code, &self.policy)
                .map_err(|reason| StoreError::Refused(format!("payment {} of the past: {reason}", past.id)))?;
        }
        self.chain.append(tx, std::mem::take(&mut books.log)).await?;
        books.write(tx).await?;
        Ok(())
    }

    /// What the terminal asked for.
    fn request(&self, past: &PastPayment) -> Result<NewPayment, StoreError> {
        let read = ReadCreate {
            id: past.id,
            phone: past.phone.clone(),
            amount: past.amount,
            items: past.items.clone(),
            reference: None,
            routed: false,
        };
        Ok(NewPayment {
            id: past.id,
            terminal: past.terminal.clone(),
            fingerprint: read.fingerprint(self.keys.as_ref())?,
            amount: past.amount,
            items: read.items,
            reference: None,
            payer: Some(Payer {
                person_id: past.person_id,
                has_password: true,
                number_epoch: 0,
                instrument: Some(past.account.paying()),
            }),
            // It goes when the code is spent, so nothing of it is left in a past.
            code_mac: [0; 32],
            routed: false,
        })
    }
}

impl PastAccount {
    fn paying(&self) -> PayingInstrument {
        PayingInstrument {
            bank_id: self.bank_id.clone(),
            instrument: Instrument::Account(self.account_id),
            masked: self.masked.clone(),
            usable: true,
        }
    }
}

/// Takes a payment through its life. The payer's counters of today are left alone: tries and codes of the past are not
/// counted with those of today.
fn live(books: &mut Books, past: &PastPayment, new: NewPayment, code: &NewCode, policy: &Policy) -> Result<(), Reason> {
    let mut guard = PayerGuard::new(past.person_id);
    let created = Payment::create(new, Some(&mut guard), past.asked_at, policy);
    books.add(created.clone());
    tell_code(books, &created, code, past.asked_at).ok_or(Reason::PayerUnavailable)?;
    let attempt = Attempt {
        id: past.attempt_id,
        terminal_id: past.terminal.id.clone(),
        proof: Proof { code_matches: true, password_matches: true },
        leg_id: past.leg_id,
        route: None,
    };
    books.change(past.id, |payment, _| payment.authorize(&attempt, &mut guard, past.authorized_at, policy))??;
    books.change(past.id, |payment, payer| payment.commit(Held::default(), payer, past.decided_at, policy))?;
    let committed = books.payment(past.id).cloned().ok_or(Reason::PaymentUnknown)?;
    books.record(&committed).ok_or(committed.refusal.unwrap_or(Reason::PayerUnavailable))?;
    books.change(past.id, |payment, _| payment.posted(past.posted_at))?;
    let posted = books.payment(past.id).is_some_and(|payment| payment.state == State::Posted);
    if posted { Ok(()) } else { Err(Reason::Fault) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use domain::Currency;
    use server_kit::audit;
    use server_kit::clock::ManualClock;
    use server_kit::rng::{SeededRng, digits, uuid_v7};
    use uuid::Uuid;

    use super::*;
    use crate::feed::read_last_sequence;
    use crate::testing::{TestHub, on_each_engine, past};

    const SEED: u64 = 20_260_401;

    /// Payments of three persons, an hour apart.
    struct Plan {
        clock: ManualClock,
        rng: SeededRng,
        persons: Vec<PersonId>,
    }

    impl Plan {
        fn new(seed: u64) -> Self {
            let (clock, rng) = (ManualClock::new(Timestamp::from_secs(1_750_000_000)), SeededRng::new(seed));
            let persons = (0..3).map(|_| PersonId::from_uuid(uuid_v7(&clock, &rng).unwrap())).collect();
            Self { clock, rng, persons }
        }

        fn id(&self) -> Uuid {
            uuid_v7(&self.clock, &self.rng).unwrap()
        }

        fn payment(&self, n: usize) -> PastPayment {
            self.clock.advance(Duration::from_secs(3600));
            let asked_at = server_kit::clock::Clock::now(&self.clock);
            let account = PastAccount {
                bank_id: BankId::parse("bank-a").unwrap(),
                account_id: AccountId::from_uuid(self.id()),
                masked: "****4821".to_owned(),
            };
            PastPayment {
                id: PaymentId::from_uuid(self.id()),
                person_id: self.persons[n % self.persons.len()],
                phone: PhoneNumber::parse("+8613800138000").unwrap(),
                account,
                terminal: Arc::new(past::terminal()),
                amount: Money::new(Currency::CNY, digits(&self.rng, 4).unwrap().parse::<i64>().unwrap() + 1),
                items: if n.is_multiple_of(2) { past::items() } else { Vec::new() },
                code: OneTimeCode::parse(past::CODE).unwrap(),
                attempt_id: AttemptId::from_uuid(self.id()),
                leg_id: LegId::from_uuid(self.id()),
                asked_at,
                authorized_at: asked_at.plus(Duration::from_secs(9)),
                decided_at: asked_at.plus(Duration::from_secs(10)),
                posted_at: asked_at.plus(Duration::from_secs(11)),
            }
        }

        fn payments(&self, count: usize) -> Vec<PastPayment> {
            (0..count).map(|n| self.payment(n)).collect()
        }
    }

    async fn register(hub: &TestHub, persons: &[PersonId]) {
        for person in persons {
            past::register(hub, *person).await;
        }
    }

    /// Everything that a past leaves, but for what is sealed and for the log, which has the time of its writing.
    async fn rows(hub: &TestHub) -> Vec<String> {
        let mut rows = Vec::new();
        let payments = "SELECT payment_id, leg_id, person_id, account_id, state, items, merchant, attempt_ids, \
                        amount_minor, version, created_at, decided_at FROM payments ORDER BY payment_id";
        for row in hub.store.fetch(payments, Vec::new()).await.unwrap() {
            let ids = [0, 1, 2, 3].map(|column| row.id(column).unwrap());
            let texts = [4, 5, 6].map(|column| row.text(column).unwrap());
            let numbers = [8, 9, 10, 11].map(|column| row.int(column).unwrap());
            rows.push(format!("{ids:?} {texts:?} {:?} {numbers:?}", row.bytes(7).unwrap()));
        }
        let events =
            "SELECT person_id, payment_id, kind, sequence, occurred_at FROM events ORDER BY person_id, sequence";
        for row in hub.store.fetch(events, Vec::new()).await.unwrap() {
            let (ids, kind) = ([0, 1].map(|column| row.id(column).unwrap()), row.text(2).unwrap());
            rows.push(format!("{ids:?} {kind} {:?}", [3, 4].map(|column| row.int(column).unwrap())));
        }
        let purchases = "SELECT person_id, payment_id, merchant, items, occurred_at, amount_minor, sequence FROM purchases \
                         ORDER BY person_id, sequence";
        for row in hub.store.fetch(purchases, Vec::new()).await.unwrap() {
            let ids = [0, 1].map(|column| row.id(column).unwrap());
            let texts = [2, 3].map(|column| row.text(column).unwrap());
            rows.push(format!("{ids:?} {texts:?} {:?}", [4, 5, 6].map(|column| row.int(column).unwrap())));
        }
        rows
    }

    #[tokio::test]
    async fn a_past_is_stored_as_the_hub_itself_would_have_stored_it() {
        on_each_engine(async |hub| {
            let plan = Plan::new(SEED);
            register(&hub, &plan.persons).await;
            let payments = plan.payments(300);
            // Each feed, and the log, go on where the filling before has left them.
            for part in payments.chunks(150) {
                let mut filled = Past::new(&hub.store, hub.keys.clone());
                for set in part.chunks(50) {
                    filled.add(set).await.unwrap();
                }
                filled.seal().await.unwrap();
            }
            let report = crate::check_books(&hub.store).await.unwrap();
            assert_eq!(report.faults, Vec::<String>::new(), "{}", hub.engine);
            assert_eq!((report.payments, report.events), (300, 600), "{}", hub.engine);
            for person in &plan.persons {
                assert_eq!(read_last_sequence(&hub.store, *person).await.unwrap(), 200, "{}", hub.engine);
            }
            let [log] = audit::verify(&hub.store, hub.keys.as_ref()).await.unwrap().try_into().unwrap();
            // Each payment stands in the log in four states.
            assert_eq!((log.faults.len(), log.entries), (0, 1_200), "{}: {log:?}", hub.engine);
            let last = payments.last().unwrap();
            let stored = crate::payment::sql::find_payment(&hub.store, last.id).await.unwrap().unwrap();
            assert_eq!((stored.state, stored.due_at, stored.decided_at), (State::Posted, None, Some(last.decided_at)));
            assert_eq!(stored.charge.unwrap().leg_id, Some(last.leg_id));
        })
        .await;
    }

    #[tokio::test]
    async fn the_same_seed_gives_the_same_past_on_every_engine() {
        let found = Mutex::new(Vec::new());
        for seed in [SEED, SEED, SEED + 1] {
            on_each_engine(async |hub| {
                let plan = Plan::new(seed);
                register(&hub, &plan.persons).await;
                Past::new(&hub.store, hub.keys.clone()).add(&plan.payments(30)).await.unwrap();
                let rows = rows(&hub).await;
                assert_eq!(rows.len(), 30 * 3);
                found.lock().unwrap().push((seed, rows));
            })
            .await;
        }
        let found = found.into_inner().unwrap();
        let (_, first) = &found[0];
        for (seed, rows) in &found {
            assert_eq!(rows == first, *seed == SEED);
        }
    }

    #[tokio::test]
    async fn a_past_that_cannot_have_been_leaves_nothing() {
        on_each_engine(async |hub| {
            let plan = Plan::new(SEED);
            register(&hub, &plan.persons[..2]).await;
            let mut filled = Past::new(&hub.store, hub.keys.clone());
            let mut payments = plan.payments(6);
            filled.add(&payments).await.unwrap_err();
            payments.retain(|past| past.person_id != plan.persons[2]);
            let in_time = payments[3].decided_at;
            payments[3].decided_at = in_time.plus(Duration::from_secs(60));
            filled.add(&payments).await.unwrap_err();
            assert_eq!(rows(&hub).await, Vec::<String>::new(), "{}", hub.engine);
            payments[3].decided_at = in_time;
            filled.add(&payments).await.unwrap();
            let [log] = audit::verify(&hub.store, hub.keys.as_ref()).await.unwrap().try_into().unwrap();
            assert_eq!((log.faults.len(), log.entries), (0, 16), "{}: {log:?}", hub.engine);
        })
        .await;
    }
}
