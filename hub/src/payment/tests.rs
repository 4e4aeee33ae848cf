//! The durable steps on both engines, without banks or the wire.

mod approval_races;
mod approvals;
mod asked;
mod banks;
mod card_steps;
mod cards;
mod fees;
mod killed;
mod limits;
mod lookups;
mod routed;
mod shop;
mod storm;
mod top_up;

use std::sync::Arc;

use domain::payment::{
    Held, Instrument, NewPayment, NewRefund, Payer, PayingInstrument, Payment, Policy, Reversal, SendLimit, State,
};
use domain::purchase::{CategoryCode, LineItem, Merchant, Terminal};
use domain::text::Line;
use domain::{
    AccountId, AttemptId, BankId, Currency, LegId, MerchantId, Money, OneTimeCode, PaymentId, PersonId, Reason,
    TerminalId, TransactionPassword,
};
use server_kit::audit::{self, Chain, HeldChain};
use server_kit::clock::{SharedClock, SystemClock};
use server_kit::keystore::{KeyName, Keyring, SharedKeyStore};
use server_kit::rng::{IdMaker, SystemRng};
use server_kit::store::testing::{TestDatabase, databases};
use server_kit::store::{GroupWriter, Owner, StepSet as _, Store, StoreError, WriterOptions};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::code::{code_context, code_mac};
use super::steps::{Authorize, Create, NewCode, Outcome, PaymentSteps, Step};
use super::watch::Watchers;
use crate::directory::password_mac;
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::fees::{FeeParts, Fees};
use crate::limits::PaymentLimits;

const CODE: &str = "123456";
const PASSWORD: &str = "246810";

struct Desk {
    store: Store,
    keys: SharedKeyStore,
    ids: IdMaker,
    writer: GroupWriter<PaymentSteps>,
    steps: Arc<PaymentSteps>,
    person: PersonId,
}

async fn open(database: &TestDatabase, keys: &SharedKeyStore, replica: &str) -> Desk {
    let clock: SharedClock = SystemClock::shared();
    let store = database.open(&crate::migrations(), clock.clone()).await.unwrap();
    let ids = IdMaker::new(clock.clone(), SystemRng::shared());
    let mark = ids.uuid().unwrap();
    let owner = Arc::new(Owner::take(&store, replica, mark).await.unwrap());
    let parts = FeedParts {
        store: store.clone(),
        keys: keys.clone(),
        clock,
        replica: mark,
        followers: Vec::new(),
        draining: CancellationToken::new(),
    };
    let fees = FeeParts {
        store: store.clone(),
        keys: keys.clone(),
        clock: SystemClock::shared(),
        owner: owner.clone(),
        zone: jiff::tz::TimeZone::UTC,
    };
    let many = SendLimit { most: 1000, within: std::time::Duration::from_secs(60) };
    let steps = Arc::new(PaymentSteps {
        policy: Policy { sends: vec![many], ..Policy::default() },
        limits: PaymentLimits::start(store.clone(), keys.clone(), owner.clone()).await.unwrap().0,
        fees: Fees::start(fees).await.unwrap().0,
        keys: keys.clone(),
        chain: HeldChain::from(Chain::new(&format!("{replica}/payment"), keys.clone())),
        owner,
        feed: Feed::new(parts, FeedOptions::default()),
        watchers: Watchers::default(),
        recent: Mutex::default(),
    });
    let options = WriterOptions { tries: 20, ..WriterOptions::default() };
    let (writer, _task) = GroupWriter::start(store.clone(), steps.clone(), options);
    let person = PersonId::from_uuid(ids.uuid().unwrap());
    Desk { store, keys: keys.clone(), ids, writer, steps, person }
}

fn keyring() -> SharedKeyStore {
    Arc::new(Keyring::generate(SystemRng::shared()).unwrap())
}

/// A desk with one person who can pay.
async fn desk(database: &TestDatabase) -> Desk {
    let desk = open(database, &keyring(), "hub-1").await;
    let mut tx = desk.store.begin().await.unwrap();
    let mac = password_mac(desk.keys.as_ref(), &desk.person, PASSWORD).unwrap();
    let sql = "INSERT INTO persons (person_id, version, phone_hash, phone_sealed, name_sealed, password_mac, \
               registered_at) VALUES ($1, 1, $2, $2, $2, $3, 0)";
    tx.execute(sql, vec![desk.person.uuid().into(), vec![1_u8].into(), mac.to_vec().into()]).await.unwrap();
    let sql = "INSERT INTO payers (person_id, version, failures, codes_sent, last_sequence) VALUES ($1, 1, 0, $2, 0)";
    tx.execute(sql, vec![desk.person.uuid().into(), Vec::<u8>::new().into()]).await.unwrap();
    tx.commit().await.unwrap();
    desk
}

fn till() -> TerminalId {
    TerminalId::parse("till-1").unwrap()
}

fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

impl Desk {
    fn payment_id(&self) -> PaymentId {
        PaymentId::from_uuid(self.ids.uuid().unwrap())
    }

    fn leg(&self) -> LegId {
        LegId::from_uuid(self.ids.uuid().unwrap())
    }

    fn create(&self, id: PaymentId, minor: i64) -> Step {
        let code = OneTimeCode::parse(CODE).unwrap();
        let bound = code_context(id, cny(minor), (till().as_str(), "noodles"), 0);
        let account = PayingInstrument {
            bank_id: BankId::parse("bank-a").unwrap(),
            instrument: Instrument::Account(AccountId::from_uuid(self.ids.uuid().unwrap())),
            masked: "****4821".to_owned(),
            usable: true,
        };
        let terminal = Arc::new(Terminal {
            id: till(),
            merchant: Merchant {
                id: MerchantId::parse("noodles").unwrap(),
                name: Line::parse("面馆").unwrap(),
                category: CategoryCode::parse("5812").unwrap(),
            },
            place: Some(Line::parse("上海").unwrap()),
            location: None,
            suspended: false,
        });
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&minor.to_be_bytes());
        let sealed = self.keys.seal(KeyName::SealedPayload, id.uuid().as_bytes(), CODE.as_bytes()).unwrap();
        let new = NewPayment {
            id,
            terminal,
            fingerprint,
            amount: cny(minor),
            items: vec![LineItem::new("牛肉面", "6901234567892", 1000, minor).unwrap()],
            reference: None,
            payer: Some(Payer {
                person_id: self.person,
                has_password: true,
                instrument: Some(account),
                number_epoch: 0,
            }),
            code_mac: code_mac(self.keys.as_ref(), &code, &bound).unwrap(),
            routed: false,
        };
        Step::Create(Box::new(Create { new, code: NewCode { code, sealed }, noted: None }))
    }

    fn authorize(&self, payment: PaymentId, code: &str, password: &str) -> Step {
        Step::Authorize(Authorize {
            payment,
            attempt: AttemptId::from_uuid(self.ids.uuid().unwrap()),
            terminal: till(),
            code: OneTimeCode::parse(code).unwrap(),
            password: TransactionPassword::parse(password).unwrap(),
            leg_id: self.leg(),
            route: None,
            noted: None,
        })
    }

    async fn write(&self, step: Step) -> Outcome {
        self.writer.write(step).await.unwrap()
    }

    /// A payment that has come as far as COMMITTED.
    async fn committed(&self, minor: i64) -> Payment {
        let id = self.payment_id();
        self.write(self.create(id, minor)).await.payment.unwrap();
        let outcome = self.write(self.authorize(id, CODE, PASSWORD)).await;
        assert!(outcome.to_hold);
        self.write(Step::Held { payment: id, held: Held::default() }).await.payment.unwrap()
    }

    async fn events(&self) -> Vec<(i64, String)> {
        let sql = "SELECT sequence, kind FROM events WHERE person_id = $1 \
                   UNION ALL SELECT sequence, 'CHARGE' FROM purchases WHERE person_id = $1 ORDER BY sequence";
        let rows = self.store.fetch(sql, vec![self.person.uuid().into()]).await.unwrap();
        rows.iter().map(|row| (row.int(0).unwrap(), row.text(1).unwrap())).collect()
    }

    /// Nothing may be wrong at the end of any test.
    async fn all_is_well(&self) {
        assert_eq!(crate::check_books(&self.store).await.unwrap().faults, Vec::<String>::new());
        for chain in audit::verify(&self.store, self.keys.as_ref()).await.unwrap() {
            assert_eq!(chain.faults, Vec::<String>::new());
            assert!(chain.entries > 0);
        }
    }
}

fn kinds(events: &[(i64, String)]) -> Vec<&str> {
    assert!(events.iter().enumerate().all(|(i, (sequence, _))| *sequence == i as i64 + 1), "{events:?}");
    events.iter().map(|(_, kind)| kind.as_str()).collect()
}

#[tokio::test]
async fn r1_r2_a_payment_is_recorded_and_told_when_the_bank_has_charged_and_not_before() {
    for database in databases().await {
        let desk = desk(&database).await;
        let payment = desk.committed(1250).await;
        assert_eq!(payment.state, State::Committed);
        assert_eq!(kinds(&desk.events().await), ["CODE", "CHARGE"]);
        let posted = desk.write(Step::Posted { payment: payment.id }).await.payment.unwrap();
        assert_eq!((posted.state, posted.due_at), (State::Posted, None));
        let row = desk.store.fetch_one("SELECT merchant, items, category FROM purchases", Vec::new()).await;
        let row = row.unwrap().unwrap();
        assert!(row.text(0).unwrap().contains("面馆") && row.text(1).unwrap().contains("6901234567892"));
        assert_eq!(row.text(2).unwrap(), "5812");
        desk.all_is_well().await;
    }
}

#[test]
fn what_changes_of_a_payment_is_written_the_same_way_when_it_is_new() {
    assert!(super::sql::PAYMENTS.columns.starts_with(super::sql::PAYMENT_STATES.columns));
    assert_eq!(super::sql::PAYMENT_STATES.columns.last(), Some(&"fee"));
}

#[tokio::test]
async fn a_payment_reads_back_as_it_was_written() {
    for database in databases().await {
        let desk = desk(&database).await;
        let id = desk.payment_id();
        let created = desk.write(desk.create(id, 1250)).await.payment.unwrap();
        assert_eq!(super::sql::find_payment(&desk.store, id).await.unwrap(), Some(created));
        let held = desk.write(desk.authorize(id, CODE, PASSWORD)).await.payment.unwrap();
        assert_eq!(super::sql::find_payment(&desk.store, id).await.unwrap(), Some(held));
    }
}

#[tokio::test]
async fn m5_a_thousand_guesses_at_once_are_evaluated_three_times() {
    for database in databases().await {
        let desk = desk(&database).await;
        let id = desk.payment_id();
        desk.write(desk.create(id, 1250)).await.payment.unwrap();
        let guesses = (0..1000).map(|n| desk.write(desk.authorize(id, &format!("{:06}", 200_000 + n), PASSWORD)));
        let outcomes = futures_util::future::join_all(guesses).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.payment.is_ok()).count(), 3);
        let refused = |outcome: &&Outcome| outcome.payment == Err(Reason::NotAwaitingCode);
        assert_eq!(outcomes.iter().filter(refused).count(), 997);
        let log = audit::read_chain(&desk.store, "hub-1/payment").await.unwrap();
        assert_eq!(log.len(), 4, "one entry for the creation, one for each try");
        assert!(log.iter().all(|entry| entry.subject == id.uuid()));
        desk.all_is_well().await;
    }
}

#[tokio::test]
async fn m5_the_code_of_another_payment_does_not_fit() {
    for database in databases().await {
        let desk = desk(&database).await;
        let (first, second) = (desk.payment_id(), desk.payment_id());
        desk.write(desk.create(first, 100)).await.payment.unwrap();
        // Both have the same six digits, but the hash of the second is stored under the first's name.
        desk.write(desk.create(second, 100)).await.payment.unwrap();
        let mut tx = desk.store.begin().await.unwrap();
        let sql = "UPDATE payments SET code_mac = (SELECT code_mac FROM payments WHERE payment_id = $1), \
                   version = version + 1 WHERE payment_id = $2";
        tx.execute(sql, vec![first.uuid().into(), second.uuid().into()]).await.unwrap();
        tx.commit().await.unwrap();
        let payment = desk.write(desk.authorize(second, CODE, PASSWORD)).await.payment.unwrap();
        assert_eq!((payment.state, payment.refusal), (State::Challenged, Some(Reason::VerificationFailed)));
    }
}

#[tokio::test]
async fn the_same_id_sent_a_hundred_times_at_once_is_one_payment_and_one_code() {
    for database in databases().await {
        let desk = desk(&database).await;
        let id = desk.payment_id();
        let outcomes = futures_util::future::join_all((0..100).map(|_| desk.write(desk.create(id, 1250)))).await;
        let first = outcomes[0].payment.clone().unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.payment.as_ref() == Ok(&first)));
        assert_eq!(desk.write(desk.create(id, 1251)).await.payment, Err(Reason::PaymentIdTaken));
        assert_eq!(kinds(&desk.events().await), ["CODE"]);
        desk.all_is_well().await;
    }
}

#[tokio::test]
async fn the_same_id_sent_to_two_hubs_on_one_postgresql_is_one_payment() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let first = desk(&database).await;
    let second = Desk { person: first.person, ..open(&database, &first.keys, "hub-2").await };
    for _ in 0..5 {
        let id = first.payment_id();
        let at_once = (0..100).map(|n| if n % 2 == 0 { &first } else { &second });
        let outcomes = at_once.map(|desk| async move { desk.write(desk.create(id, 1250)).await.payment.unwrap() });
        let payments = futures_util::future::join_all(outcomes).await;
        assert!(payments.iter().all(|payment| *payment == payments[0]));
        let tries = [&first, &second].map(|desk| desk.write(desk.authorize(id, CODE, PASSWORD)));
        let to_hold = futures_util::future::join_all(tries).await.iter().filter(|outcome| outcome.to_hold).count();
        assert_eq!(to_hold, 1, "one of the two asks the bank");
    }
    first.all_is_well().await;
}

#[tokio::test]
async fn m6_what_a_hub_remembers_is_never_told_or_built_upon_once_another_hub_has_gone_on() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let first = desk(&database).await;
    let second = Desk { person: first.person, ..open(&database, &first.keys, "hub-2").await };
    // What would be written: the good code of a payment that was given up elsewhere.
    let cancelled = first.payment_id();
    first.write(first.create(cancelled, 100)).await.payment.unwrap();
    second.write(Step::Cancel { payment: cancelled, terminal: till() }).await.payment.unwrap();
    let late = first.write(first.authorize(cancelled, CODE, PASSWORD)).await;
    assert_eq!((late.payment, late.to_hold), (Err(Reason::NotAwaitingCode), false));
    // What would only be told: where a payment stands that was reversed elsewhere.
    let paid = first.committed(500).await;
    let reversal = Reversal { payment_id: paid.id, terminal_id: till(), amount: cny(500), leg_id: second.leg() };
    second.write(Step::Reverse(reversal)).await.payment.unwrap();
    let told = first.write(Step::Held { payment: paid.id, held: Held::default() }).await.payment.unwrap();
    assert_eq!(told.state, State::Reversing);
    // A payer's counters: who was blocked elsewhere gets no code here.
    first.write(first.create(first.payment_id(), 100)).await.payment.unwrap();
    for _ in 0..2 {
        let guessed = second.payment_id();
        second.write(second.create(guessed, 100)).await.payment.unwrap();
        for _ in 0..3 {
            let _ = second.write(second.authorize(guessed, "999999", PASSWORD)).await;
        }
    }
    let blocked = first.write(first.create(first.payment_id(), 100)).await.payment.unwrap();
    assert_eq!((blocked.state, blocked.refusal), (State::Declined, Some(Reason::PayerUnavailable)));
    first.all_is_well().await;
}

#[tokio::test]
async fn a_set_that_is_run_again_after_its_commit_gives_the_same_outcomes() {
    for database in databases().await {
        let desk = desk(&database).await;
        let (id, gone) = (desk.payment_id(), desk.payment_id());
        let paid = desk.committed(500).await;
        let reversal = Reversal { payment_id: gone, terminal_id: till(), amount: cny(5), leg_id: desk.leg() };
        let steps = [
            desk.create(id, 1250),
            desk.authorize(id, "999999", PASSWORD),
            desk.authorize(id, CODE, "999999"),
            Step::Reverse(reversal),
            Step::Posted { payment: paid.id },
        ];
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let mut tx = desk.store.begin().await.unwrap();
            outcomes.push(desk.steps.run(&mut tx, &steps).await.unwrap());
            tx.commit().await.unwrap();
            // As after an unknown outcome of COMMIT: what is remembered of the log's head is forgotten.
            desk.steps.dropped(&StoreError::CommitUnknown(String::new()));
        }
        let answers = |outcomes: &[Outcome]| -> Vec<(State, Option<Reason>)> {
            outcomes.iter().map(|o| o.payment.as_ref().map(|p| (p.state, p.refusal)).unwrap()).collect()
        };
        let (first, second) = (answers(&outcomes[0]), answers(&outcomes[1]));
        // The creation's own answer has moved on, because a try came after it in the same set.
        assert_eq!(first[1..], second[1..]);
        assert_eq!(desk.store.fetch("SELECT 1 FROM payments", Vec::new()).await.unwrap().len(), 3);
        desk.all_is_well().await;
    }
}

#[tokio::test]
async fn refunds_come_back_to_the_record_and_to_the_phone() {
    for database in databases().await {
        let desk = desk(&database).await;
        let paid = desk.committed(1250).await;
        desk.write(Step::Posted { payment: paid.id }).await;
        let refund = |minor: i64| NewRefund {
            id: desk.payment_id(),
            original: paid.id,
            terminal_id: till(),
            fingerprint: [1; 32],
            amount: cny(minor),
            leg_id: desk.leg(),
        };
        let first = desk.write(Step::Refund(refund(1000))).await.payment.unwrap();
        let too_much = desk.write(Step::Refund(refund(251))).await.payment;
        assert_eq!(too_much, Err(Reason::RefundTooLarge));
        let second = desk.write(Step::Refund(refund(250))).await.payment.unwrap();
        desk.write(Step::RefundPosted { refund: first.id, original: paid.id }).await;
        desk.write(Step::RefundPosted { refund: first.id, original: paid.id }).await;
        let reason = Reason::AccountClosed;
        desk.write(Step::RefundRefused { refund: second.id, original: paid.id, reason }).await;
        let row = desk.store.fetch_one("SELECT given_back_minor FROM purchases", Vec::new()).await.unwrap().unwrap();
        assert_eq!(row.int(0).unwrap(), 1000);
        assert_eq!(kinds(&desk.events().await), ["CODE", "CHARGE", "REFUND"]);
        desk.all_is_well().await;
    }
}

#[tokio::test]
async fn a_reversal_that_comes_before_its_payment_refuses_it() {
    for database in databases().await {
        let desk = desk(&database).await;
        let id = desk.payment_id();
        let reversal = || Reversal { payment_id: id, terminal_id: till(), amount: cny(1250), leg_id: desk.leg() };
        for _ in 0..2 {
            desk.write(Step::Reverse(reversal())).await.payment.unwrap();
        }
        let late = desk.write(desk.create(id, 1250)).await.payment.unwrap();
        assert_eq!((late.state, late.refusal), (State::Reversed, Some(Reason::ReversedBeforeApproval)));
        assert!(desk.events().await.is_empty(), "no code is sent");
        desk.all_is_well().await;
    }
}

#[tokio::test]
async fn m8_a_changed_row_of_the_log_is_found() {
    for database in databases().await {
        let desk = desk(&database).await;
        desk.committed(1250).await;
        desk.all_is_well().await;
        let mut tx = desk.store.begin().await.unwrap();
        tx.execute("UPDATE audit_log SET entries = replace(entries, 'till-1', 'till-2') WHERE seq = 2", Vec::new())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let chains = audit::verify(&desk.store, desk.keys.as_ref()).await.unwrap();
        assert_eq!(chains[0].faults, ["the page of entries 2 to 2 was changed"]);
        let mut tx = desk.store.begin().await.unwrap();
        tx.execute("DELETE FROM audit_log", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let chains = audit::verify(&desk.store, desk.keys.as_ref()).await.unwrap();
        assert!(chains[0].faults[0].starts_with("the chain ends at entry 0"), "{:?}", chains[0].faults);
    }
}

#[tokio::test]
async fn m8_a_page_that_was_put_before_the_first_and_a_chain_without_a_signature_are_found() {
    for database in databases().await {
        let desk = desk(&database).await;
        desk.committed(1250).await;
        let mut tx = desk.store.begin().await.unwrap();
        let sql = "INSERT INTO audit_log (chain, seq, occurred_at, entries, hash) \
                   SELECT chain, 0, occurred_at, entries, hash FROM audit_log WHERE seq = 1";
        tx.execute(sql, Vec::new()).await.unwrap();
        tx.execute("DELETE FROM audit_heads", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let faults = audit::verify(&desk.store, desk.keys.as_ref()).await.unwrap().remove(0).faults;
        assert!(faults[0].starts_with("the page of entries 0 to 0"), "{faults:?}");
        assert!(faults.contains(&"no head of the chain was ever signed".to_owned()), "{faults:?}");
    }
}

#[tokio::test]
async fn a_desk_whose_name_was_taken_over_writes_nothing() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let desk = desk(&database).await;
    let mut tx = desk.store.begin().await.unwrap();
    let other = desk.ids.uuid().unwrap();
    tx.execute("UPDATE owners SET mark = $1 WHERE name = 'hub-1'", vec![other.into()]).await.unwrap();
    tx.commit().await.unwrap();
    let refused = desk.writer.write(desk.create(desk.payment_id(), 100)).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    assert!(desk.store.fetch("SELECT 1 FROM payments", Vec::new()).await.unwrap().is_empty());
}
