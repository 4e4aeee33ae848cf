//! A shop whose customers have phones that are asked.

use domain::payment::{ApprovalForm, Payment, Policy, SendLimit};
use domain::{DeviceId, PaymentId, PersonId};
use proto::terminal as pb;
use proto::terminal::terminal_service_server::TerminalService as _;
use proto::{cardholder, common};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use server_kit::identity::Role;
use server_kit::keystore::KeyName;
use server_kit::store::Value;
use tonic::Status;

use super::shop::{Shop, at_once, cny};
use crate::payment::approval::Approvals;
use crate::testing::{TestHub, from_member};

pub(super) const PASSWORD: &str = "246810";
const PHONE: &str = "+8613800138000";

/// A customer with a bound phone.
pub(super) struct Customer {
    pub(super) person_id: PersonId,
    pub(super) number: String,
    pub(super) device_id: DeviceId,
    pub(super) key: EcdsaKeyPair,
}

/// Codes may be sent as often as one likes.
pub(super) fn policy() -> Policy {
    let many = SendLimit { most: 10_000, within: std::time::Duration::from_secs(60) };
    Policy { sends: vec![many], ..at_once() }
}

/// A shop, and somebody whose phone pays there with a card.
pub(super) async fn shop(hub: &TestHub) -> (Shop, Customer) {
    let shop = Shop::open(hub, policy()).await;
    let person_id = PersonId::parse(&shop.holder().await).unwrap();
    let customer = Customer::of(&shop, person_id, PHONE).await;
    (shop, customer)
}

impl Customer {
    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    pub(super) async fn of(shop: &Shop, person_id: PersonId, number: &str) -> Self {
        let rng = ring::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        let device_id = DeviceId::from_uuid(shop.hub.id());
        let sql = "INSERT INTO devices (device_id, version, person_id, public_key, revoked, acknowledged_sequence, \
                   enrolled_at) VALUES ($1, 1, $2, $3, 0, 0, 0)";
        let public = key.public_key().as_ref().to_vec();
        shop.change(sql, vec![device_id.uuid().into(), person_id.uuid().into(), public.into()]).await;
        Self { person_id, number: number.to_owned(), device_id, key }
    }

    /// Somebody else who pays from an account.
    pub(super) async fn another(shop: &Shop, number: &str) -> Self {
        let person_id = PersonId::parse(&shop.person(number).await).unwrap();
        let sql = "INSERT INTO bindings (bank_id, instrument_id, version, instrument, person_id, masked, active, \
                   is_default, bound_at) VALUES ('bank-a', $1, 1, 'ACCOUNT', $2, '****4821', 1, 1, 0)";
        shop.change(sql, vec![shop.hub.id().into(), person_id.uuid().into()]).await;
        Self::of(shop, person_id, number).await
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    pub(super) fn sign(&self, text: &str, password: &str) -> cardholder::ApprovePaymentRequest {
        let message = format!("bankhub.v1.approval\n{}\n{text}", self.device_id);
        let signature = self.key.sign(&ring::rand::SystemRandom::new(), message.as_bytes()).unwrap();
        cardholder::ApprovePaymentRequest {
            text: text.to_owned(),
            device_id: self.device_id.to_string(),
            signature: signature.as_ref().to_vec(),
            transaction_password: password.to_owned(),
        }
    }
}

pub(super) type Answer = Result<(cardholder::ApprovalState, String), Status>;

fn told(state: cardholder::ApprovalState, refusal: Option<common::Refusal>) -> (cardholder::ApprovalState, String) {
    (state, refusal.map(|refusal| refusal.reason).unwrap_or_default())
}

impl Shop {
    pub(super) fn approvals(&self) -> Approvals {
        Approvals::new(self.desk.clone())
    }

    pub(super) async fn change(&self, sql: &'static str, args: Vec<Value>) {
        let mut tx = self.hub.store.begin().await.unwrap();
        tx.execute(sql, args).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A payment that waits for its code; gives its id.
    pub(super) async fn begin(&self, customer: &Customer, minor: i64) -> String {
        let payment_id = self.hub.id().to_string();
        let item = common::LineItem {
            name: "牛肉面".to_owned(),
            code: "6901234567892".to_owned(),
            quantity_milli: 1000,
            amount_minor: minor,
        };
        let request = pb::CreatePaymentRequest {
            payment_id: payment_id.clone(),
            payer: Some(pb::create_payment_request::Payer::PhoneNumber(customer.number.clone())),
            amount: Some(cny(minor)),
            items: vec![item],
            ..pb::CreatePaymentRequest::default()
        };
        let begun = self.terminal.create_payment(from_member(Role::Terminal, "till-1", request)).await.unwrap();
        assert_eq!(begun.into_inner().payment.unwrap().state(), pb::PaymentState::AwaitingCode);
        payment_id
    }

    /// The code that the phone got for a payment.
    pub(super) async fn code(&self, payment_id: &str) -> String {
        let id = PaymentId::parse(payment_id).unwrap().uuid();
        let sql = "SELECT sealed_code FROM events WHERE payment_id = $1 ORDER BY sequence DESC";
        let row = self.hub.store.fetch_one(sql, vec![id.into()]).await.unwrap().unwrap();
        let code = self.hub.keys.open(KeyName::SealedPayload, id.as_bytes(), &row.bytes(0).unwrap()).unwrap();
        String::from_utf8(code).unwrap()
    }

    pub(super) async fn type_in(&self, payment_id: &str, code: &str, password: &str) -> Result<pb::Payment, Status> {
        let request = pb::AuthorizePaymentRequest {
            payment_id: payment_id.to_owned(),
            attempt_id: self.hub.id().to_string(),
            code: code.to_owned(),
            transaction_password: password.to_owned(),
        };
        let answer = self.terminal.authorize_payment(from_member(Role::Terminal, "till-1", request)).await;
        answer.map(|answer| answer.into_inner().payment.unwrap())
    }

    pub(super) async fn cancel(&self, payment_id: &str) -> Result<pb::Payment, Status> {
        let request = pb::CancelPaymentRequest { payment_id: payment_id.to_owned() };
        let answer = self.terminal.cancel_payment(from_member(Role::Terminal, "till-1", request)).await;
        answer.map(|answer| answer.into_inner().payment.unwrap())
    }

    pub(super) async fn asked(&self, customer: &Customer) -> Vec<cardholder::Approval> {
        self.approvals().list(customer.person_id).await.unwrap().approvals
    }

    /// The text for a payment, shown at this moment.
    pub(super) async fn text(&self, payment_id: &str) -> String {
        let payment: Payment = self.stored(payment_id).await;
        ApprovalForm::of(&payment, self.desk.clock().now()).unwrap().to_string()
    }

    pub(super) async fn send(&self, customer: &Customer, request: cardholder::ApprovePaymentRequest) -> Answer {
        let answer = self.approvals().approve(customer.person_id, customer.device_id, request).await?;
        Ok(told(answer.state(), answer.refusal))
    }

    pub(super) async fn approve(&self, customer: &Customer, payment_id: &str, password: &str) -> Answer {
        let text = self.text(payment_id).await;
        self.send(customer, customer.sign(&text, password)).await
    }

    pub(super) async fn decline(&self, customer: &Customer, payment_id: &str) -> Answer {
        let request = cardholder::DeclinePaymentRequest { payment_id: payment_id.to_owned() };
        let answer = self.approvals().decline(customer.person_id, customer.device_id, &request).await?;
        Ok(told(answer.state(), answer.refusal))
    }

    /// What is stored of the payment, the payer's counters and the log, to see that nothing has changed.
    pub(super) async fn traces(&self, payment_id: &str) -> (Payment, Vec<(i64, i64)>, i64) {
        let sql = "SELECT version, failures FROM payers ORDER BY person_id";
        let rows = self.hub.store.fetch(sql, Vec::new()).await.unwrap();
        let payers = rows.iter().map(|row| (row.int(0).unwrap(), row.int(1).unwrap())).collect();
        let entries = self.log().await.len();
        (self.stored(payment_id).await, payers, i64::try_from(entries).unwrap())
    }

    /// What the payments' log says.
    pub(super) async fn log(&self) -> Vec<String> {
        let entries = server_kit::audit::read_chain(&self.hub.store, "hub-1/payment").await.unwrap();
        entries.into_iter().map(|entry| format!("{} {}", entry.kind, entry.content)).collect()
    }
}
