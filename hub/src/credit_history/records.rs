//! A person's purchases for an operator, under a consent that the person has signed for this operator (R7, M9).
//!
//! The pages of one answer are one inquiry: it is told to the person and logged once, and shows what the record had when it was first
//! answered. Each page asks again whether the consent still allows it.

use domain::credit_history::{Asker, Field, Fields, Purpose, Question, Shown};
use domain::{ConsentId, InquiryId, OperatorId, PersonId, Reason};
use prost::Message as _;
use proto::{cardholder, operator as pb};
use server_kit::keystore::KeyName;
use tonic::Status;

use super::inquire::{About, Inquire};
use super::steps::{Done, Step};
use super::told::Told;
use super::{CreditHistory, unusable};
use crate::cardholder::wire::purchase;
use crate::records::page::{self, PageAsked};
use crate::records::query::filter_of;
use crate::store_status::{fault, store_status};

/// Which list a page token belongs to.
const LIST: &[u8] = b"ListPersonPayments";
/// More names of fields than there are fields is nothing that an operator asks for.
const MOST_FIELDS: usize = 4;

fn purpose(purpose: i32) -> Result<Purpose, Reason> {
    match pb::RecordsPurpose::try_from(purpose).map_err(|_| Reason::FieldUnknown)? {
        pb::RecordsPurpose::Unspecified => Err(Reason::FieldMissing),
        pb::RecordsPurpose::Support => Ok(Purpose::Support),
        pb::RecordsPurpose::Dispute => Ok(Purpose::Dispute),
    }
}

fn field(field: i32) -> Result<Field, Reason> {
    match pb::RecordField::try_from(field).map_err(|_| Reason::FieldUnknown)? {
        pb::RecordField::Unspecified => Err(Reason::FieldUnknown),
        pb::RecordField::Amounts => Ok(Field::Amounts),
        pb::RecordField::Merchants => Ok(Field::Merchants),
        pb::RecordField::Places => Ok(Field::Places),
        pb::RecordField::Items => Ok(Field::Items),
    }
}

fn question(operator: OperatorId, request: &pb::ListPersonPaymentsRequest) -> Result<Question, Reason> {
    if request.fields.len() > MOST_FIELDS {
        return Err(Reason::TooManyItems);
    }
    let fields = request.fields.iter().map(|it| field(*it)).collect::<Result<Vec<_>, _>>()?;
    let (asker, purpose) = (Asker::Operator(operator), purpose(request.purpose)?);
    Ok(Question { asker, purpose, fields: Fields::new(fields)? })
}

impl CreditHistory {
    /// Answers an operator's inquiry with one page.
    pub async fn person_payments(
        &self,
        operator: OperatorId,
        request: &pb::ListPersonPaymentsRequest,
    ) -> Result<pb::ListPersonPaymentsResponse, Status> {
        let question = question(operator, request).map_err(proto::status)?;
        let id = InquiryId::parse(&request.inquiry_id).map_err(proto::status)?;
        let person_id = PersonId::parse(&request.person_id).map_err(proto::status)?;
        let consent_id = ConsentId::parse(&request.consent_id).map_err(proto::status)?;
        let filter = filter_of(request.filter.as_ref()).map_err(proto::status)?;
        let shown = Shown::of(&question.fields);
        shown.allows(&filter).map_err(proto::status)?;
        let keys = &*self.parts.keys;
        let after = match request.page_token.as_str() {
            "" => i64::MAX,
            token => {
                let place = page::open_place(keys, LIST, id.uuid(), token).map_err(|error| fault(&error))?;
                place.ok_or_else(|| proto::status(Reason::PageTokenMalformed))?
            }
        };
        let asked = PageAsked::before(request.page_size, after).map_err(proto::status)?;
        self.may_ask(&question.asker).map_err(proto::status)?;
        let inquire = self.inquiry_of(id, person_id, consent_id, question, request)?;
        let outcome = self.writer.write(Step::Inquire(inquire)).await.map_err(|error| store_status(&error))?;
        let Done::Answered(answered) = outcome.done.map_err(proto::status)? else {
            return Err(proto::status(Reason::Fault));
        };
        let Told::Records { through_sequence } = answered.told.map_err(proto::status)? else {
            return Err(proto::status(Reason::Fault));
        };
        let asked = asked.at_most(through_sequence.saturating_add(1));
        let page = page::read_page(&self.parts.store, person_id, &filter, asked).await;
        let page = page.map_err(|error| store_status(&error))?;
        let token = page.next.map(|next| page::seal_place(keys, LIST, id.uuid(), next)).transpose();
        Ok(pb::ListPersonPaymentsResponse {
            purchases: page.purchases.iter().map(|bought| redacted(purchase(bought), shown)).collect(),
            next_page_token: token.map_err(|error| fault(&error))?.unwrap_or_default(),
            answered_at: Some(proto::to_timestamp(answered.at)),
        })
    }

    fn inquiry_of(
        &self,
        id: InquiryId,
        person_id: PersonId,
        consent_id: ConsentId,
        question: Question,
        request: &pb::ListPersonPaymentsRequest,
    ) -> Result<Inquire, Status> {
        let (fields, filter) = (question.fields.to_string(), request.filter.clone().unwrap_or_default());
        let (person, consent) = (person_id.uuid(), consent_id.uuid());
        let about: [&[u8]; 6] = [
            LIST,
            person.as_bytes(),
            question.purpose.as_str().as_bytes(),
            fields.as_bytes(),
            consent.as_bytes(),
            &filter.encode_to_vec(),
        ];
        let fingerprint = self.parts.keys.mac(KeyName::RequestFingerprint, &about);
        let fingerprint = fingerprint.map_err(|error| store_status(&unusable(error)))?;
        Ok(Inquire { id, question, about: About::Person(person_id), consent_id, fingerprint })
    }
}

/// A purchase with what is shown and nothing else.
fn redacted(bought: cardholder::Purchase, shown: Shown) -> cardholder::Purchase {
    let cardholder::Purchase { amount, given_back_minor, credit_minor, merchant, items, .. } = bought;
    let (terminal_id, place, location) = (bought.terminal_id, bought.place, bought.location);
    let items = items.into_iter().map(|item| proto::common::LineItem {
        amount_minor: if shown.amounts { item.amount_minor } else { 0 },
        ..item
    });
    cardholder::Purchase {
        payment_id: bought.payment_id,
        occurred_at: bought.occurred_at,
        bank_id: bought.bank_id,
        account_masked: bought.account_masked,
        nature: bought.nature,
        state: bought.state,
        carrier: bought.carrier,
        amount: amount.filter(|_| shown.amounts),
        given_back_minor: if shown.amounts { given_back_minor } else { 0 },
        credit_minor: credit_minor.filter(|_| shown.amounts),
        merchant: merchant.filter(|_| shown.merchants),
        terminal_id: if shown.places { terminal_id } else { String::new() },
        place: if shown.places { place } else { String::new() },
        location: location.filter(|_| shown.places),
        items: if shown.items { items.collect() } else { Vec::new() },
    }
}
