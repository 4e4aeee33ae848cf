//! People who have lost something: their banks, their phones, and the desk that they call.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::card::{Pan, Pin};
use domain::feed::EventKind;
use domain::payment::FrozenInstrument;
use domain::safety_code::{Policy, SafetyCode, SetForm};
use domain::{BankId, DeviceId, OrderId, PersonId, PhoneNumber, Reason};
use futures_util::StreamExt as _;
use proto::{cardholder, federation, operator};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use secrecy::SecretString;
use server_kit::clock::Clock as _;
use server_kit::shown::holds;
use server_kit::store::{Owner, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::TestHub;
use super::bank::PlayedBank;
use super::past::register;
use crate::bank::{Banks, LinkOptions};
use crate::directory::{Directory, DirectoryOptions, password_mac, phone_hash};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::freeze::{FreezeParts, Freezes};
use crate::payment::sql::load_guards;
use crate::safety_code::{SafetyCodeParts, SafetyCodes};
use crate::voice::{Desk as _, HubDesk, HubDeskParts, VoicePinPad};

pub(crate) const PASSWORD: &str = "271828";
pub(crate) const CODE: &str = "314159";
pub(crate) const PAN: &str = "6228480000000015";

/// A replica of the hub.
#[derive(Clone)]
pub(crate) struct Lost {
    pub(crate) hub: TestHub,
    pub(crate) feed: Feed,
    pub(crate) freezes: Freezes,
    pub(crate) safety_codes: SafetyCodes,
    pub(crate) desk: HubDesk,
}

pub(crate) struct Caller {
    pub(crate) id: PersonId,
    pub(crate) phone: PhoneNumber,
    pub(crate) device_id: DeviceId,
    key: EcdsaKeyPair,
}

pub(crate) fn code(text: &str) -> SafetyCode {
    SafetyCode::parse(text).unwrap()
}

impl Caller {
    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    pub(crate) fn signed(&self, form: &SetForm) -> cardholder::SetSafetyCodeRequest {
        let text = form.text();
        let message = format!("bankhub.v1.safety_code\n{}\n{text}", self.device_id);
        let signature = self.key.sign(&ring::rand::SystemRandom::new(), message.as_bytes()).unwrap();
        let signature = signature.as_ref().to_vec();
        cardholder::SetSafetyCodeRequest { text, signature, transaction_password: PASSWORD.to_owned() }
    }
}

impl Lost {
    pub(crate) async fn replica(hub: &TestHub, name: &str) -> Self {
        Self::replica_of(hub, name, true).await
    }

    pub(crate) async fn replica_of(hub: &TestHub, name: &str, has_key: bool) -> Self {
        let mark = hub.id();
        let (directory, _) = Directory::start(
            hub.directory_parts(name),
            DirectoryOptions { cache_ttl: Duration::ZERO, ..DirectoryOptions::default() },
        );
        let banks = Banks::played(directory.clone(), LinkOptions { timeout: Duration::from_secs(20), tries: 1 });
        let parts = FeedParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            replica: mark,
            followers: Vec::new(),
            draining: CancellationToken::new(),
        };
        let feed = Feed::new(parts, FeedOptions::default());
        let owner = Arc::new(Owner::take(&hub.store, name, mark).await.unwrap());
        let (freezes, _) = Freezes::start(FreezeParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            banks: banks.clone(),
            feed: feed.clone(),
            owner: owner.clone(),
            policy: domain::payment::Policy::default(),
            safety: Policy::default(),
        });
        let (safety_codes, _) = SafetyCodes::start(SafetyCodeParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            feed: feed.clone(),
            owner,
            policy: Policy::default(),
            payments: domain::payment::Policy::default(),
        });
        let key = SecretString::from("00112233445566778899aabbccddeeff");
        let desk = HubDesk::new(HubDeskParts {
            store: hub.store.clone(),
            directory,
            banks,
            freezes: freezes.clone(),
            safety_codes: safety_codes.clone(),
            rng: hub.rng.clone(),
            pin_pad: has_key.then(|| Arc::new(VoicePinPad::new("hub-voice", &key).unwrap())),
            calls_per_number_per_minute: NonZeroU32::new(1_000).unwrap(),
            calls_in_all_per_minute: NonZeroU32::new(10_000).unwrap(),
        });
        Self { hub: hub.clone(), feed, freezes, safety_codes, desk }
    }

    /// A replica, a bank, and somebody with an account and a card at it.
    pub(crate) async fn open(hub: &TestHub) -> (Self, PlayedBank, Caller, (Uuid, Uuid)) {
        let (world, bank) = (Self::replica(hub, "hub-1").await, PlayedBank::default());
        world.bank("bank-a", &bank.open().await).await;
        let caller = world.person("+8613800138001").await;
        let account = world.bind("bank-a", &caller, "ACCOUNT").await;
        let card = world.bind("bank-a", &caller, "CARD").await;
        let sql = "INSERT INTO bin_ranges (bank_id, first, last, digits, product) VALUES ($1, $2, $2, 16, 'COMBINED')";
        world.change(sql, vec!["bank-a".into(), "622848".into()]).await;
        bank.knows_card(PAN, &card.to_string());
        (world, bank, caller, (account, card))
    }

    pub(crate) async fn bank(&self, id: &str, endpoint: &str) {
        let sql = "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ($1, 1, $2, $3, 0)";
        self.change(sql, vec![id.into(), format!("The {id}").into(), endpoint.into()]).await;
    }

    pub(crate) async fn bind(&self, bank: &str, caller: &Caller, kind: &str) -> Uuid {
        let id = self.hub.id();
        let sql = "INSERT INTO bindings (bank_id, instrument_id, version, instrument, person_id, masked, active, \
                   is_default, bound_at) VALUES ($1, $2, 1, $3, $4, $5, 1, 0, 0)";
        let masked = format!("****{}", &id.simple().to_string()[28..]);
        let args = vec![bank.into(), id.into(), kind.into(), caller.id.uuid().into(), masked.into()];
        self.change(sql, args).await;
        id
    }

    pub(crate) async fn change(&self, sql: &'static str, args: Vec<Value>) {
        let mut tx = self.hub.store.begin().await.unwrap();
        tx.execute(sql, args).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    pub(crate) async fn person(&self, phone: &str) -> Caller {
        let (id, device_id) = (PersonId::from_uuid(self.hub.id()), DeviceId::from_uuid(self.hub.id()));
        let phone = PhoneNumber::parse(phone).unwrap();
        let rng = ring::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        register(&self.hub, id).await;
        let mac = password_mac(&*self.hub.keys, &id, PASSWORD).unwrap();
        let hash = phone_hash(&*self.hub.keys, &phone).unwrap();
        let sql = "INSERT INTO persons (person_id, version, phone_hash, phone_sealed, name_sealed, password_mac, \
                   registered_at) VALUES ($1, 1, $2, $3, $3, $4, 0)";
        let args = vec![id.uuid().into(), hash.to_vec().into(), Vec::<u8>::new().into(), mac.to_vec().into()];
        self.change(sql, args).await;
        let sql = "INSERT INTO devices (device_id, version, person_id, public_key, revoked, acknowledged_sequence, \
                   enrolled_at) VALUES ($1, 1, $2, $3, 0, 0, 0)";
        let public = key.public_key().as_ref().to_vec();
        self.change(sql, vec![device_id.uuid().into(), id.uuid().into(), public.into()]).await;
        Caller { id, phone, device_id, key }
    }

    pub(crate) fn order_id(&self) -> OrderId {
        OrderId::from_uuid(self.hub.id())
    }

    /// A check by a bank's counter, of whoever has this account.
    pub(crate) fn check(&self, account: Uuid) -> federation::AllowSafetyCodeRequest {
        use federation::allow_safety_code_request::Instrument;
        federation::AllowSafetyCodeRequest {
            check_id: self.hub.id().to_string(),
            instrument: Some(Instrument::AccountId(account.to_string())),
            checked_by: "operator/op-1".to_owned(),
            checked_how: "ID card and photo".to_owned(),
            holds_number: false,
        }
    }

    pub(crate) async fn allow(
        &self,
        bank: &str,
        request: &federation::AllowSafetyCodeRequest,
    ) -> Result<federation::AllowSafetyCodeResponse, Reason> {
        self.safety_codes.allow_for_bank(BankId::parse(bank).unwrap(), request).await.unwrap()
    }

    pub(crate) fn operators_check(&self, caller: &Caller) -> operator::AllowSafetyCodeRequest {
        operator::AllowSafetyCodeRequest {
            check_id: self.hub.id().to_string(),
            person_id: caller.id.to_string(),
            checked_how: "passport".to_owned(),
            holds_number: false,
        }
    }

    /// What the phone signs.
    pub(crate) fn sign(&self, caller: &Caller, safety_code: &str) -> cardholder::SetSafetyCodeRequest {
        let (order_id, signed_at) = (self.order_id(), self.hub.clock.now());
        caller.signed(&SetForm { order_id, signed_at, code: code(safety_code) })
    }

    pub(crate) async fn set_by_app(
        &self,
        caller: &Caller,
        request: cardholder::SetSafetyCodeRequest,
    ) -> Result<(), Reason> {
        let set = self.safety_codes.set_by_app(caller.id, caller.device_id, request).await;
        set.map(|_| ()).map_err(|status| proto::reason_of(&status).unwrap())
    }

    pub(crate) async fn set_by_card(&self, phone: &PhoneNumber, safety_code: &str) -> Result<(), Reason> {
        let (pan, pin) = (Pan::parse(PAN).unwrap(), Pin::parse("271828").unwrap());
        self.desk.set_safety_code(phone, &pan, &pin, &code(safety_code)).await
    }

    /// Somebody who has set a code.
    pub(crate) async fn has_code(&self, caller: &Caller, account: Uuid) {
        self.allow("bank-a", &self.check(account)).await.unwrap();
        self.set_by_app(caller, self.sign(caller, CODE)).await.unwrap();
    }

    /// From what of the person the payments of this hub let nothing out.
    pub(crate) async fn blocked(&self, caller: &Caller) -> usize {
        let mut tx = self.hub.store.begin().await.unwrap();
        let mut guards = load_guards(&mut tx, vec![caller.id.uuid()], false).await.unwrap();
        guards.remove(&caller.id).unwrap().0.value.frozen.iter().map(FrozenInstrument::words).count()
    }

    /// What the person was told, from the first on.
    pub(crate) async fn told(&self, caller: &Caller) -> Vec<String> {
        let sql = "SELECT last_sequence FROM payers WHERE person_id = $1";
        let row = self.hub.store.fetch_one(sql, vec![caller.id.uuid().into()]).await.unwrap().unwrap();
        let last = usize::try_from(row.int(0).unwrap()).unwrap();
        let mut watch = self.feed.watch(caller.id, 0).unwrap();
        let mut told = Vec::new();
        while told.len() < last {
            let event = watch.next().await.unwrap().unwrap();
            let EventKind::News(news) = &event.kind else { panic!("{event:?}") };
            assert_eq!(news.topic, domain::feed::Topic::Security, "nobody can turn it off");
            told.push(news.english.clone());
        }
        told
    }

    /// The lines of the log, of this kind.
    pub(crate) async fn logged(&self, kind: &str) -> Vec<String> {
        let rows = self.hub.store.fetch("SELECT entries FROM audit_log", Vec::new()).await.unwrap();
        let text: String = rows.iter().map(|row| row.text(0).unwrap() + "\n").collect();
        for secret in [CODE, PASSWORD, PAN, "13800138001"] {
            assert!(!holds(&text, secret), "{secret} is in the log: {text}");
        }
        text.lines().filter(|line| line.contains(kind)).map(str::to_owned).collect()
    }

    pub(crate) async fn books_are_fine(&self) {
        let report = crate::check_books(&self.hub.store).await.unwrap();
        assert_eq!(report.faults, Vec::<String>::new(), "{}", self.hub.engine);
    }
}
