//! Offers as banks, operators and phones send and get them.

use domain::habit::{Cell, Weekday};
use domain::offer::{AcceptanceForm, Agreement, Answer, Filing, Rule, ShownAs, State, Target, Wording, accept, report};
use domain::{BankId, Currency, Money, OfferId, PersonId, Reason, Timestamp};
use proto::{cardholder, common};

use super::sql::{Counted, Got, StoredOffer};

/// What a bank files.
pub(super) fn filing(bank_id: BankId, message: Option<&common::OfferFiling>) -> Result<Filing, Reason> {
    let message = message.ok_or(Reason::FieldMissing)?;
    let time = |at: Option<&prost_types::Timestamp>| at.map(proto::from_timestamp).ok_or(Reason::FieldMissing);
    Ok(Filing {
        id: OfferId::parse(&message.offer_id)?,
        bank_id,
        title: wording(message.title.as_ref())?,
        text: wording(message.text.as_ref())?,
        rule: rule(message.rule.as_ref())?,
        valid_from: time(message.valid_from.as_ref())?,
        valid_until: time(message.valid_until.as_ref())?,
        budget: message.budget,
    })
}

fn wording(message: Option<&common::Wording>) -> Result<Wording, Reason> {
    let message = message.ok_or(Reason::FieldMissing)?;
    Wording::parse(&message.text_en, &message.text_zh)
}

fn rule(message: Option<&common::OfferRule>) -> Result<Rule, Reason> {
    let message = message.ok_or(Reason::FieldMissing)?;
    let sum =
        |money: &common::Money| Ok::<_, Reason>(Money::new(Currency::parse(&money.currency_code)?, money.minor_units));
    Ok(Rule {
        target: Some(message.target.as_str()).filter(|text| !text.is_empty()).map(Target::parse).transpose()?,
        within_days: u16::try_from(message.within_days).map_err(|_| Reason::OfferRuleOutOfRange)?,
        least_count: message.least_count,
        least_sum: message.least_sum.as_ref().map(sum).transpose()?,
        weekday: Some(message.weekday.as_str()).filter(|text| !text.is_empty()).map(Weekday::parse).transpose()?,
        cell: Some(message.cell.as_str()).filter(|text| !text.is_empty()).map(Cell::parse).transpose()?,
    })
}

fn to_wording(wording: &Wording) -> common::Wording {
    common::Wording { text_en: wording.english.to_string(), text_zh: wording.chinese.to_string() }
}

fn to_rule(rule: &Rule) -> common::OfferRule {
    common::OfferRule {
        target: rule.target.map(|target| target.to_string()).unwrap_or_default(),
        within_days: rule.within_days.into(),
        least_count: rule.least_count,
        least_sum: rule.least_sum.map(proto::to_money),
        weekday: rule.weekday.map(|weekday| weekday.as_str().to_owned()).unwrap_or_default(),
        cell: rule.cell.map(|cell| cell.to_string()).unwrap_or_default(),
    }
}

const fn to_state(state: State) -> common::OfferState {
    match state {
        State::Filed => common::OfferState::Filed,
        State::Running => common::OfferState::Running,
        State::Withdrawn => common::OfferState::Withdrawn,
        State::UsedUp => common::OfferState::UsedUp,
    }
}

/// Nothing for any state.
pub(super) fn state(state: i32) -> Result<Option<State>, Reason> {
    Ok(match common::OfferState::try_from(state).map_err(|_| Reason::FieldUnknown)? {
        common::OfferState::Unspecified => None,
        common::OfferState::Filed => Some(State::Filed),
        common::OfferState::Running => Some(State::Running),
        common::OfferState::Withdrawn => Some(State::Withdrawn),
        common::OfferState::UsedUp => Some(State::UsedUp),
    })
}

/// An offer with what its bank may know.
pub(super) fn offer((stored, accepted): &Counted, floor: u32) -> common::Offer {
    let StoredOffer { offer, filed_at, .. } = stored;
    let filing = &offer.filing;
    let told = report(offer, [], floor);
    common::Offer {
        filing: Some(common::OfferFiling {
            offer_id: filing.id.to_string(),
            title: Some(to_wording(&filing.title)),
            text: Some(to_wording(&filing.text)),
            rule: Some(to_rule(&filing.rule)),
            valid_from: Some(proto::to_timestamp(filing.valid_from)),
            valid_until: Some(proto::to_timestamp(filing.valid_until)),
            budget: filing.budget,
        }),
        bank_id: filing.bank_id.to_string(),
        state: to_state(told.state).into(),
        delivered_at_least: told.delivered_at_least.unwrap_or(0),
        accepted_count: u32::try_from(*accepted).unwrap_or(u32::MAX),
        filed_at: Some(proto::to_timestamp(*filed_at)),
    }
}

/// Whose offers a person gets.
pub(super) fn preferences(person_id: PersonId, agreement: Option<&Agreement>) -> cardholder::OfferPreferences {
    let signed_at = agreement.map(|agreement| agreement.signed_at).filter(|at| at.micros() > 0);
    cardholder::OfferPreferences {
        person_id: person_id.to_string(),
        bank_ids: agreement.iter().flat_map(|agreement| &agreement.banks).map(BankId::to_string).collect(),
        most_a_week: agreement.map_or(0, |agreement| agreement.most_a_week.into()),
        signed_at: signed_at.map(proto::to_timestamp),
    }
}

/// An offer as the person sees it, who is a customer of its bank or not.
pub(super) fn got(got: &Got, is_customer: bool, now: Timestamp) -> cardholder::PersonOffer {
    let Got { offer, bank_name, delivery, because, .. } = got;
    let filing = &offer.filing;
    let is_open = delivery.answer == Answer::Open && accept(offer, delivery, now).is_ok();
    let form = |shown_as| AcceptanceForm::of(filing, delivery.person_id, shown_as).to_string();
    let answer = match delivery.answer {
        Answer::Accepted(_) => cardholder::OfferAnswer::Accepted,
        Answer::Open | Answer::Declined(_) => cardholder::OfferAnswer::Unspecified,
    };
    cardholder::PersonOffer {
        offer_id: filing.id.to_string(),
        bank_id: filing.bank_id.to_string(),
        bank_name: bank_name.clone(),
        title: Some(to_wording(&filing.title)),
        text: Some(to_wording(&filing.text)),
        because_en: because.english(),
        because_zh: because.chinese(),
        delivered_at: Some(proto::to_timestamp(delivery.delivered_at)),
        valid_until: Some(proto::to_timestamp(filing.valid_until)),
        is_open,
        answer: answer.into(),
        accept_as_customer: if is_open && is_customer { form(ShownAs::Customer) } else { String::new() },
        accept_as_contact: if is_open { form(ShownAs::Contact) } else { String::new() },
    }
}
