//! An operator: sets a federation up at the hub, and opens accounts at the banks' own adapters.

pub mod ask;
pub mod bins;
pub mod cards;
pub mod carriers;
pub mod clearing;
pub mod command;
mod counter;
pub mod credit;
pub mod fees;
pub mod identity;
pub mod inquiry;
pub mod keys;
pub mod limits;
pub mod links;
pub mod lookups;
pub mod network;
pub mod notices;
pub mod offers;
pub mod operators;
pub mod people;

use std::time::Duration;

use domain::{AccountId, BankId, CardId, MerchantId, PaymentId, PersonId, PhoneNumber, Reason, TerminalId};
use proto::common;
use proto::operator as pb;
use proto::operator::operator_service_client::OperatorServiceClient;
use secrecy::SecretString;
use server_kit::clock::SystemClock;
use server_kit::rng::{IdMaker, RngError, SystemRng};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::profile::{Link, OperatorProfile, ProfileError};

pub use counter::{Counter, NewCreditAccount, PinTyped};

/// How long one call of an operator may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// The same of one for which a server reads very much: a day of payments, or every row under a key.
const LONG_TIMEOUT: Duration = Duration::from_secs(300);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("{}: {message}", reason.map_or("REFUSED", Reason::code))]
    Refused { reason: Option<Reason>, message: String },
    #[error("no answer within {} s; the same call again is safe", .0.as_secs())]
    NoAnswer(Duration),
    #[error("the answer lacks {0}")]
    Incomplete(&'static str),
    #[error("the bank {0} is not registered at the hub")]
    NoSuchBank(BankId),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Random(#[from] RngError),
    #[error("the key of the PIN pad: {0}")]
    PadKey(#[from] bank_adapter::hsm::HsmError),
}

impl OperatorError {
    pub fn reason(&self) -> Option<Reason> {
        if let Self::Refused { reason, .. } = self { *reason } else { None }
    }
}

impl From<Status> for OperatorError {
    fn from(status: Status) -> Self {
        let reason = proto::reason_of(&status);
        let message = reason.map_or_else(|| status.message().to_owned(), |reason| reason.english().to_owned());
        Self::Refused { reason, message }
    }
}

/// One call with its deadline.
async fn answer<R>(call: impl Future<Output = Result<tonic::Response<R>, Status>>) -> Result<R, OperatorError> {
    answer_within(CALL_TIMEOUT, call).await
}

/// One call that was asked [`at_leisure`].
async fn answer_at_leisure<R>(
    call: impl Future<Output = Result<tonic::Response<R>, Status>>,
) -> Result<R, OperatorError> {
    answer_within(LONG_TIMEOUT, call).await
}

async fn answer_within<R>(
    at_most: Duration,
    call: impl Future<Output = Result<tonic::Response<R>, Status>>,
) -> Result<R, OperatorError> {
    match tokio::time::timeout(at_most, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(OperatorError::NoAnswer(at_most)),
    }
}

fn bounded<T>(message: T) -> Request<T> {
    within(CALL_TIMEOUT, message)
}

/// A call for which a server reads very much.
fn at_leisure<T>(message: T) -> Request<T> {
    within(LONG_TIMEOUT, message)
}

fn within<T>(at_most: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(at_most);
    request
}

/// A merchant as an operator enrols it.
#[derive(Clone, Debug)]
pub struct NewMerchant {
    pub id: MerchantId,
    pub name: String,
    /// ISO 18245, four digits.
    pub category: String,
}

/// A terminal as an operator enrols it.
#[derive(Clone, Debug)]
pub struct NewTerminal {
    pub id: TerminalId,
    pub merchant: MerchantId,
    /// What people call the place; may be empty.
    pub place: String,
    /// Latitude and longitude, degrees of WGS 84.
    pub location: Option<(f64, f64)>,
}

/// The operators' calls at the hub.
#[derive(Clone, Debug)]
pub struct Operator {
    link: Link,
    hub: OperatorServiceClient<Channel>,
    ids: IdMaker,
}

impl Operator {
    pub fn connect(profile: &OperatorProfile) -> Result<Self, ProfileError> {
        let link = Link::new(&profile.federation, &profile.tls)?;
        let hub = link.hub(&profile.hub)?;
        Ok(Self::over(link, hub))
    }

    /// An operator over a channel to the hub that is there already.
    pub fn over(link: Link, hub: Channel) -> Self {
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        Self { link, hub: OperatorServiceClient::new(hub), ids }
    }

    pub async fn register_bank(&self, id: &BankId, name: &str, endpoint: &str) -> Result<pb::Bank, OperatorError> {
        let bank = pb::Bank {
            bank_id: id.as_str().to_owned(),
            display_name: name.to_owned(),
            endpoint: endpoint.to_owned(),
            suspended: false,
        };
        let request = bounded(pb::RegisterBankRequest { bank: Some(bank) });
        answer(self.hub.clone().register_bank(request)).await?.bank.ok_or(OperatorError::Incomplete("the bank"))
    }

    pub async fn banks(&self) -> Result<Vec<pb::Bank>, OperatorError> {
        Ok(answer(self.hub.clone().list_banks(bounded(pb::ListBanksRequest {}))).await?.banks)
    }

    pub async fn register_merchant(&self, merchant: &NewMerchant) -> Result<common::Merchant, OperatorError> {
        let merchant = common::Merchant {
            merchant_id: merchant.id.as_str().to_owned(),
            display_name: merchant.name.clone(),
            category_code: merchant.category.clone(),
        };
        let request = bounded(pb::RegisterMerchantRequest { merchant: Some(merchant) });
        let answer = answer(self.hub.clone().register_merchant(request)).await?;
        answer.merchant.ok_or(OperatorError::Incomplete("the merchant"))
    }

    pub async fn register_terminal(&self, terminal: &NewTerminal) -> Result<pb::Terminal, OperatorError> {
        let location = terminal.location.map(|(latitude, longitude)| common::Location { latitude, longitude });
        let terminal = pb::Terminal {
            terminal_id: terminal.id.as_str().to_owned(),
            merchant_id: terminal.merchant.as_str().to_owned(),
            place: terminal.place.clone(),
            location,
            suspended: false,
        };
        let request = bounded(pb::RegisterTerminalRequest { terminal: Some(terminal) });
        let answer = answer(self.hub.clone().register_terminal(request)).await?;
        answer.terminal.ok_or(OperatorError::Incomplete("the terminal"))
    }

    /// Gives the hub the key of a terminal's PIN pad, 16 bytes of AES in hexadecimal digits; gives how often it was set.
    pub async fn set_pin_pad_key(&self, id: &TerminalId, key: &SecretString) -> Result<i64, OperatorError> {
        let (key, check_value) = crate::hsm::told_of(key)?;
        let terminal_id = id.as_str().to_owned();
        let request = bounded(pb::SetPinPadKeyRequest { terminal_id, key: key.to_vec(), check_value });
        Ok(answer(self.hub.clone().set_pin_pad_key(request)).await?.version)
    }

    pub async fn suspend_terminal(&self, id: &TerminalId, suspended: bool) -> Result<pb::Terminal, OperatorError> {
        let request = bounded(pb::SetTerminalSuspendedRequest { terminal_id: id.as_str().to_owned(), suspended });
        let answer = answer(self.hub.clone().set_terminal_suspended(request)).await?;
        answer.terminal.ok_or(OperatorError::Incomplete("the terminal"))
    }

    /// Adds a person under a new id.
    pub async fn register_person(&self, phone: &PhoneNumber, name: &str) -> Result<PersonId, OperatorError> {
        let id = PersonId::from_uuid(self.ids.uuid()?);
        let request = bounded(pb::RegisterPersonRequest {
            person_id: id.to_string(),
            phone_number: phone.as_e164().to_owned(),
            name: name.to_owned(),
        });
        let answer = answer(self.hub.clone().register_person(request)).await?;
        PersonId::parse(&answer.person_id).map_err(|_| OperatorError::Incomplete("the person"))
    }

    /// Binds an account to a person, and gives its masked number.
    pub async fn bind_account(
        &self,
        person: PersonId,
        bank: &BankId,
        account: AccountId,
        make_default: bool,
    ) -> Result<String, OperatorError> {
        let request = bounded(pb::BindAccountRequest {
            person_id: person.to_string(),
            bank_id: bank.as_str().to_owned(),
            account_id: account.to_string(),
            make_default,
        });
        Ok(answer(self.hub.clone().bind_account(request)).await?.account_masked)
    }

    /// Makes a new enrolment code, to hand to the person.
    pub async fn enrolment_code(&self, person: PersonId) -> Result<pb::IssueEnrolmentCodeResponse, OperatorError> {
        let request = bounded(pb::IssueEnrolmentCodeRequest { person_id: person.to_string() });
        answer(self.hub.clone().issue_enrolment_code(request)).await
    }

    pub async fn inspect(&self, payment: PaymentId) -> Result<pb::InspectPaymentResponse, OperatorError> {
        let request = bounded(pb::InspectPaymentRequest { payment_id: payment.to_string() });
        answer(self.hub.clone().inspect_payment(request)).await
    }

    pub async fn overview(&self) -> Result<pb::GetOverviewResponse, OperatorError> {
        answer(self.hub.clone().get_overview(bounded(pb::GetOverviewRequest {}))).await
    }

    /// Binds a card to a person; gives its number as others may see it.
    pub async fn bind_card(
        &self,
        person: PersonId,
        bank: &BankId,
        card: CardId,
        make_default: bool,
    ) -> Result<String, OperatorError> {
        self.bind_card_with(person, bank, (card, ""), make_default).await
    }

    /// The same for a card of a bank that takes part only through a card network, which knows it by its number; an empty one for any other.
    pub async fn bind_card_with(
        &self,
        person: PersonId,
        bank: &BankId,
        (card, number): (CardId, &str),
        make_default: bool,
    ) -> Result<String, OperatorError> {
        let request = pb::BindCardRequest {
            person_id: person.to_string(),
            bank_id: bank.to_string(),
            card_id: card.to_string(),
            make_default,
            card_number: number.to_owned(),
        };
        Ok(answer(self.hub.clone().bind_card(bounded(request))).await?.card_masked)
    }

    /// The counter of a bank, found where the hub has it registered.
    pub async fn counter(&self, bank: &BankId) -> Result<Counter, OperatorError> {
        let found = self.banks().await?.into_iter().find(|known| known.bank_id == bank.as_str());
        let endpoint = found.ok_or_else(|| OperatorError::NoSuchBank(bank.clone()))?.endpoint;
        Ok(Counter::over(self.link.bank(bank, &endpoint)?))
    }
}
