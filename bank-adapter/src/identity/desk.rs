//! Where the hub asks for accounts.

use domain::sign_up::{CitizenNumber, PersonName};
use domain::{AccountId, Currency, Reason};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proto::bank as pb;
use server_kit::clock::SharedClock;
use server_kit::fault;
use server_kit::keystore::{KeyError, KeyName, KeyStore};

use super::sql::{self, Opening};
use super::{Citizens, Said};
use crate::call::CallError;
use crate::ledger::{self, Ledger};

/// The desk of a bank.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    ledger: Ledger,
    /// A bank without the service opens no accounts for the hub.
    citizens: Option<Citizens>,
    clock: SharedClock,
}

/// A wish for an account.
struct Wish {
    account_id: AccountId,
    name: PersonName,
    citizen: CitizenNumber,
    currency: Currency,
}

impl Wish {
    fn read(request: &pb::OpenAccountRequest, tomorrow: Date) -> Result<Self, Reason> {
        Ok(Self {
            account_id: AccountId::parse(&request.account_id)?,
            name: PersonName::parse(&request.holder_name)?,
            citizen: CitizenNumber::parse(&request.citizen_number, tomorrow)?,
            currency: Currency::parse(&request.currency_code)?,
        })
    }

    fn mac(&self, keys: &dyn KeyStore) -> Result<[u8; 32], KeyError> {
        let id = self.account_id.uuid();
        let parts: [&[u8]; 5] = [
            b"open-account",
            id.as_bytes(),
            self.name.as_str().as_bytes(),
            self.citizen.reveal().as_bytes(),
            self.currency.code().as_bytes(),
        ];
        keys.mac(KeyName::RequestFingerprint, &parts)
    }

    fn seal(&self, keys: &dyn KeyStore) -> Result<Vec<u8>, KeyError> {
        let id = self.account_id.uuid();
        let context = [b"account_openings.citizen\n", id.as_bytes().as_slice()].concat();
        keys.seal(KeyName::SealedPayload, &context, self.citizen.reveal().as_bytes())
    }
}

fn unusable(error: &KeyError) -> CallError {
    tracing::error!(%error, "an account cannot be asked for");
    Reason::Fault.into()
}

impl Desk {
    pub(crate) fn new(ledger: Ledger, citizens: Option<Citizens>, clock: SharedClock) -> Self {
        Self { ledger, citizens, clock }
    }

    /// The day after this one: the hub looks at dates of birth by its own zone, and here nobody is refused for being in another one.
    fn tomorrow(&self) -> Result<Date, Reason> {
        let now = jiff::Timestamp::from_microsecond(self.clock.now().micros()).map_err(|_| Reason::Fault)?;
        now.to_zoned(TimeZone::UTC).date().checked_add(1.day()).map_err(|_| Reason::Fault)
    }

    pub(crate) async fn open(&self, request: &pb::OpenAccountRequest) -> Result<pb::OpenAccountResponse, CallError> {
        let wish = Wish::read(request, self.tomorrow()?)?;
        let keys = &*self.ledger.keys();
        let content_mac = wish.mac(keys).map_err(|error| unusable(&error))?;
        if let Some(first) = sql::find(self.ledger.store(), wish.account_id).await? {
            return self.again(&wish, &first, content_mac).await;
        }
        let citizens = self.citizens.as_ref().ok_or(Reason::AccountsNotOpened)?;
        fault::point("identity.before");
        let said = citizens.verify(wish.account_id, &wish.name, &wish.citizen).await?;
        fault::point("identity.after");
        let opening = ledger::Opening {
            account_id: wish.account_id,
            currency: wish.currency,
            holder: wish.name.line().clone(),
            payment_limit_minor: 0,
        };
        let citizen_sealed = wish.seal(keys).map_err(|error| unusable(&error))?;
        let account = self.ledger.open_checked(opening, (content_mac, said, citizen_sealed)).await?;
        Ok(answer(wish.account_id, account.masked()))
    }

    /// The answer that was given first.
    async fn again(
        &self,
        wish: &Wish,
        first: &Opening,
        content_mac: [u8; 32],
    ) -> Result<pb::OpenAccountResponse, CallError> {
        if first.content_mac.as_slice() != content_mac {
            return Err(Reason::IdTaken.into());
        }
        match first.said {
            Said::Match => Ok(answer(wish.account_id, self.ledger.account(wish.account_id).await?.masked())),
            said => Err(said.refusal().unwrap_or(Reason::Fault).into()),
        }
    }
}

fn answer(id: AccountId, account_masked: String) -> pb::OpenAccountResponse {
    pb::OpenAccountResponse { account_id: id.to_string(), account_masked }
}
