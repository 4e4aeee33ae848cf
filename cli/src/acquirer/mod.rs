//! A small acquirer: the other side of a link of the hub's front for card networks, to try a link with and to measure it.
//!
//! docs/network.md has the messages. It keeps nothing: a real acquirer journals what it sends, and stores reversals until they are
//! acknowledged.

pub mod command;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::network::{Counted, PrivateData, Response, Sum, Tag, Totals, response_of};
use domain::{Money, OneTimeCode, PhoneNumber};
use hub::network::WorkingKey;
use hub::network::config::{DialectName, Framing};
use iso8583::element::{Stan, TransmissionTime};
use iso8583::{BuildError, MessageBuilder, Mti};
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::tls::ClientTls;
use zeroize::Zeroizing;

use wire::Wire;
pub use wire::{AcquirerError, Answer};

/// What an acquirer is made of.
#[derive(Clone, Debug)]
pub struct AcquirerOptions {
    pub address: SocketAddr,
    pub dialect: DialectName,
    pub framing: Framing,
    /// Field 32.
    pub institution: String,
    /// Field 41.
    pub terminal: String,
    pub mac_key: Option<WorkingKey>,
    pub pin_key: WorkingKey,
    /// TLS, and the host name of the other side's certificate; none in the clear.
    pub tls: Option<(ClientTls, String)>,
    pub answer_within: Duration,
}

/// A message by the elements that make it the same one for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    pub mti: Mti,
    stan: u64,
    time: TransmissionTime,
}

/// As an operator sees and types it: type, number and time.
impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:06}-{}", self.mti, self.stan, self.time)
    }
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.split('-');
            let mti = Mti::from_text(parts.next()?)?;
            let stan = Stan::from_number(parts.next()?.parse().ok()?)?.number();
            let time = TransmissionTime::from_number(parts.next()?.parse().ok()?)?;
            parts.next().is_none().then_some(Self { mti, stan, time })
        };
        read().ok_or_else(|| "a message is TYPE-NUMBER-TIME, as in 0200-000123-1122201530".to_owned())
    }
}

/// A signed-on connection. Clones share it.
#[derive(Clone, Debug)]
pub struct Acquirer {
    options: Arc<AcquirerOptions>,
    wire: Wire,
    stans: Arc<AtomicU64>,
    keys: Arc<std::sync::RwLock<Keys>>,
}

#[derive(Clone, Debug)]
struct Keys {
    mac: Option<WorkingKey>,
    pin: WorkingKey,
}

/// Fields with their text.
pub type Fields = Vec<(u8, String)>;

fn type_of(text: &str) -> Result<Mti, AcquirerError> {
    Mti::from_text(text).ok_or(AcquirerError::Build(BuildError::MtiVersion))
}

impl Acquirer {
    /// Connects and signs on.
    pub async fn connect(options: AcquirerOptions) -> Result<Self, AcquirerError> {
        let wire = Wire::connect(&options).await?;
        // Two that begin in the same second do not number alike.
        let start = u64::try_from(SystemClock.now().micros() % 999_983).unwrap_or(1);
        let keys = Keys { mac: options.mac_key.clone(), pin: options.pin_key.clone() };
        let acquirer = Self {
            options: Arc::new(options),
            wire,
            stans: Arc::new(AtomicU64::new(start)),
            keys: Arc::new(std::sync::RwLock::new(keys)),
        };
        acquirer.manage(1).await?;
        Ok(acquirer)
    }

    fn keys(&self) -> Keys {
        self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The next message of this type.
    pub fn name(&self, mti: &str) -> Result<Named, AcquirerError> {
        let stan = self.stans.fetch_add(1, Ordering::Relaxed) % 999_999 + 1;
        let seconds = u64::try_from(SystemClock.now().micros() / 1_000_000).unwrap_or(0);
        Ok(Named { mti: type_of(mti)?, stan, time: TransmissionTime::from_unix_seconds(seconds) })
    }

    /// Field 90 of a message that is about this one.
    fn original(&self, named: Named) -> String {
        format!("{}{:06}{}{:0>11}{:0>11}", named.mti, named.stan, named.time, self.options.institution, "")
    }

    /// Sends a message and waits for its answer. The same name again is a repeat.
    pub async fn ask(&self, named: Named, fields: &Fields) -> Result<Answer, AcquirerError> {
        let octets = self.build(named, fields)?;
        self.wire.ask(named.stan, &octets, self.options.answer_within).await
    }

    /// The message as it goes out, behind its length.
    pub fn build(&self, named: Named, fields: &Fields) -> Result<Zeroizing<Vec<u8>>, AcquirerError> {
        let mut message = MessageBuilder::new(self.options.dialect.dialect(), named.mti)?;
        message.number(7, named.time.number())?.number(11, named.stan)?;
        message.text(32, &self.options.institution)?;
        if named.mti.class() != iso8583::mti::MessageClass::NetworkManagement {
            message.padded(41, &self.options.terminal)?;
        }
        for (field, text) in fields {
            message.text(*field, text)?;
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(512));
        match self.keys().mac {
            Some(key) => message.write_sealed(&mut octets, &key.as_mac()).map_err(|_| BuildError::MtiVersion)?,
            None => message.write(&mut octets)?,
        }
        let mut framed = Zeroizing::new(Vec::with_capacity(octets.len() + 4));
        let length = octets.len();
        let framing = self.options.framing.header();
        framing.write(&octets, &mut framed).map_err(|_| BuildError::TooLong { octets: length })?;
        Ok(framed)
    }

    /// Network management: 1 signs on, 2 off, 301 is an echo.
    pub async fn manage(&self, code: u64) -> Result<Answer, AcquirerError> {
        let named = self.name("0800")?;
        self.ask(named, &vec![(70, format!("{code:03}"))]).await?.approved()
    }

    pub async fn echo(&self) -> Result<Answer, AcquirerError> {
        self.manage(301).await
    }

    /// Gets new keys under the exchange key, and goes over to them.
    pub async fn exchange_keys(&self, exchange_key: &WorkingKey) -> Result<(), AcquirerError> {
        let answer = self.manage(101).await?;
        let key = |tag| match answer.private(tag) {
            None => Ok(None),
            Some(told) => exchange_key.open_key(&told).map(Some).ok_or(AcquirerError::Key),
        };
        let (pin, mac) = (key(Tag::PinKey)?.ok_or(AcquirerError::Key)?, key(Tag::MacKey)?);
        *self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Keys { pin, mac };
        Ok(())
    }

    fn money(amount: Money) -> Fields {
        vec![(4, format!("{:012}", amount.minor)), (49, format!("{:03}", amount.currency.numeric()))]
    }

    /// The fields of the first message of a payment.
    pub fn first(&self, phone: &PhoneNumber, amount: Money) -> Fields {
        let mut fields = vec![(3, "000000".to_owned()), (102, phone.as_e164().to_owned())];
        fields.extend(Self::money(amount));
        fields
    }

    /// The fields of the second one.
    pub fn second(
        &self,
        first: Named,
        (phone, amount): (&PhoneNumber, Money),
        (code, password): (&OneTimeCode, &str),
    ) -> Result<Fields, AcquirerError> {
        let block = self.keys().pin.close_password(password, phone);
        let block: String = block.iter().map(|byte| format!("{byte:02X}")).collect();
        let private =
            PrivateData::default().with(Tag::Code, code.reveal()).to_text().map_err(AcquirerError::Refused)?;
        let mut fields = self.first(phone, amount);
        fields.extend([(52, block), (90, self.original(first)), (120, private)]);
        Ok(fields)
    }

    /// Takes back what was sent under a name.
    pub async fn reverse(&self, original: Named, amount: Money) -> Result<Answer, AcquirerError> {
        let named = self.name("0420")?;
        self.ask(named, &self.reversal(original, amount)).await
    }

    pub fn reversal(&self, original: Named, amount: Money) -> Fields {
        let mut fields = vec![(3, "000000".to_owned()), (90, self.original(original))];
        fields.extend(Self::money(amount));
        fields
    }

    /// Tells what became of a payment that this side has charged by itself: 00, or why it was not.
    pub async fn advise(&self, original: Named, amount: Money, code: &str) -> Result<Answer, AcquirerError> {
        self.ask(self.name("0220")?, &self.advice(original, amount, code)).await
    }

    pub fn advice(&self, original: Named, amount: Money, code: &str) -> Fields {
        let mut fields = self.reversal(original, amount);
        fields.push((39, code.to_owned()));
        fields
    }

    /// Gives a part of a payment back.
    pub async fn refund(&self, original: Named, amount: Money) -> Result<Answer, AcquirerError> {
        let named = self.name("0200")?;
        let mut fields = self.reversal(original, amount);
        fields.retain(|(field, _)| *field != 3);
        fields.push((3, "200000".to_owned()));
        self.ask(named, &fields).await
    }

    /// Has the hub compare a day's totals with these. `day` is MMDD; without it the day is the link's.
    pub async fn totals(
        &self,
        day: Option<u16>,
        currency: domain::Currency,
        theirs: &Totals,
    ) -> Result<(Response, Totals), AcquirerError> {
        let mut fields = vec![(50, format!("{:03}", currency.numeric()))];
        fields.extend(day.map(|day| (15, format!("{day:04}"))));
        for what in Counted::ALL {
            let ((count, amount), sum) = (what.fields(), theirs.of(what));
            fields.extend([(count, format!("{:010}", sum.number)), (amount, format!("{:016}", sum.minor))]);
        }
        let answer = self.ask(self.name("0500")?, &fields).await?;
        let mut ours = Totals::default();
        for what in Counted::ALL {
            let (count, amount) = what.fields();
            ours.set(what, Sum { number: answer.number(count), minor: answer.number(amount) });
        }
        Ok((answer.response(), ours))
    }

    /// Goes over to another business day, MMDD.
    pub async fn cut_over(&self, day: u16) -> Result<Answer, AcquirerError> {
        let fields = vec![(15, format!("{day:04}")), (70, "201".to_owned())];
        self.ask(self.name("0800")?, &fields).await
    }
}

impl Answer {
    /// What it says, by the code of field 39 and the reason in the private field.
    pub fn response(&self) -> Response {
        let reason = self.private(Tag::Reason).and_then(|code| domain::Reason::from_code(&code));
        match (response_of(self.text(39).unwrap_or_default()), reason) {
            (Response::Refused(_), Some(reason)) => Response::Refused(reason),
            (response, _) => response,
        }
    }

    /// The answer if it approves.
    pub fn approved(self) -> Result<Self, AcquirerError> {
        match self.response() {
            Response::Refused(reason) => Err(AcquirerError::Refused(reason)),
            _ => Ok(self),
        }
    }

    /// An entry of the private field.
    pub fn private(&self, tag: Tag) -> Option<String> {
        PrivateData::parse(self.text(120)?).ok()?.get(tag).map(str::to_owned)
    }

    pub fn text(&self, field: u8) -> Option<&str> {
        self.fields.get(&field).map(|text| text.as_str())
    }

    /// The number of a field; 0 if it is not there.
    pub fn number(&self, field: u8) -> i64 {
        self.text(field).and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

pub(crate) type Texts = BTreeMap<u8, Zeroizing<String>>;
