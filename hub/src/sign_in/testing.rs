//! What tests of signing in stand on: a person with a bound phone, and the codes that come to it.

use std::sync::Arc;

use domain::feed::EventKind;
use domain::sign_in::{AccountPassword, Policy, SetForm};
use domain::text::Line;
use domain::{DeviceId, OneTimeCode, OrderId, PersonId, PhoneNumber, Reason, payment};
use futures_util::StreamExt as _;
use proto::cardholder as pb;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use server_kit::clock::Clock as _;
use server_kit::store::{Owner, Value};

use super::{SignInParts, SignIns};
use crate::directory::{password_mac, phone_hash, seal_name, seal_phone};
use crate::feed::Feed;
use crate::testing::TestHub;
use crate::testing::past::register;

pub(crate) const TRANSACTION_PASSWORD: &str = "271828";
pub(crate) const ACCOUNT_PASSWORD: &str = "correct horse battery";

pub(crate) fn sign_in_parts(hub: &TestHub, feed: &Feed, owner: Arc<Owner>) -> SignInParts {
    SignInParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        rng: hub.rng.clone(),
        ids: hub.ids.clone(),
        feed: feed.clone(),
        owner,
        policy: Policy::default(),
        payments: payment::Policy::default(),
    }
}

/// A person with a phone.
pub(crate) struct Holder {
    pub(crate) hub: TestHub,
    pub(crate) id: PersonId,
    pub(crate) phone: PhoneNumber,
    pub(crate) device_id: DeviceId,
    key: EcdsaKeyPair,
}

pub(crate) async fn change(hub: &TestHub, sql: &'static str, args: Vec<Value>) {
    let mut tx = hub.store.begin().await.unwrap();
    tx.execute(sql, args).await.unwrap();
    tx.commit().await.unwrap();
}

impl Holder {
    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    pub(crate) async fn new(hub: &TestHub, phone: &str) -> Self {
        let (id, device_id) = (PersonId::from_uuid(hub.id()), DeviceId::from_uuid(hub.id()));
        let phone = PhoneNumber::parse(phone).unwrap();
        let rng = ring::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        register(hub, id).await;
        let keys = &*hub.keys;
        let mac = password_mac(keys, &id, TRANSACTION_PASSWORD).unwrap();
        let name = seal_name(keys, id, &Line::parse("Ann").unwrap()).unwrap();
        let sealed = seal_phone(keys, id, &phone).unwrap();
        let hash = phone_hash(keys, &phone).unwrap();
        let sql = "INSERT INTO persons (person_id, version, phone_hash, phone_sealed, name_sealed, password_mac, \
                   registered_at) VALUES ($1, 1, $2, $3, $4, $5, 0)";
        let args = vec![id.uuid().into(), hash.to_vec().into(), sealed.into(), name.into(), mac.to_vec().into()];
        change(hub, sql, args).await;
        let sql = "INSERT INTO devices (device_id, version, person_id, public_key, revoked, acknowledged_sequence, \
                   enrolled_at) VALUES ($1, 1, $2, $3, 0, 0, 0)";
        let public = key.public_key().as_ref().to_vec();
        change(hub, sql, vec![device_id.uuid().into(), id.uuid().into(), public.into()]).await;
        Self { hub: hub.clone(), id, phone, device_id, key }
    }

    pub(crate) fn form(&self, password: &str) -> SetForm {
        SetForm {
            order_id: OrderId::from_uuid(self.hub.id()),
            signed_at: self.hub.clock.now(),
            password: AccountPassword::parse(password).unwrap(),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    pub(crate) fn sign(&self, form: &SetForm) -> pb::SetAccountPasswordRequest {
        let text = form.text();
        let message = format!("bankhub.v1.account_password\n{}\n{text}", self.device_id);
        let signature = self.key.sign(&ring::rand::SystemRandom::new(), message.as_bytes()).unwrap();
        let transaction_password = TRANSACTION_PASSWORD.to_owned();
        pb::SetAccountPasswordRequest { text, signature: signature.as_ref().to_vec(), transaction_password }
    }

    pub(crate) async fn set(&self, sign_ins: &SignIns, password: &str) -> Result<(), Reason> {
        sign_ins.set_password(self.id, self.device_id, self.sign(&self.form(password))).await
    }

    pub(crate) async fn last_sequence(&self) -> i64 {
        crate::feed::read_last_sequence(&self.hub.store, self.id).await.unwrap()
    }

    /// The next code to sign in by after this place of the feed, as the phone hears it.
    pub(crate) async fn code_after(&self, feed: &Feed, sequence: i64) -> OneTimeCode {
        let mut watch = feed.watch(self.id, sequence).unwrap();
        loop {
            let event = watch.next().await.unwrap().unwrap();
            if let EventKind::SignInCode { code, .. } = &event.kind {
                return code.clone().unwrap();
            }
        }
    }

    /// What was told in words, in order.
    pub(crate) async fn news(&self) -> Vec<String> {
        let sql = "SELECT text_en FROM events WHERE person_id = $1 AND kind = 'NEWS' ORDER BY sequence";
        let rows = self.hub.store.fetch(sql, vec![self.id.uuid().into()]).await.unwrap();
        rows.iter().map(|row| row.text(0).unwrap()).collect()
    }

    pub(crate) async fn codes(&self) -> i64 {
        let sql = "SELECT count(*) FROM events WHERE person_id = $1 AND kind = 'SIGN_IN_CODE'";
        self.hub.store.fetch_one(sql, vec![self.id.uuid().into()]).await.unwrap().unwrap().int(0).unwrap()
    }

    /// As when the codes of before had been sent long ago.
    pub(crate) async fn forget_codes(&self) {
        let sql = "UPDATE account_passwords SET codes_sent = $1 WHERE person_id = $2";
        change(&self.hub, sql, vec![Vec::<u8>::new().into(), self.id.uuid().into()]).await;
    }
}

/// A code that is not this one.
pub(crate) fn other(code: &OneTimeCode) -> OneTimeCode {
    let last = if code.reveal().ends_with('0') { '1' } else { '0' };
    OneTimeCode::parse(&format!("{}{last}", &code.reveal()[..5])).unwrap()
}
