//! A person with a phone in the hand.

use bankhub::phone::Feed;
use bankhub::trial::Person;
use domain::PaymentId;
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;

use crate::till::PATIENCE;

/// A person, and the feed of the person's phone.
#[derive(Debug)]
pub struct Payer {
    pub person: Person,
    feed: Mutex<Feed>,
}

impl Payer {
    pub fn new(person: Person) -> Self {
        let feed = Mutex::new(person.device.follow(0));
        Self { person, feed }
    }

    /// The number in full, to pay with.
    pub fn number(&self) -> &str {
        self.person.phone.as_e164()
    }

    pub fn password(&self) -> &str {
        self.person.password.expose_secret()
    }

    /// The next code that the phone gets, and for which payment.
    pub async fn next_code(&self) -> (String, String) {
        let code = |event: &proto::cardholder::Event| match &event.kind {
            Some(proto::cardholder::event::Kind::PaymentCode(code)) => {
                Some((code.payment_id.clone(), code.code.clone()))
            }
            _ => None,
        };
        let found = self.feed.lock().await.find(PATIENCE, code).await;
        found.unwrap_or_else(|error| panic!("no code: {error}"))
    }

    /// The code that the phone gets for an errand at a terminal.
    pub async fn errand_code(&self, errand: &str) -> String {
        let code = |event: &proto::cardholder::Event| match &event.kind {
            Some(proto::cardholder::event::Kind::ErrandCode(code)) if code.errand_id == errand => {
                Some(code.code.clone())
            }
            _ => None,
        };
        let found = self.feed.lock().await.find(PATIENCE, code).await;
        found.unwrap_or_else(|error| panic!("no code for {errand}: {error}"))
    }

    /// The code that the phone gets for a payment.
    pub async fn code(&self, payment: &str) -> String {
        let id = PaymentId::parse(payment).unwrap();
        let code = self.feed.lock().await.code_for(id, PATIENCE).await;
        code.unwrap_or_else(|error| panic!("no code for {payment}: {error}")).expose_secret().to_owned()
    }
}

/// Six digits that are not this code.
pub fn another_code(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}
