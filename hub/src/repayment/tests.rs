//! Repayments on both engines, between two banks that the test plays.

mod asked;
mod carried;

use std::sync::Arc;
use std::time::Duration;

use domain::payment::{Instrument, Policy};
use domain::repayment::{End, Form, Repayment, State};
use domain::{AccountId, BankId, CardId, Currency, DeviceId, Money, PaymentId, PersonId, Timestamp};
use proto::cardholder as pb;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use server_kit::store::Owner;
use server_kit::store::testing::TestDatabase;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::steps::Step;
use super::testing::repayment_parts;
use super::{Repayments, sql};
use crate::bank::{Banks, LinkOptions};
use crate::directory::{Directory, DirectoryOptions};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::testing::bank::PlayedBank;
use crate::testing::past::register;
use crate::testing::{TestHub, on_each_engine, reason};

const AMOUNT: i64 = 125_000;

/// A person with a phone, an account at bank-a and a card at bank-b.
pub(super) struct Payer {
    person_id: PersonId,
    device_id: DeviceId,
    key: EcdsaKeyPair,
    account: AccountId,
    card: CardId,
}

impl Payer {
    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    fn sign(&self, message: &str) -> Vec<u8> {
        self.key.sign(&ring::rand::SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec()
    }

    /// What the phone sends of a text.
    fn request(&self, text: &str) -> pb::CreateRepaymentRequest {
        let message = format!("bankhub.v1.repayment\n{}\n{text}", self.device_id);
        pb::CreateRepaymentRequest {
            signature: self.sign(&message),
            device_id: self.device_id.to_string(),
            text: text.to_owned(),
        }
    }
}

pub(super) struct World {
    hub: TestHub,
    a: PlayedBank,
    b: PlayedBank,
    feed: Feed,
    repayments: Repayments,
}

/// Everything that is not done is due at once.
pub(super) fn at_once() -> Policy {
    Policy { head_start: Duration::ZERO, most_backoff: Duration::ZERO, ..Policy::default() }
}

impl World {
    async fn open(hub: &TestHub, policy: Policy) -> Self {
        let (a, b) = (PlayedBank::default(), PlayedBank::default());
        let mut tx = hub.store.begin().await.unwrap();
        for (id, bank) in [("bank-a", &a), ("bank-b", &b)] {
            let sql =
                "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ($1, 1, $2, $3, 0)";
            let args = vec![id.into(), id.to_uppercase().into(), bank.open().await.into()];
            tx.execute(sql, args).await.unwrap();
        }
        tx.commit().await.unwrap();
        Self::replica(hub, (a, b), "hub-1", policy).await
    }

    /// A replica over this database and these banks.
    async fn replica(hub: &TestHub, (a, b): (PlayedBank, PlayedBank), name: &str, policy: Policy) -> Self {
        let parts = hub.directory_parts(name);
        let (directory, _) = Directory::start(parts, DirectoryOptions::default());
        let banks = Banks::played(directory, LinkOptions { timeout: Duration::from_secs(5), tries: 1 });
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
        let (repayments, _) = Repayments::start(repayment_parts(hub, &feed, &owner, banks, policy));
        Self { hub: hub.clone(), a, b, feed, repayments }
    }

    /// The next replica after this one was killed: nothing of its memory is left.
    async fn killed(self, policy: Policy) -> Self {
        let name = format!("hub-{}", self.hub.id());
        Self::replica(&self.hub, (self.a, self.b), &name, policy).await
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    async fn payer(&self) -> Payer {
        let rng = ring::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let payer = Payer {
            person_id: PersonId::from_uuid(self.hub.id()),
            device_id: DeviceId::from_uuid(self.hub.id()),
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap(),
            account: AccountId::from_uuid(self.hub.id()),
            card: CardId::from_uuid(self.hub.id()),
        };
        register(&self.hub, payer.person_id).await;
        let sql = "INSERT INTO devices (device_id, version, person_id, public_key, revoked, acknowledged_sequence, enrolled_at) \
                   VALUES ($1, 1, $2, $3, 0, 0, 0)";
        let (person, device) = (payer.person_id.uuid(), payer.device_id.uuid());
        let key = payer.key.public_key().as_ref().to_vec();
        self.execute(sql, vec![device.into(), person.into(), key.into()]).await;
        self.bind(&payer, "bank-a", Instrument::Account(payer.account), "****4821").await;
        self.bind(&payer, "bank-b", Instrument::Card(payer.card), "622848******0015").await;
        payer
    }

    async fn bind(&self, payer: &Payer, bank: &str, instrument: Instrument, masked: &str) {
        let (sort, id) = match instrument {
            Instrument::Account(id) => ("ACCOUNT", id.uuid()),
            Instrument::Card(id) => ("CARD", id.uuid()),
        };
        let sql = "INSERT INTO bindings (bank_id, instrument_id, version, instrument, person_id, masked, active, is_default, \
                   bound_at) VALUES ($1, $2, 1, $3, $4, $5, 1, 0, 0)";
        let args = vec![bank.into(), id.into(), sort.into(), payer.person_id.uuid().into(), masked.into()];
        self.execute(sql, args).await;
    }

    async fn execute(&self, sql: &'static str, args: Vec<server_kit::store::Value>) {
        let mut tx = self.hub.store.begin().await.unwrap();
        tx.execute(sql, args).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// From the account to the card, signed now.
    fn form(&self, payer: &Payer) -> Form {
        let end = |bank: &str, instrument| End { bank_id: BankId::parse(bank).unwrap(), instrument };
        Form {
            id: PaymentId::from_uuid(self.hub.id()),
            from: end("bank-a", Instrument::Account(payer.account)),
            to: end("bank-b", Instrument::Card(payer.card)),
            amount: Money::new(Currency::CNY, AMOUNT),
            signed_at: Timestamp::from_secs(self.hub.clock().now().micros() / 1_000_000),
        }
    }

    async fn create(&self, payer: &Payer, text: &str) -> Result<pb::Repayment, Status> {
        let created = self.repayments.create(payer.person_id, payer.device_id, payer.request(text)).await?;
        Ok(created.repayment.unwrap())
    }

    async fn get(&self, payer: &Payer, id: PaymentId) -> Result<pb::Repayment, Status> {
        let request = pb::GetRepaymentRequest { repayment_id: id.to_string() };
        Ok(self.repayments.get(payer.person_id, &request).await?.repayment.unwrap())
    }

    async fn stored(&self, id: PaymentId) -> Repayment {
        sql::find(&self.hub.store, id).await.unwrap().unwrap()
    }

    /// What the sweeper does once, to its end.
    async fn sweep(&self) {
        for claimed in self.repayments.write(Step::Claim).await.unwrap().claimed {
            self.repayments.carry(claimed).await;
        }
    }

    /// Sweeps until it has come to this state.
    async fn comes_to(&self, id: PaymentId, state: State) -> Repayment {
        for _ in 0..2_000 {
            let stored = self.stored(id).await;
            if stored.state == state {
                return stored;
            }
            self.sweep().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{} never: {state:?}; {:?}", self.hub.engine, self.stored(id).await)
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
    }

    /// What has moved at the two banks, and what they still hold.
    fn moved(&self) -> (i64, i64) {
        assert_eq!((self.a.held(), self.b.held()), (0, 0), "{}", self.hub.engine);
        (self.a.moved(), self.b.moved())
    }

    async fn all_is_well(&self) {
        let report = crate::check_books(&self.hub.store).await.unwrap();
        assert_eq!(report.faults, Vec::<String>::new(), "{}", self.hub.engine);
        for report in server_kit::audit::verify(&self.hub.store, self.hub.keys.as_ref()).await.unwrap() {
            assert_eq!(report.faults, Vec::<String>::new(), "{}", self.hub.engine);
        }
    }
}

/// Two hubs share a PostgreSQL; a file has one.
pub(super) async fn on_postgres_twice(test: impl AsyncFn(TestHub)) {
    if TestDatabase::postgres().await.is_some() {
        crate::testing::on_postgres(test).await;
    }
}
