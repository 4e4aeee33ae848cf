//! Credit history on both engines: people with phones and bills, and banks that ask.

mod consents;
mod habits;
mod inquiries;
mod log;
mod replicas;
mod retention;

use std::sync::Arc;

use domain::credit_history::{ConsentForm, Field, Fields, InquiryRecord, Purpose, Standing};
use domain::feed::{EventKind, News, Topic};
use domain::text::Line;
use domain::{BankId, ConsentId, DeviceId, PersonId, PhoneNumber, Reason, Timestamp};
use futures_util::StreamExt as _;
use jiff::ToSpan as _;
use jiff::civil::Date;
use proto::{cardholder as phone_pb, federation as pb};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use server_kit::store::{Owner, Value};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use super::*;
use crate::directory::{phone_hash, seal_name};
use crate::feed::{FeedOptions, FeedParts};
use crate::testing::history::history_parts;
use crate::testing::past::register;
use crate::testing::{TestHub, on_each_engine, reason};

const HOUR: i64 = 3_600;

fn bank(id: &str) -> Asker {
    Asker::Bank(BankId::parse(id).unwrap())
}

/// One replica of a hub.
struct World {
    hub: TestHub,
    feed: Feed,
    history: CreditHistory,
}

/// Somebody with a name, a number and a phone.
struct Person {
    id: PersonId,
    name: &'static str,
    number: &'static str,
    device_id: DeviceId,
    key: EcdsaKeyPair,
}

impl World {
    async fn open(hub: &TestHub) -> Self {
        let world = Self::replica(hub, "hub-1").await;
        for bank in ["bank-a", "bank-b", "bank-c"] {
            let sql =
                "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ($1, 1, $2, '', 0)";
            world.change(sql, vec![bank.into(), format!("The {bank}").into()]).await;
        }
        world
    }

    async fn replica(hub: &TestHub, name: &str) -> Self {
        Self::with(hub, name, 1_000).await
    }

    async fn with(hub: &TestHub, name: &str, per_minute: u32) -> Self {
        let inquiries_per_bank_per_minute = NonZeroU32::new(per_minute).unwrap();
        Self::made(hub, name, |parts| CreditHistoryParts { inquiries_per_bank_per_minute, ..parts }).await
    }

    async fn made(hub: &TestHub, name: &str, change: impl FnOnce(CreditHistoryParts) -> CreditHistoryParts) -> Self {
        let mark = hub.id();
        let feed = Feed::new(
            FeedParts {
                store: hub.store.clone(),
                keys: hub.keys.clone(),
                clock: hub.clock(),
                replica: mark,
                followers: Vec::new(),
                draining: CancellationToken::new(),
            },
            FeedOptions::default(),
        );
        let owner = Arc::new(Owner::take(&hub.store, name, mark).await.unwrap());
        let (history, _) = CreditHistory::start(change(history_parts(hub, &feed, owner)));
        Self { hub: hub.clone(), feed, history }
    }

    async fn change(&self, sql: &'static str, args: Vec<Value>) -> u64 {
        let mut tx = self.hub.store.begin().await.unwrap();
        let touched = tx.execute(sql, args).await.unwrap();
        tx.commit().await.unwrap();
        touched
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    async fn person(&self, name: &'static str, number: &'static str) -> Person {
        let (id, device_id) = (PersonId::from_uuid(self.hub.id()), DeviceId::from_uuid(self.hub.id()));
        let rng = ring::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        register(&self.hub, id).await;
        let hash = self.hash(number);
        let sealed = seal_name(&*self.hub.keys, id, &Line::parse(name).unwrap()).unwrap();
        let sql = "INSERT INTO persons (person_id, version, phone_hash, phone_sealed, name_sealed, registered_at) \
                   VALUES ($1, 1, $2, $3, $4, 0)";
        self.change(sql, vec![id.uuid().into(), hash.into(), Vec::<u8>::new().into(), sealed.into()]).await;
        let sql = "INSERT INTO devices (device_id, version, person_id, public_key, revoked, acknowledged_sequence, \
                   enrolled_at) VALUES ($1, 1, $2, $3, 0, 0, 0)";
        let public_key = key.public_key().as_ref().to_vec();
        self.change(sql, vec![device_id.uuid().into(), id.uuid().into(), public_key.into()]).await;
        Person { id, name, number, device_id, key }
    }

    fn hash(&self, number: &str) -> Vec<u8> {
        phone_hash(&*self.hub.keys, &PhoneNumber::parse(number).unwrap()).unwrap().to_vec()
    }

    /// A number is another person's from now on.
    async fn pass_number(&self, number: &str, from: &Person, to: &Person) {
        let sql = "UPDATE persons SET phone_hash = $1 WHERE person_id = $2";
        let none = sha256(self.hub.id().as_bytes()).to_vec();
        self.change(sql, vec![none.into(), from.id.uuid().into()]).await;
        self.change(sql, vec![self.hash(number).into(), to.id.uuid().into()]).await;
    }

    fn today(&self) -> Date {
        crate::zone::day_of(self.hub.clock().now(), &TimeZone::UTC).unwrap()
    }

    /// A bill over 1,500.00 that was closed so many days ago.
    async fn bill(&self, person: &Person, bank: &str, closed_days_ago: i64, standing: &str) {
        let closed_on = self.today().saturating_sub(closed_days_ago.days());
        let standing = Standing::parse(standing).unwrap().to_string();
        let bill_id = self.hub.id();
        let sql = "INSERT INTO bills (person_id, bank_id, account_id, currency, closed_on, version, report_version, \
                   account_masked, opened_on, due_on, closing_minor, minimum_minor, paid_minor, standing, bill_id, fingerprint) \
                   VALUES ($1, $2, $3, 'CNY', $4, 1, 1, '****4821', $4, $5, 150000, 15000, 0, $6, $7, $8)";
        let args = vec![
            person.id.uuid().into(),
            bank.into(),
            self.hub.id().into(),
            closed_on.to_string().into(),
            closed_on.saturating_add(20.days()).to_string().into(),
            standing.into(),
            bill_id.into(),
            vec![0; 32].into(),
        ];
        self.change(sql, args).await;
        let sql = "INSERT INTO bill_lines (bill_id, version, lines) VALUES ($1, 1, '[]')";
        self.change(sql, vec![bill_id.into()]).await;
    }

    /// What the person signs for a loan at bank-c: summary and arrears, from an hour ago for a day.
    fn form(&self, person: &Person) -> ConsentForm {
        let now = self.hub.clock().now().micros() / 1_000_000;
        ConsentForm {
            id: ConsentId::from_uuid(self.hub.id()),
            person_id: person.id,
            asker: bank("bank-c"),
            purpose: Purpose::LoanApplication,
            fields: Fields::new([Field::Summary, Field::Arrears]).unwrap(),
            from: Timestamp::from_secs(now - HOUR),
            until: Timestamp::from_secs(now + 23 * HOUR),
        }
    }

    async fn give(&self, person: &Person, form: &ConsentForm) -> Result<phone_pb::Consent, Status> {
        self.send(person, person.signed(&form.to_string())).await
    }

    async fn send(&self, person: &Person, request: phone_pb::GiveConsentRequest) -> Result<phone_pb::Consent, Status> {
        let given = self.history.give_consent(person.id, person.device_id, request).await;
        given.map(|given| given.consent.unwrap())
    }

    async fn given(&self, person: &Person) -> ConsentForm {
        let form = self.form(person);
        self.give(person, &form).await.unwrap();
        form
    }

    /// A consent that has been there for longer than a test wants to wait.
    async fn stored(&self, person: &Person, form: ConsentForm) -> ConsentForm {
        let mut tx = self.hub.store.begin().await.unwrap();
        let consent =
            domain::credit_history::Consent::stored(form.clone(), domain::credit_history::ConsentState::Given);
        let stored = sql::StoredConsent { consent, device_id: person.device_id, given_at: form.from, version: 1 };
        sql::insert_consent(&mut tx, &*self.hub.keys, &stored, &[]).await.unwrap();
        tx.commit().await.unwrap();
        form
    }

    /// What bank-c asks about a person under a consent.
    fn inquiry(&self, person: &Person, consent: &ConsentForm) -> pb::InquireCreditHistoryRequest {
        pb::InquireCreditHistoryRequest {
            inquiry_id: self.hub.id().to_string(),
            name: person.name.to_owned(),
            phone_number: person.number.to_owned(),
            purpose: pb::InquiryPurpose::LoanApplication.into(),
            fields: vec![pb::ReportField::Summary.into(), pb::ReportField::Arrears.into()],
            consent_id: consent.id.to_string(),
        }
    }

    async fn ask(&self, request: &pb::InquireCreditHistoryRequest) -> Result<pb::InquireCreditHistoryResponse, Reason> {
        self.ask_as("bank-c", request).await
    }

    async fn ask_as(
        &self,
        bank: &str,
        request: &pb::InquireCreditHistoryRequest,
    ) -> Result<pb::InquireCreditHistoryResponse, Reason> {
        self.history.inquire(BankId::parse(bank).unwrap(), request).await.unwrap()
    }

    async fn consents(&self, person: &Person) -> Vec<(String, phone_pb::ConsentState)> {
        let request = phone_pb::ListConsentsRequest::default();
        let listed = self.history.list_consents(person.id, &request).await.unwrap();
        listed.consents.iter().map(|it| (it.consent_id.clone(), it.state())).collect()
    }

    async fn revoke(&self, person: &Person, consent: &ConsentForm) -> Result<phone_pb::ConsentState, Status> {
        let request = phone_pb::RevokeConsentRequest { consent_id: consent.id.to_string() };
        let revoked = self.history.revoke_consent(person.id, &request).await;
        revoked.map(|revoked| revoked.consent.unwrap().state())
    }

    /// The log as the person's phone gets and verifies it.
    async fn log(&self, person: &Person) -> Vec<InquiryRecord> {
        let request = phone_pb::ListInquiriesRequest::default();
        let log = self.history.list_inquiries(person.id, &request).await.unwrap();
        let read = |it: &phone_pb::Inquiry| {
            assert_eq!(it.hash, sha256(it.record.as_bytes()));
            InquiryRecord::parse(&it.record).unwrap()
        };
        let records: Vec<InquiryRecord> = log.inquiries.iter().map(read).collect();
        let last = domain::credit_history::check_chain(person.id, &records, sha256).unwrap();
        assert_eq!((log.last_hash, log.last_number), (last.to_vec(), records.len() as i64));
        records
    }

    /// What the person was told, so much of it.
    async fn news(&self, person: &Person, count: usize) -> Vec<News> {
        let events = self.feed.watch(person.id, 0).unwrap().take(count);
        let news = events.map(|event| match &event.unwrap().kind {
            EventKind::News(news) => news.clone(),
            other => panic!("{other:?}"),
        });
        news.collect().await
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
    }

    /// How many rows there are of everything that this capability writes.
    async fn rows(&self) -> [i64; 5] {
        [
            self.count("SELECT count(*) FROM consents").await,
            self.count("SELECT count(*) FROM inquiry_log").await,
            self.count("SELECT count(*) FROM inquiry_answers").await,
            self.count("SELECT count(*) FROM events").await,
            self.count("SELECT count(*) FROM audit_log").await,
        ]
    }

    /// What the hub's own check finds.
    async fn faults(&self) -> Vec<String> {
        crate::check_books(&self.hub.store).await.unwrap().faults
    }
}

impl Person {
    /// What the phone sends of a text that it has signed.
    fn signed(&self, text: &str) -> phone_pb::GiveConsentRequest {
        let message = format!("bankhub.v1.consent\n{}\n{text}", self.device_id);
        phone_pb::GiveConsentRequest {
            text: text.to_owned(),
            device_id: self.device_id.to_string(),
            signature: self.sign(message.as_bytes()),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(&ring::rand::SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

const WANG: (&str, &str) = ("王小明", "+8613800138000");
const LI: (&str, &str) = ("李雷", "+8613800138001");
