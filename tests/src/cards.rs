//! People with cards, and a till with a PIN pad.

use bankhub::operator::Counter;
use bankhub::phone::{DeviceKey, Enrolment, Feed, Phone};
use bankhub::terminal::{Card, Pad};
use bankhub::trial::{IssuedCard, NewCard};
use domain::{AccountId, BankId, Currency, Money, PersonId, PhoneNumber};
use proto::common::{Nature, PresentedCard};
use proto::terminal::{
    CompletePaymentRequest, CreateCardPaymentRequest, InquireBalanceRequest, InquireBalanceResponse, Payment,
};
use secrecy::SecretString;
use tonic::Status;

use crate::answers::is_final;
use crate::till::{PATIENCE, Till, fen, within};
use crate::wait::until;
use crate::world::{World, bin_of};

/// The PIN of every card here.
pub const PIN: &str = "271828";

/// A person with a card of debit and credit.
#[derive(Debug)]
pub struct Holder {
    pub person: PersonId,
    pub phone: PhoneNumber,
    pub device: Phone,
    pub bank: BankId,
    pub card: IssuedCard,
}

impl Holder {
    /// The feed of the phone, from its beginning.
    pub fn feed(&self) -> Feed {
        self.device.follow(0)
    }

    /// The card as it is read at a till, with this PIN typed.
    pub fn read(&self, pad: &Pad, pin: Option<&str>) -> PresentedCard {
        let card = Card::by_track(&self.card.track2);
        match pin {
            None => card.to_wire(),
            Some(pin) => card.with_pin(pad.block(&self.card.pan, &SecretString::from(pin)).unwrap()).to_wire(),
        }
    }

    /// The number alone.
    pub fn number(&self) -> PresentedCard {
        Card::by_number(&self.card.pan).to_wire()
    }
}

impl World {
    pub async fn counter(&self, bank: &str) -> Counter {
        self.federation.operator().unwrap().counter(&BankId::parse(bank).unwrap()).await.unwrap()
    }

    /// The PIN pad of a till.
    pub fn pad(&self, till: &str) -> Pad {
        self.federation.pad(till).unwrap()
    }

    /// A person with a card at the n-th bank, whose debit side has so much and whose credit side may owe so much, a third of it as
    /// cash. The phone pays with the card.
    pub async fn holder(&self, n: usize, bank: &str, debit_minor: i64, limit_minor: i64) -> Holder {
        let (counter, operator) = (self.counter(bank).await, self.federation.operator().unwrap());
        let opened = counter.open_account("Li Na", Currency::CNY, 0).await.unwrap();
        let debit = AccountId::parse(&opened.account_id).unwrap();
        if debit_minor > 0 {
            counter.deposit(debit, Money::new(Currency::CNY, debit_minor)).await.unwrap();
        }
        let new = NewCard {
            holder: "Li Na",
            bank,
            bin: &bin_of(n),
            debit,
            limit_minor,
            cash_limit_minor: limit_minor / 3,
            pad: "till-1",
            pin: PIN,
        };
        let card = self.federation.issue_card(&new).await.unwrap_or_else(|error| panic!("{error}"));

        let bank = BankId::parse(bank).unwrap();
        let phone = PhoneNumber::parse(&format!("+86139{:08}", 20_000_003 + self.next_person() * 41)).unwrap();
        let person = operator.register_person(&phone, "Li Na").await.unwrap();
        operator.bind_card(person, &bank, card.id, true).await.unwrap();
        let issued = operator.enrolment_code(person).await.unwrap();
        let enrolment = Enrolment {
            phone: phone.clone(),
            code: SecretString::from(issued.enrolment_code),
            transaction_password: Some(SecretString::from(PIN)),
        };
        let channel = self.federation.phone_channel().unwrap();
        let device = Phone::enrol(channel, DeviceKey::generate().unwrap(), &enrolment).await.unwrap();
        Holder { person, phone, device, bank, card }
    }

    /// What is left on the debit and on the credit side of a card.
    pub async fn left(&self, holder: &Holder) -> (i64, i64) {
        let counter = self.counter(holder.bank.as_str()).await;
        let available = async |id| counter.account(id).await.unwrap().available.unwrap().minor_units;
        (available(holder.card.debit).await, available(holder.card.credit).await)
    }
}

impl Till {
    pub async fn card(&self, id: &str, card: &PresentedCard, nature: Nature, minor: i64) -> Result<Payment, Status> {
        let request = CreateCardPaymentRequest {
            payment_id: id.to_owned(),
            card: Some(card.clone()),
            nature: nature.into(),
            amount: Some(fen(minor)),
            ..CreateCardPaymentRequest::default()
        };
        let asked = self.asking(id);
        let answer = within(self.client.clone().create_card_payment(request)).await?;
        Ok(self.noted(asked, answer.payment))
    }

    /// The same under a new id, until it is answered; a hub that does not know the bank's cards yet is asked again.
    pub async fn with_card(&self, card: &PresentedCard, nature: Nature, minor: i64) -> Payment {
        let id = self.new_id();
        let call = async || match self.card(&id, card, nature, minor).await {
            Err(status) if proto::reason_of(&status) == Some(domain::Reason::BinUnknown) => None,
            other => Some(other),
        };
        until("the hub to know the bank's cards", World::HEALING, call).await.unwrap()
    }

    /// The same payment until it has a final answer. The hub keeps nothing of a card: what is pending while the bank is away goes on
    /// when the card is read again, and only then.
    pub async fn card_until_answered(&self, id: &str, card: &PresentedCard, nature: Nature, minor: i64) -> Payment {
        let call = async || {
            let read = self.insist(async |till| till.card(id, card, nature, minor).await).await;
            Some(read).filter(|payment| is_final(payment.state()))
        };
        until(&format!("the outcome of {id}"), PATIENCE, call).await
    }

    pub async fn complete(&self, id: &str, minor: i64) -> Result<Payment, Status> {
        let request = CompletePaymentRequest { payment_id: id.to_owned(), amount: Some(fen(minor)) };
        let asked = self.asking(id);
        let answer = within(self.client.clone().complete_payment(request)).await?;
        Ok(self.noted(asked, answer.payment))
    }

    pub async fn balance(&self, card: &PresentedCard) -> Result<InquireBalanceResponse, Status> {
        within(self.client.clone().inquire_balance(InquireBalanceRequest { card: Some(card.clone()) })).await
    }
}
