//! Offers on both engines: people with phones who buy, banks that offer, and operators who look at it.

mod bad;
mod delivering;
mod replicas;

use std::time::Duration;

use domain::feed::{EventKind, News, Topic};
use domain::text::Line;
use domain::{BankId, DeviceId, OfferId, PersonId, PhoneNumber, Reason};
use futures_util::StreamExt as _;
use proto::{cardholder as phone_pb, common, federation as pb, operator as operator_pb};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use server_kit::store::Value;
use tonic::Status;
use uuid::Uuid;

use super::*;
use crate::directory::{phone_hash, seal_name, seal_phone};
use crate::follow::Followers;
use crate::records::testing::{POSTED, REVERSED, World as Records, purchase};
use crate::testing::history::offer_parts;
use crate::testing::{TestHub, on_each_engine, reason};

const NUMBER: &str = "+8613800138000";

/// One replica of a hub, with banks that report and offer.
pub(super) struct World {
    pub(super) hub: TestHub,
    pub(super) records: Records,
    pub(super) offers: Offers,
}

/// Somebody with an account at bank-a and a phone.
pub(super) struct Person {
    pub(super) id: PersonId,
    pub(super) account: Uuid,
    pub(super) device_id: DeviceId,
    key: EcdsaKeyPair,
}

pub(super) fn bank(id: &str) -> BankId {
    BankId::parse(id).unwrap()
}

impl World {
    pub(super) async fn open(hub: &TestHub) -> Self {
        let world = Self::replica(hub, "hub-1").await;
        for bank in ["bank-a", "bank-b"] {
            let sql =
                "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ($1, 1, $2, '', 0)";
            world.change(sql, vec![bank.into(), format!("The {bank}").into()]).await;
        }
        world
    }

    pub(super) async fn replica(hub: &TestHub, name: &str) -> Self {
        let records = Records::followed(hub, name, &Followers::default()).await;
        let owner = Arc::new(Owner::take(&hub.store, &format!("{name}-offers"), hub.id()).await.unwrap());
        let (offers, _) = Offers::start(offer_parts(hub, &records.feed, owner));
        Self { hub: hub.clone(), records, offers }
    }

    pub(super) async fn change(&self, sql: &'static str, args: Vec<Value>) -> u64 {
        let mut tx = self.hub.store.begin().await.unwrap();
        let touched = tx.execute(sql, args).await.unwrap();
        tx.commit().await.unwrap();
        touched
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    pub(super) async fn person(&self) -> Person {
        let (id, account) = self.records.person("bank-a").await;
        let device_id = DeviceId::from_uuid(self.hub.id());
        let rng = ring::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        let keys = &*self.hub.keys;
        let number = PhoneNumber::parse(NUMBER).unwrap();
        // Several people here have one number, which is nobody's business.
        let hash = [phone_hash(keys, &number).unwrap().as_slice(), id.uuid().as_bytes()].concat();
        let name = seal_name(keys, id, &Line::parse("王小明").unwrap()).unwrap();
        let phone = seal_phone(keys, id, &number).unwrap();
        let sql = "INSERT INTO persons (person_id, version, phone_hash, phone_sealed, name_sealed, registered_at) \
                   VALUES ($1, 1, $2, $3, $4, 0)";
        self.change(sql, vec![id.uuid().into(), hash.into(), phone.into(), name.into()]).await;
        let sql = "INSERT INTO devices (device_id, version, person_id, public_key, revoked, acknowledged_sequence, \
                   enrolled_at) VALUES ($1, 1, $2, $3, 0, 0, 0)";
        let public_key = key.public_key().as_ref().to_vec();
        self.change(sql, vec![device_id.uuid().into(), id.uuid().into(), public_key.into()]).await;
        Person { id, account, device_id, key }
    }

    /// The person buys tea for 10.00 now, so often.
    pub(super) async fn buys(&mut self, person: &Person, times: usize) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for _ in 0..times {
            let id = self.hub.id();
            let report = purchase(person.account, id, 1, POSTED, 1_000, 0);
            self.records.send("bank-a", &[self.at_once(report)]).await.unwrap();
            ids.push(id);
        }
        ids
    }

    pub(super) fn at_once(&self, report: pb::PurchaseReport) -> pb::PurchaseReport {
        let at = Some(proto::to_timestamp(self.hub.clock().now()));
        pb::PurchaseReport { occurred_at: at, ..report }
    }

    /// An offer to whoever has bought at restaurants so often in four weeks: from now for a week.
    pub(super) fn filing(&self, least_count: u32, budget: u32) -> common::OfferFiling {
        let now = self.hub.clock().now();
        let words = |en: &str, zh: &str| Some(common::Wording { text_en: en.to_owned(), text_zh: zh.to_owned() });
        common::OfferFiling {
            offer_id: self.hub.id().to_string(),
            title: words("5 % back on tea", "茶饮返现5%"),
            text: words("Pay with our card this month.", "本月刷卡消费。"),
            rule: Some(common::OfferRule {
                target: "code:5814".to_owned(),
                within_days: 28,
                least_count: Some(least_count),
                ..common::OfferRule::default()
            }),
            valid_from: Some(proto::to_timestamp(now)),
            valid_until: Some(proto::to_timestamp(now.plus(Duration::from_secs(7 * 86_400)))),
            budget,
        }
    }

    pub(super) async fn file_as(&self, id: &str, filing: common::OfferFiling) -> Result<common::Offer, Reason> {
        let request = pb::FileOfferRequest { filing: Some(filing) };
        self.offers.file(bank(id), &request).await.unwrap().map(|filed| filed.offer.unwrap())
    }

    /// Files an offer of bank-a and lets it run.
    pub(super) async fn runs(&self, filing: common::OfferFiling) -> OfferId {
        let id = OfferId::parse(&filing.offer_id).unwrap();
        self.file_as("bank-a", filing).await.unwrap();
        self.start(id).await.unwrap();
        id
    }

    pub(super) async fn start(&self, id: OfferId) -> Result<common::Offer, Reason> {
        let request = operator_pb::StartOfferRequest { offer_id: id.to_string() };
        let started = self.offers.start_one("anna".to_owned(), &request).await.unwrap();
        started.map(|started| started.offer.unwrap())
    }

    pub(super) async fn withdraw(&self, id: OfferId) -> Result<common::Offer, Reason> {
        let request = pb::WithdrawOfferRequest { offer_id: id.to_string() };
        self.offers.withdraw(bank("bank-a"), &request).await.unwrap().map(|withdrawn| withdrawn.offer.unwrap())
    }

    /// What bank-a is told of its offer.
    pub(super) async fn told(&self, id: OfferId) -> (common::Offer, Vec<common::OfferAcceptance>) {
        let request = pb::GetOfferRequest { offer_id: id.to_string(), ..pb::GetOfferRequest::default() };
        let got = self.offers.get(bank("bank-a"), &request).await.unwrap().unwrap();
        (got.offer.unwrap(), got.acceptances)
    }

    /// What the person signs to get offers of a bank, now.
    pub(super) fn agreement(&self, person: &Person, banks: &str, most_a_week: u8) -> String {
        let at = jiff::Timestamp::from_microsecond(self.hub.clock().now().micros()).unwrap();
        let id = person.id;
        format!("bankhub offers v1\nperson: {id}\nbanks: {banks}\nmost a week: {most_a_week}\nat: {at}\n")
    }

    pub(super) async fn send_agreement(
        &self,
        person: &Person,
        text: &str,
    ) -> Result<phone_pb::OfferPreferences, Status> {
        let request = phone_pb::SetOfferPreferencesRequest {
            text: text.to_owned(),
            device_id: person.device_id.to_string(),
            signature: person.sign("bankhub.v1.offers\n", text),
        };
        let agreed = self.offers.agree(person.id, person.device_id, request).await;
        agreed.map(|agreed| agreed.preferences.unwrap())
    }

    pub(super) async fn agrees(&self, person: &Person, most_a_week: u8) {
        self.send_agreement(person, &self.agreement(person, "bank-a", most_a_week)).await.unwrap();
    }

    pub(super) async fn stops(&self, person: &Person) {
        let stopped = self.offers.stop(person.id, &phone_pb::StopOffersRequest::default()).await.unwrap();
        assert!(stopped.preferences.unwrap().bank_ids.is_empty());
    }

    pub(super) async fn got(&self, person: &Person) -> Vec<phone_pb::PersonOffer> {
        let request = phone_pb::ListOffersRequest::default();
        self.offers.list_got(person.id, &request).await.unwrap().offers
    }

    pub(super) async fn send_acceptance(&self, person: &Person, text: &str) -> Result<phone_pb::PersonOffer, Status> {
        let request = phone_pb::AcceptOfferRequest {
            text: text.to_owned(),
            device_id: person.device_id.to_string(),
            signature: person.sign("bankhub.v1.acceptance\n", text),
        };
        self.offers.accept(person.id, person.device_id, request).await.map(|accepted| accepted.offer.unwrap())
    }

    pub(super) async fn declines(&self, person: &Person, id: OfferId) -> Result<(), Status> {
        let request = phone_pb::DeclineOfferRequest { offer_id: id.to_string() };
        self.offers.decline(person.id, &request).await.map(|_| ())
    }

    /// Does all that is due.
    pub(super) async fn sweep(&self) {
        while self.offers.sweep_some().await.unwrap() {}
    }

    /// The news of offers in the person's feed.
    pub(super) async fn news(&self, person: &Person) -> Vec<News> {
        let last = crate::feed::read_last_sequence(&self.hub.store, person.id).await.unwrap();
        let events = self.records.feed.watch(person.id, 0).unwrap().take(usize::try_from(last).unwrap());
        let events: Vec<_> = events.map(|event| event.unwrap()).collect().await;
        let news = events.iter().filter_map(|event| match &event.kind {
            EventKind::News(news) if news.topic == Topic::Offer => Some(news.clone()),
            _ => None,
        });
        news.collect()
    }

    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        self.records.count(sql).await
    }

    pub(super) async fn check(&self) {
        self.records.check().await;
    }
}

impl Person {
    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    pub(super) fn sign(&self, prefix: &str, text: &str) -> Vec<u8> {
        let message = format!("{prefix}{}\n{text}", self.device_id);
        self.key.sign(&ring::rand::SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec()
    }
}
