//! From what a carrier sends to what the rules know, and back.

use domain::sign_up::{CitizenNumber, NewSignUp, NumberChange, PersonName, Seen, SignUp};
use domain::text::Line;
use domain::{BankId, CarrierId, PhoneNumber, Reason, SignUpId, Timestamp};
use jiff::civil::Date;
use proto::carrier as pb;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use std::time::Duration;
use uuid::Uuid;

use super::ask::Ask;
use super::report::Report;
use super::sealed::Who;

/// How old a consent may be, and how far ahead of the hub's a carrier's clock may be.
const CONSENT_HOLDS: Duration = Duration::from_hours(30 * 24);
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);
const USUAL_SIZE: i64 = 50;
const LARGEST_SIZE: i32 = 200;

/// What a carrier has asked, before it has the keyed hash of all of it.
pub(super) struct Asked {
    new: NewSignUp,
    who: Who,
    consent: String,
}

impl Asked {
    /// `Err` by the first thing that cannot be read; `TimeOutOfRange` for a consent that is old or is to come.
    pub(super) fn read(
        carrier_id: CarrierId,
        request: &pb::SignUpRequest,
        (now, today): (Timestamp, Date),
    ) -> Result<Self, Reason> {
        let id = SignUpId::parse(&request.sign_up_id)?;
        let phone = PhoneNumber::parse(&request.phone_number)?;
        let name = PersonName::parse(&request.name)?;
        let citizen = CitizenNumber::parse(&request.citizen_number, today)?;
        let asked_bank = match request.bank_id.as_str() {
            "" => None,
            bank => Some(BankId::parse(bank)?),
        };
        let consent = consent(request.consent.as_ref().ok_or(Reason::FieldMissing)?, now)?;
        Ok(Self { new: NewSignUp { id, carrier_id, asked_bank }, who: Who { phone, name, citizen }, consent })
    }

    pub(super) fn hashed(self, keys: &dyn KeyStore) -> Result<Ask, KeyError> {
        let Self { new, who, consent } = self;
        let bank = new.asked_bank.as_ref().map_or("", BankId::as_str);
        let parts: [&[u8]; 7] = [
            b"sign-up",
            new.carrier_id.as_str().as_bytes(),
            who.phone.as_e164().as_bytes(),
            who.name.as_str().as_bytes(),
            who.citizen.reveal().as_bytes(),
            bank.as_bytes(),
            consent.as_bytes(),
        ];
        let content_mac = keys.mac(KeyName::RequestFingerprint, &parts)?;
        Ok(Ask { new, who, consent, content_mac })
    }
}

/// What the person has agreed to, as it is kept.
fn consent(consent: &pb::SignUpConsent, now: Timestamp) -> Result<String, Reason> {
    let (terms, how) = (Line::parse(&consent.terms_version)?, Line::parse(&consent.given_how)?);
    let at = proto::from_timestamp(consent.given_at.as_ref().ok_or(Reason::FieldMissing)?);
    if at > now.plus(CLOCKS_DIFFER) || at < now.minus(CONSENT_HOLDS) {
        return Err(Reason::TimeOutOfRange);
    }
    Ok(format!("terms={terms}\nhow={how}\nat={}", at.micros()))
}

/// A report with the keyed hash of what it says. `Err` inside by the first thing that cannot be read.
pub(super) fn report(
    keys: &dyn KeyStore,
    carrier_id: CarrierId,
    request: &pb::ReportNumberChangeRequest,
    now: Timestamp,
) -> Result<Result<Report, Reason>, KeyError> {
    let read = || -> Result<(Uuid, PhoneNumber, NumberChange, Timestamp), Reason> {
        // A report has the form of a sign-up's id.
        let id = SignUpId::parse(&request.report_id)?.uuid();
        let phone = PhoneNumber::parse(&request.phone_number)?;
        let change = change(request)?;
        let at = proto::from_timestamp(request.happened_at.as_ref().ok_or(Reason::FieldMissing)?);
        // What is told late is told all the same; what is to come has not happened.
        if at > now.plus(CLOCKS_DIFFER) { Err(Reason::TimeOutOfRange) } else { Ok((id, phone, change, at)) }
    };
    let (id, phone, change, at) = match read() {
        Ok(read) => read,
        Err(reason) => return Ok(Err(reason)),
    };
    let to = if let NumberChange::PortedOut { to } = &change { to.as_str() } else { "" };
    let parts: [&[u8]; 6] = [
        b"number-change",
        carrier_id.as_str().as_bytes(),
        phone.as_e164().as_bytes(),
        change.name().as_bytes(),
        to.as_bytes(),
        &at.micros().to_be_bytes(),
    ];
    let content_mac = keys.mac(KeyName::RequestFingerprint, &parts)?;
    Ok(Ok(Report { id, carrier_id, phone, change, content_mac }))
}

fn change(request: &pb::ReportNumberChangeRequest) -> Result<NumberChange, Reason> {
    use pb::NumberChange as Change;
    let change = match Change::try_from(request.change).map_err(|_| Reason::FieldUnknown)? {
        Change::Unspecified => return Err(Reason::FieldMissing),
        Change::SimChanged => NumberChange::SimChanged,
        Change::Lost => NumberChange::Lost,
        Change::PortedOut => {
            if request.to_carrier_id.is_empty() {
                return Err(Reason::FieldMissing);
            }
            return Ok(NumberChange::PortedOut { to: CarrierId::parse(&request.to_carrier_id)? });
        }
        Change::Recycled => NumberChange::Recycled,
        Change::GivenBack => NumberChange::GivenBack,
    };
    if request.to_carrier_id.is_empty() { Ok(change) } else { Err(Reason::FieldUnknown) }
}

/// How many answers are asked for. `Err(PageSizeOutOfRange)`.
pub(super) fn size(asked: i32) -> Result<i64, Reason> {
    match asked {
        0 => Ok(USUAL_SIZE),
        1..=LARGEST_SIZE => Ok(asked.into()),
        _ => Err(Reason::PageSizeOutOfRange),
    }
}

pub(super) fn sign_up(sign_up: &SignUp) -> pb::SignUp {
    let state = match sign_up.seen() {
        Seen::Pending => pb::SignUpState::Pending,
        Seen::SignedUp => pb::SignUpState::SignedUp,
        Seen::Refused => pb::SignUpState::Refused,
    };
    // The account is shown when everybody else knows of it, too.
    let masked = sign_up.bound.as_ref().filter(|_| sign_up.seen() == Seen::SignedUp);
    pb::SignUp {
        sign_up_id: sign_up.id.to_string(),
        state: state.into(),
        bank_id: sign_up.account.as_ref().map(|(bank, _)| bank.to_string()).unwrap_or_default(),
        account_masked: masked.map(|(_, masked)| masked.clone()).unwrap_or_default(),
        refusal: sign_up.refusal.map(proto::refusal),
        asked_at: Some(proto::to_timestamp(sign_up.asked_at)),
        decided_at: sign_up.decided_at.map(proto::to_timestamp),
    }
}

pub(super) fn answer(decided: &SignUp) -> pb::Answer {
    pb::Answer { sequence: decided.answer_sequence.unwrap_or(0), sign_up: Some(sign_up(decided)) }
}
