//! FindPerson: what is asked is read, counted and told, and only then answered.

use domain::operator::{PersonPurpose, Role, masked_name};
use domain::text::Line;
use domain::{InquiryId, OperatorId, PersonId, PhoneNumber, Reason};
use proto::operator as pb;
use proto::operator::find_person_request::Who;
use server_kit::keystore::KeyName;
use server_kit::store::StoreError;
use tonic::Status;

use super::People;
use super::sql::{self, InstrumentSeen, PersonSeen, PhoneSeen};
use super::steps::{LookUp, Sought};
use crate::directory::{open_name, open_phone, phone_hashes};
use crate::store_status::{fault, store_status};

/// Which sort of request a fingerprint is of.
const FIND: &[u8] = b"FindPerson";

/// What a look-up is for. `Err` with `FieldMissing` or `FieldUnknown`.
fn purpose_of(purpose: i32) -> Result<PersonPurpose, Reason> {
    match pb::PersonPurpose::try_from(purpose).map_err(|_| Reason::FieldUnknown)? {
        pb::PersonPurpose::Unspecified => Err(Reason::FieldMissing),
        pb::PersonPurpose::Support => Ok(PersonPurpose::Support),
        pb::PersonPurpose::Loss => Ok(PersonPurpose::Loss),
        pb::PersonPurpose::Fraud => Ok(PersonPurpose::Fraud),
        pb::PersonPurpose::Rights => Ok(PersonPurpose::Rights),
    }
}

impl People {
    /// Looks somebody up for an operator in this role. `Err` with what the request is refused for, `PersonLookupsExhausted`,
    /// `PersonUnknown` also when the name is another one, or `IdTaken`.
    pub(crate) async fn find(
        &self,
        (operator, role): (OperatorId, Role),
        request: &pb::FindPersonRequest,
    ) -> Result<pb::FindPersonResponse, Status> {
        let look_up = self.read(operator, role, request)?.map_err(proto::status)?;
        let outcome = self.writer.write(look_up).await.map_err(|error| store_status(&error))?;
        let found = outcome.found.map_err(proto::status)?;
        let person_id = found.person_id.ok_or_else(|| proto::status(Reason::PersonUnknown))?;
        let left_today = i32::try_from(found.left).unwrap_or(i32::MAX);
        let away = |error: StoreError| store_status(&error);
        let seen = sql::read_person(&self.store, person_id).await.map_err(away)?;
        let seen = seen.ok_or_else(|| proto::status(Reason::PersonUnknown))?;
        let instruments = sql::read_instruments(&self.store, person_id).await.map_err(away)?;
        let risk = match role.sees_risk_of_persons() {
            true => Some(risk(&seen, sql::read_phones(&self.store, person_id).await.map_err(away)?)),
            false => None,
        };
        let name = open_name(&*self.keys, person_id, &seen.name_sealed).map_err(|error| fault(&error))?;
        // Somebody whose number has ended has none.
        let phone = match seen.phone_sealed.as_slice() {
            [] => String::new(),
            sealed => open_phone(&*self.keys, person_id, sealed).map_err(away)?.masked(),
        };
        Ok(pb::FindPersonResponse {
            person_id: person_id.to_string(),
            name_masked: masked_name(name.as_str()),
            phone_number_masked: phone,
            registered_at: Some(proto::to_timestamp(seen.registered_at)),
            number_in_doubt: seen.number_in_doubt,
            instruments: instruments.into_iter().map(instrument).collect(),
            risk,
            left_today,
        })
    }

    fn read(
        &self,
        operator: OperatorId,
        role: Role,
        request: &pb::FindPersonRequest,
    ) -> Result<Result<LookUp, Reason>, Status> {
        let read = || -> Result<_, Reason> {
            let id = InquiryId::parse(&request.lookup_id)?.uuid();
            let who = match request.who.as_ref().ok_or(Reason::FieldMissing)? {
                Who::PersonId(id) => Ok(PersonId::parse(id)?),
                Who::PhoneNumber(number) => Err(PhoneNumber::parse(number)?),
            };
            let name = Some(request.name.as_str()).filter(|name| !name.is_empty()).map(Line::parse).transpose()?;
            Ok((id, who, name, purpose_of(request.purpose)?, Line::parse(&request.why)?))
        };
        let (id, who, name, purpose, why) = match read() {
            Ok(read) => read,
            Err(reason) => return Ok(Err(reason)),
        };
        let keys = &*self.keys;
        let of = match &who {
            Ok(person_id) => person_id.uuid().as_bytes().to_vec(),
            Err(number) => number.as_e164().as_bytes().to_vec(),
        };
        let sought = match who {
            Ok(person_id) => Sought::Person(person_id),
            Err(number) => Sought::Number(phone_hashes(keys, &number).map_err(|error| fault(&error))?),
        };
        let named = name.as_ref().map_or("", Line::as_str);
        let about: [&[u8]; 5] = [FIND, &of, named.as_bytes(), purpose.as_str().as_bytes(), why.as_str().as_bytes()];
        let fingerprint = keys.mac(KeyName::RequestFingerprint, &about).map_err(|error| fault(&error))?;
        Ok(Ok(LookUp { id, operator, role, sought, name, purpose, why, fingerprint }))
    }
}

fn instrument(it: InstrumentSeen) -> pb::FoundInstrument {
    let InstrumentSeen { bank_id, is_card, masked, active, is_default, frozen } = it;
    pb::FoundInstrument { bank_id, masked, is_card, active, is_default, frozen }
}

fn risk(seen: &PersonSeen, phones: Vec<PhoneSeen>) -> pb::PersonRisk {
    let phone = |(device_id, enrolled_at, revoked): PhoneSeen| pb::FoundPhone {
        device_id: device_id.to_string(),
        enrolled_at: Some(proto::to_timestamp(enrolled_at)),
        revoked,
    };
    pb::PersonRisk {
        wrong_tries: i32::try_from(seen.failures).unwrap_or(i32::MAX),
        blocked_until: seen.blocked_until.map(proto::to_timestamp),
        number_changes: seen.number_epoch,
        phones: phones.into_iter().map(phone).collect(),
    }
}
