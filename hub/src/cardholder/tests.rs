//! Phones at the hub, on both engines: enrolment, sessions, the feed and the record.

mod asking;
mod consents;
mod enrolling;
mod enrolling_by_sms;
mod listing;
mod owing;
mod sessions;
mod telling;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use domain::notice::ChannelKind;
use domain::payment::Policy;
use domain::{PersonId, PhoneNumber, Reason};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use proto::cardholder as pb;
use proto::cardholder::cardholder_service_server::CardholderService as _;
use proto::operator as operator_pb;
use proto::operator::operator_service_server::OperatorService as _;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use server_kit::audit;
use server_kit::identity::Role;
use server_kit::store::{Owner, WriterOptions};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::{CardholderApi, CardholderOptions, CardholderParts, StrangerLimits};
use crate::bank::{Banks, LinkOptions};
use crate::bills::Bills;
use crate::bills::testing::bill_parts;
use crate::credit_history::CreditHistory;
use crate::directory::{BankInstruments, Directory, DirectoryOptions, OperatorApi, password_matches};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::fees::Fees;
use crate::freeze::{FreezeParts, Freezes};
use crate::habits::Habits;
use crate::limits::PaymentLimits;
use crate::notify::{Notices, NoticesOptions, NoticesParts, tests as notify_tests};
use crate::offers::Offers;
use crate::payment::{Approvals, Desk, DeskOptions};
use crate::reminders::Reminders;
use crate::reminders::testing::reminder_parts;
use crate::repayment::Repayments;
use crate::repayment::testing::repayment_parts;
use crate::safety_code::{SafetyCodeParts, SafetyCodes};
use crate::sign_in::SignIns;
use crate::sign_in::testing::sign_in_parts;
use crate::testing::history::{history_parts, offer_parts};
use crate::testing::past::{CODE, Past};
use crate::testing::{TestHub, from_member, from_stranger, on_each_engine, reason};

/// Long enough for the slowest machine; only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);
const PHONE: &str = "+8613800138000";
const PASSWORD: &str = "314159";

struct NoBank;

impl BankInstruments for NoBank {
    fn follow(
        &self,
        _: &domain::BankId,
        _: domain::payment::Instrument,
    ) -> futures_util::future::BoxFuture<'_, Result<(), Reason>> {
        Box::pin(async { Err(Reason::BankAway) })
    }

    fn masked(
        &self,
        _: &domain::BankId,
        _: domain::payment::Instrument,
    ) -> futures_util::future::BoxFuture<'_, Result<String, Reason>> {
        Box::pin(async { Err(Reason::BankAway) })
    }
}

struct World {
    hub: TestHub,
    directory: Directory,
    operator: OperatorApi,
    api: CardholderApi,
    bills: Bills,
    past: Past,
    notices: Notices,
    draining: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

async fn open(hub: &TestHub, options: CardholderOptions) -> World {
    open_with(hub, options, DirectoryOptions::default()).await
}

fn approvals(hub: &TestHub, directory: &Directory, feed: &Feed, owner: &Arc<Owner>) -> Approvals {
    let (desk, _) = Desk::start(DeskOptions {
        store: hub.store.clone(),
        directory: directory.clone(),
        banks: Banks::played(directory.clone(), LinkOptions { timeout: Duration::from_secs(3), tries: 1 }),
        feed: feed.clone(),
        keys: hub.keys.clone(),
        rng: hub.rng.clone(),
        ids: hub.ids.clone(),
        clock: hub.clock(),
        policy: Policy::default(),
        limits: PaymentLimits::unread(hub.store.clone(), hub.keys.clone(), owner.clone()).0,
        fees: Fees::unread(hub.fee_parts(owner.clone())).0,
        owner: owner.clone(),
        writer: WriterOptions::default(),
        answer_within: Duration::from_secs(3),
    });
    Approvals::new(desk)
}

fn directory_of(hub: &TestHub, of_directory: DirectoryOptions) -> (Directory, JoinHandle<()>) {
    let parts = hub.directory_parts("hub-1");
    // What is cached never ends by itself here, so that a test sees when it is forgotten.
    let of_directory = DirectoryOptions { cache_ttl: Duration::from_secs(3_600), ..of_directory };
    Directory::start(parts, of_directory)
}

async fn open_with(hub: &TestHub, options: CardholderOptions, of_directory: DirectoryOptions) -> World {
    let owner = Arc::new(Owner::take(&hub.store, &hub.id().to_string(), hub.id()).await.unwrap());
    let draining = CancellationToken::new();
    let (directory, directing) = directory_of(hub, of_directory);
    let parts = FeedParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        replica: hub.id(),
        followers: Vec::new(),
        draining: draining.clone(),
    };
    let feed = Feed::new(parts, FeedOptions::default());
    let (habits, _) = Habits::start(hub.store.clone(), owner.clone(), jiff::tz::TimeZone::UTC);
    let (bills, _) = Bills::start(bill_parts(hub, &feed, &owner));
    let (reminders, _) = Reminders::start(reminder_parts(hub, &feed, &owner));
    let (credit_history, _) = CreditHistory::start(history_parts(hub, &feed, owner.clone()));
    let (offers, _) = Offers::start(offer_parts(hub, &feed, owner.clone()));
    let banks = Banks::played(directory.clone(), LinkOptions { timeout: Duration::from_secs(3), tries: 1 });
    let policy = domain::payment::Policy::default();
    let (repayments, _) = Repayments::start(repayment_parts(hub, &feed, &owner, banks, policy));
    let (notices, telling) = Notices::start(
        NoticesParts { replica: "hub-1".to_owned(), ..notify_tests::parts(hub) },
        NoticesOptions::default(),
        ChannelKind::ALL.to_vec(),
    );
    let (freezes, _) = Freezes::start(FreezeParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        banks: Banks::played(directory.clone(), LinkOptions { timeout: Duration::from_secs(3), tries: 1 }),
        feed: feed.clone(),
        owner: owner.clone(),
        policy: Policy::default(),
        safety: domain::safety_code::Policy::default(),
    });
    let safety_codes = safety_codes(hub, &feed, &owner);
    let (sign_ins, _) = SignIns::start(sign_in_parts(hub, &feed, owner.clone()));
    let parts = CardholderParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        rng: hub.rng.clone(),
        ids: hub.ids.clone(),
        directory: directory.clone(),
        feed: feed.clone(),
        habits,
        bills: bills.clone(),
        reminders,
        credit_history,
        freezes,
        approvals: approvals(hub, &directory, &feed, &owner),
        safety_codes,
        sign_ins,
        offers,
        repayments,
        notices: notices.clone(),
        codes: domain::enrolment::Policy::default(),
        payments: Policy::default(),
        replica: "hub-1".to_owned(),
    };
    let (api, mut tasks) = CardholderApi::start(parts, options);
    tasks.extend([directing, telling]);
    let operator = OperatorApi::new(directory.clone(), Arc::new(NoBank), notices.clone());
    let past = Past::new(hub, &feed);
    World { hub: hub.clone(), directory, operator, api, bills, past, notices, draining, tasks }
}

fn safety_codes(hub: &TestHub, feed: &Feed, owner: &Arc<Owner>) -> SafetyCodes {
    let parts = SafetyCodeParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        feed: feed.clone(),
        owner: owner.clone(),
        policy: domain::safety_code::Policy::default(),
        payments: Policy::default(),
    };
    SafetyCodes::start(parts).0
}

/// A phone with its key.
struct Phone {
    key: EcdsaKeyPair,
}

impl Phone {
    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    fn new() -> Self {
        let rng = ring::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        Self { key }
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(&ring::rand::SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn enrolment(&self, phone: &str, code: &str, password: &str) -> pb::EnrolDeviceRequest {
        pb::EnrolDeviceRequest {
            phone_number: phone.to_owned(),
            enrolment_code: code.to_owned(),
            device_public_key: self.key.public_key().as_ref().to_vec(),
            signature: self.sign(format!("bankhub.v1.enrol\n{phone}\n{code}").as_bytes()),
            transaction_password: password.to_owned(),
        }
    }

    fn opening(&self, device_id: &str, nonce: Vec<u8>) -> pb::OpenSessionRequest {
        let message = [format!("bankhub.v1.session\n{device_id}\n").as_bytes(), &nonce].concat();
        pb::OpenSessionRequest { device_id: device_id.to_owned(), signature: self.sign(&message), nonce }
    }
}

fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = from_stranger(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

impl World {
    async fn register(&self, phone: &str) -> String {
        let person = operator_pb::RegisterPersonRequest {
            person_id: self.hub.id().to_string(),
            phone_number: phone.to_owned(),
            name: "王小明".to_owned(),
        };
        let request = from_member(Role::Operator, "anna", person);
        self.operator.register_person(request).await.unwrap().into_inner().person_id
    }

    async fn code(&self, person_id: &str) -> String {
        let message = operator_pb::IssueEnrolmentCodeRequest { person_id: person_id.to_owned() };
        let request = from_member(Role::Operator, "anna", message);
        self.operator.issue_enrolment_code(request).await.unwrap().into_inner().enrolment_code
    }

    async fn enrol(&self, request: pb::EnrolDeviceRequest) -> Result<String, Status> {
        self.api.enrol_device(from_stranger(request)).await.map(|answer| answer.into_inner().device_id)
    }

    async fn nonce(&self, device_id: &str) -> Vec<u8> {
        let request = pb::BeginSessionRequest { device_id: device_id.to_owned() };
        self.api.begin_session(from_stranger(request)).await.unwrap().into_inner().nonce
    }

    async fn open_session(&self, request: pb::OpenSessionRequest) -> Result<String, Status> {
        self.api.open_session(from_stranger(request)).await.map(|answer| answer.into_inner().token)
    }

    /// A person with a phone that has a session open.
    async fn phone_in_session(&self, phone: &str) -> InSession {
        let person_id = self.register(phone).await;
        let code = self.code(&person_id).await;
        let device = Phone::new();
        let device_id = self.enrol(device.enrolment(phone, &code, PASSWORD)).await.unwrap();
        let nonce = self.nonce(&device_id).await;
        let token = self.open_session(device.opening(&device_id, nonce)).await.unwrap();
        InSession { person_id: PersonId::parse(&person_id).unwrap(), device, device_id, token }
    }

    async fn list(&self, token: &str, page_size: i32, page_token: &str) -> Result<pb::ListPaymentsResponse, Status> {
        let request = pb::ListPaymentsRequest { page_size, page_token: page_token.to_owned(), filter: None };
        self.api.list_payments(with_token(token, request)).await.map(tonic::Response::into_inner)
    }

    async fn acknowledge(&self, token: &str, through_sequence: i64) -> Result<i64, Status> {
        let request = pb::AcknowledgeEventsRequest { through_sequence };
        let answer = self.api.acknowledge_events(with_token(token, request)).await;
        answer.map(|answer| answer.into_inner().acknowledged_sequence)
    }

    async fn change(&self, sql: &'static str) {
        let mut tx = self.hub.store.begin().await.unwrap();
        assert!(tx.execute(sql, Vec::new()).await.unwrap() >= 1);
        tx.commit().await.unwrap();
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
    }
}

struct InSession {
    person_id: PersonId,
    device: Phone,
    device_id: String,
    token: String,
}
