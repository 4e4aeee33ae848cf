//! A front: its database, keys and cards, and what it does with a credit system. The ledger's part of it is as small as it can be.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bank_adapter::credit_system::{
    self, Advice, Answered, CardAdvice, CardAdvices, CardNumbers, CardStatus, ChangeId, Connector, CreditHold,
    CreditSystemConfig, ExistingCreditSystem, HoldAnswer, Kind, Link, NewPin, Order, OrderKey, Orders, PinBook,
    PinChange, PinChanges, Retold, State, Surroundings, Verdict,
};
use bank_adapter::hsm::{self, Check, Hsm, PanDigits, PinBlockFormat, PinPad, PinVerificationValue};
use domain::card::{Bin, Card, CardState, Expiry, Pan, Sides};
use domain::{AccountId, CardId, Currency, LegId, Money, Reason, Timestamp};
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::fault;
use server_kit::keystore::{Keyring, SharedKeyStore};
use server_kit::rng::{IdMaker, Rng, RngError, SeededRng, SystemRng};
use server_kit::store::testing::TestDatabase;
use server_kit::store::{Dialect, Owner, Store, StoreError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::keys;

const CARD: &str = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
/// The card that takes over from it.
const SUCCESSOR: &str = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e10";

/// A front that runs.
pub struct Front {
    pub hsm: Arc<dyn Hsm>,
    pub card: CardId,
    pub pan: Pan,
    pad: PinPad,
    ids: IdMaker,
    process: Process,
    database: TestDatabase,
    config: CreditSystemConfig,
}

/// The cards of the bank: their numbers, and in the database what their PINs are compared with.
#[derive(Debug)]
struct Cards {
    numbers: HashMap<CardId, Pan>,
    store: Store,
}

impl CardNumbers for Cards {
    fn pan(&self, card_id: CardId) -> Answered<'_, Result<Pan, Reason>> {
        Box::pin(std::future::ready(self.numbers.get(&card_id).cloned().ok_or(Reason::CardUnknown)))
    }
}

impl PinBook for Cards {
    fn settle<'a>(&'a self, change: &'a PinChange, refusal: Option<Reason>) -> Answered<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut tx = self.store.begin().await?;
            let mut changes = PinChanges::load(&mut tx, &BTreeSet::from([change.id]), &BTreeSet::new()).await?;
            let now = tx.now();
            if let Some(value) = changes.settle(change.id, refusal, now) {
                let args = vec![value.to_bytes().to_vec().into(), change.card_id.uuid().into()];
                tx.execute("UPDATE front_pins SET value = $1 WHERE card_id = $2", args).await?;
            }
            changes.save(&mut tx).await?;
            tx.commit().await
        })
    }
}

/// Has the numbers of messages begin at 999998, so that every test sees them wrap.
#[derive(Debug)]
struct NearTheWrap(SystemRng);

impl Rng for NearTheWrap {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RngError> {
        match bytes {
            [_, _, _, _] => {
                bytes.copy_from_slice(&999_997_u32.to_be_bytes());
                Ok(())
            }
            _ => self.0.fill(bytes),
        }
    }
}

/// What of the front runs, and ends with the process.
struct Process {
    system: ExistingCreditSystem,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    store: Store,
}

impl Front {
    /// A front with this configuration on this database. What two processes on one database share is the same for both: the
    /// keys, the card, the file of the key store.
    pub async fn open(database: TestDatabase, config: CreditSystemConfig, folder: &Path) -> Self {
        let hsm = keys::key_store(folder);
        let keys: SharedKeyStore = Arc::new(Keyring::generate(Arc::new(SeededRng::new(5))).unwrap());
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        let (card, pan) = (CardId::parse(CARD).unwrap(), pan_of(7));
        let store = eventually("the database is free", || async {
            database.open(&bank_adapter::migrations(), SystemClock::shared()).await.ok()
        })
        .await;
        let process = Process::start(store, &config, card, &pan, &hsm, &keys, &ids).await;
        let front = Self { hsm, card, pan, pad: keys::pad(), ids, process, database, config };
        // What a node does first.
        for order in credit_system::asking(front.store(), SystemClock.now(), 100).await.unwrap() {
            front.settle(order.key.leg_id, &unanswered()).await;
        }
        front
    }

    /// Notes the first PIN of the card, as if it had been issued with it.
    pub async fn issue(&self, pin: &str) {
        let value = self.hsm.set_pin(&typed(&self.pad, &self.pan, pin), &PanDigits::from(&self.pan)).unwrap();
        let mut tx = self.store().begin().await.unwrap();
        let create = match self.database.dialect() {
            Dialect::Sqlite => "CREATE TABLE front_pins (card_id BLOB NOT NULL, value BLOB NOT NULL)",
            Dialect::Postgres => "CREATE TABLE front_pins (card_id UUID NOT NULL, value BYTEA NOT NULL)",
        };
        tx.execute(create, Vec::new()).await.unwrap();
        let row = vec![self.card.uuid().into(), value.to_bytes().to_vec().into()];
        tx.execute("INSERT INTO front_pins (card_id, value) VALUES ($1, $2)", row).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// The front's process dies, and another one is started on the same database.
    pub async fn crash(self, folder: &Path) -> Self {
        let Self { process, database, config, .. } = self;
        process.kill().await;
        Self::open(database, config, folder).await
    }

    /// Ends it as a crash does, and gives the database for another one.
    pub async fn kill(self) -> (TestDatabase, CreditSystemConfig) {
        self.process.kill().await;
        (self.database, self.config)
    }

    /// Signs off and waits until everything has ended by itself.
    pub async fn shut_down(self) {
        let Process { system, stop, tasks, .. } = self.process;
        stop.cancel();
        drop(system);
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(20), task).await.expect("every task ends").unwrap();
        }
    }

    /// Whether the front takes this for the PIN of the card.
    pub async fn takes(&self, pin: &str) -> Check {
        let row = self.store().fetch_one("SELECT value FROM front_pins", Vec::new()).await.unwrap().unwrap();
        let stored = PinVerificationValue::from_bytes(&row.bytes(0).unwrap()).unwrap();
        self.hsm.verify_pin(&typed(&self.pad, &self.pan, pin), &PanDigits::from(&self.pan), &stored).unwrap()
    }

    pub fn link(&self) -> &Link {
        self.process.system.link()
    }

    pub fn system(&self) -> &ExistingCreditSystem {
        &self.process.system
    }

    pub fn store(&self) -> &Store {
        &self.process.store
    }

    pub async fn up(&self) {
        // On a machine that others use, too, it may take a while.
        assert!(self.link().wait_until_up(Duration::from_secs(60)).await, "the line is up");
    }

    pub async fn down(&self) {
        eventually("the line is down", || async { (!self.link().is_up()).then_some(()) }).await;
    }

    pub fn leg(&self) -> LegId {
        LegId::from_uuid(self.ids.uuid().unwrap())
    }

    /// One transaction of the ledger about these legs.
    async fn in_ledger<T>(&self, legs: &[LegId], decide: impl Fn(&mut Orders, Timestamp) -> T) -> T {
        let legs: BTreeSet<LegId> = legs.iter().copied().collect();
        loop {
            let mut tx = self.store().begin().await.unwrap();
            let mut orders = Orders::load(&mut tx, &legs).await.unwrap();
            let now = tx.now();
            let decided = decide(&mut orders, now);
            let saved = orders.save(&mut tx).await;
            let committed = match saved {
                Ok(()) => tx.commit().await,
                Err(error) => Err(error),
            };
            match committed {
                Ok(()) => {
                    self.system().wake();
                    return decided;
                }
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub fn hold_of(&self, leg_id: LegId, minor: i64) -> CreditHold {
        CreditHold { leg_id, card_id: self.card, amount: cny(minor), is_cash: false }
    }

    /// The whole way of a hold.
    pub async fn hold(&self, leg_id: LegId, minor: i64) -> Result<State, Reason> {
        self.hold_as(self.hold_of(leg_id, minor)).await
    }

    pub async fn hold_as(&self, hold: CreditHold) -> Result<State, Reason> {
        let asked = self.system().reserve()?;
        let is_new = self.in_ledger(&[hold.leg_id], |orders, now| orders.ask(&hold, asked.trace(), now)).await?;
        if !is_new {
            let orders = credit_system::of_leg(self.store(), hold.leg_id).await.unwrap();
            return Ok(orders[0].state);
        }
        let answer = self.system().hold(hold, None, asked).await;
        Ok(self.settle(hold.leg_id, &answer).await)
    }

    /// The part of a hold before a crash: it is noted and sent, and its answer is not noted.
    pub async fn ask_and_forget(&self, leg_id: LegId, minor: i64) -> HoldAnswer {
        let hold = self.hold_of(leg_id, minor);
        let asked = self.system().reserve().unwrap();
        self.in_ledger(&[leg_id], |orders, now| orders.ask(&hold, asked.trace(), now)).await.unwrap();
        fault::point("front.asked");
        self.system().hold(hold, None, asked).await
    }

    pub async fn settle(&self, leg_id: LegId, answer: &HoldAnswer) -> State {
        self.in_ledger(&[leg_id], |orders, now| orders.settle(leg_id, answer, now)).await.unwrap()
    }

    pub async fn queue(&self, advice: Advice) -> Result<bool, Reason> {
        let legs: Vec<LegId> = advice.legs().collect();
        self.in_ledger(&legs, |orders, now| orders.queue(&advice, now)).await
    }

    pub async fn post(&self, leg_id: LegId, minor: i64) {
        assert_eq!(self.queue(Advice::Post { leg_id, amount: cny(minor) }).await, Ok(true));
    }

    pub async fn void(&self, leg_id: LegId) {
        assert_eq!(self.queue(Advice::Void { leg_id }).await, Ok(true));
    }

    /// One transaction of the ledger about these cards.
    async fn in_cards<T>(&self, cards: &[CardId], decide: impl Fn(&mut CardAdvices, Timestamp) -> T) -> T {
        let cards: BTreeSet<CardId> = cards.iter().copied().collect();
        loop {
            let mut tx = self.store().begin().await.unwrap();
            let mut advices = CardAdvices::load(&mut tx, &cards).await.unwrap();
            let now = tx.now();
            let decided = decide(&mut advices, now);
            let saved = advices.save(&mut tx).await;
            let committed = match saved {
                Ok(()) => tx.commit().await,
                Err(error) => Err(error),
            };
            match committed {
                Ok(()) => {
                    self.system().wake();
                    return decided;
                }
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The card of this front, as it stands from now on.
    pub fn card_as(&self, state: CardState, frozen: bool) -> Card {
        let sides = Sides::Credit(AccountId::parse(CARD).unwrap());
        let card = Card::issue(self.card, Expiry::parse_yymm("2711").unwrap(), sides, self.pan.masked());
        Card { state, frozen, ..card }
    }

    /// Has the credit system told where a card stands.
    pub async fn tell_card(&self, card: &Card) {
        assert!(self.in_cards(&[card.id], |advices, now| advices.tell(card, None, now)).await, "{card:?}");
    }

    pub async fn retell_card(&self, card_id: CardId) -> Result<Retold, Reason> {
        self.in_cards(&[card_id], |advices, now| advices.retell(card_id, now)).await
    }

    /// Waits until what was told last of a card is so far.
    pub async fn card_reaches(&self, card_id: CardId, status: CardStatus, state: State) -> CardAdvice {
        eventually(&format!("{status:?} {state:?}"), || async {
            let last = credit_system::of_card(self.store(), card_id).await.unwrap().pop();
            last.filter(|last| (last.status, last.state) == (status, state))
        })
        .await
    }

    pub async fn retell(&self, key: OrderKey) -> Result<Retold, Reason> {
        self.in_ledger(&[key.leg_id], |orders, now| orders.retell(key, now)).await
    }

    pub async fn order(&self, leg_id: LegId, kind: Kind) -> Option<Order> {
        let orders = credit_system::of_leg(self.store(), leg_id).await.unwrap();
        orders.into_iter().find(|order| order.key.kind == kind)
    }

    /// Puts another amount into the orders of a leg, as no rule would.
    pub async fn set_amount(&self, leg_id: LegId, minor: i64) {
        let mut tx = self.store().begin().await.unwrap();
        let args = vec![minor.into(), leg_id.uuid().into()];
        tx.execute("UPDATE credit_orders SET amount_minor = $1 WHERE leg_id = $2", args).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn acknowledged(&self, leg_id: LegId, kind: Kind) -> Order {
        self.reaches(leg_id, kind, State::Acknowledged).await
    }

    /// Waits until nothing waits to be told.
    pub async fn all_told(&self) {
        const SQL: &str = "SELECT (SELECT COUNT(*) FROM credit_orders WHERE state IN ('WAITING', 'ASKING')) + \
                           (SELECT COUNT(*) FROM card_advices WHERE state = 'WAITING')";
        eventually("everything is told", || async {
            let row = self.store().fetch_one(SQL, Vec::new()).await.unwrap().unwrap();
            (row.int(0).unwrap() == 0).then_some(())
        })
        .await;
    }

    pub async fn reaches(&self, leg_id: LegId, kind: Kind, state: State) -> Order {
        eventually(&format!("{kind:?} {state:?}"), || async {
            self.order(leg_id, kind).await.filter(|order| order.state == state)
        })
        .await
    }

    /// Makes a change of the PIN durable, as the front does before anybody is asked.
    pub async fn intend_pin(&self, pin: &str) -> Result<ChangeId, Reason> {
        let id = ChangeId::from_uuid(self.ids.uuid().unwrap());
        let new = self.new_pin(id, pin).await;
        let mut tx = self.store().begin().await.unwrap();
        let mut changes = PinChanges::load(&mut tx, &BTreeSet::from([id]), &BTreeSet::from([self.card])).await.unwrap();
        let now = tx.now();
        changes.intend(id, self.card, new, now)?;
        changes.save(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        Ok(id)
    }

    pub async fn new_pin(&self, id: ChangeId, pin: &str) -> NewPin {
        self.system().new_pin(id, typed(&self.pad, &self.pan, pin), &self.pan).await.unwrap()
    }

    /// Waits until a change is over.
    pub async fn pin_change_over(&self, id: ChangeId) -> PinChange {
        eventually("the change of the PIN is over", || async {
            let change = credit_system::change(self.store(), id).await.unwrap().unwrap();
            change.new.is_none().then_some(change)
        })
        .await
    }
}

impl Process {
    async fn start(
        store: Store,
        config: &CreditSystemConfig,
        card: CardId,
        pan: &Pan,
        hsm: &Arc<dyn Hsm>,
        keys: &SharedKeyStore,
        ids: &IdMaker,
    ) -> Self {
        let (clock, rng) = (SystemClock::shared(), Arc::new(NearTheWrap(SystemRng::new())));
        let owner = Arc::new(Owner::take(&store, "bank-a/ledger", ids.uuid().unwrap()).await.unwrap());
        let stop = CancellationToken::new();
        let numbers = HashMap::from([(card, pan.clone()), (successor(), pan_of(8))]);
        let cards = Arc::new(Cards { numbers, store: store.clone() });
        let surroundings = Surroundings {
            federation: "trial.example".to_owned(),
            store: store.clone(),
            owner,
            hsm: hsm.clone(),
            keys: keys.clone(),
            clock,
            rng,
            ids: ids.clone(),
            cards: cards.clone(),
            pins: cards,
        };
        let Connector { system, tasks } = Connector::start(config, surroundings, &stop).unwrap();
        let tasks = tasks.into_iter().map(|(_, task)| task).collect();
        Self { system, stop, tasks, store }
    }

    /// Nothing is finished and nobody is told, as when the process is killed; but for the writer, whose transactions are
    /// whole or not there.
    async fn kill(mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks.drain(..) {
            let _ = task.await;
        }
        self.stop.cancel();
        self.store.close().await;
    }
}

fn pan_of(number: u64) -> Pan {
    Pan::issue(&Bin::parse("62284800").unwrap(), number, 16).unwrap()
}

/// The card that takes over from that of the front.
pub fn successor() -> CardId {
    CardId::parse(SUCCESSOR).unwrap()
}

pub fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

pub fn unanswered() -> HoldAnswer {
    HoldAnswer { verdict: Verdict::Unclear(Reason::BankAway), approval_code: None }
}

fn typed(pad: &PinPad, pan: &Pan, pin: &str) -> hsm::PinBlock {
    pad.encrypt(PinBlockFormat::Iso0, &PanDigits::from(pan), pin, &SystemRng::new()).unwrap()
}

/// Asks again until there is an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

pub fn config(port: u16, dialect: &str) -> CreditSystemConfig {
    let dialect = if dialect == "union-pay" { dialect.to_owned() } else { format!("iso-1987-{dialect}") };
    let text = format!(
        r#"{{"address": "127.0.0.1:{port}", "dialect": "{dialect}", "institution": "66280000", "mac_key": "credit-system",
            "zone_key": "credit-system", "answer_timeout": "2s", "repeat_pause": "20ms", "repeat_pause_at_most": "100ms",
            "reconnect_pause": "20ms", "reconnect_pause_at_most": "100ms", "sweep_every": "50ms"}}"#
    );
    serde_json::from_str(&text).unwrap()
}
