//! Binding this phone to a person.

use std::time::Duration;

use domain::{DeviceId, PersonId, PhoneNumber, Reason};
use proto::cardholder as pb;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::device_key::PUBLIC_KEY_BYTES;
use crate::error::{Failure, SdkError, Trouble};
use crate::phone::{Binding, Inner, Phone};
use crate::session::{Bound, answer};
use crate::vault::Lasting;

/// The file that says whom the phone is bound to.
pub(crate) const BINDING_FILE: &str = "binding";
const LAYOUT: u8 = 1;
const ID_BYTES: usize = 16;

/// This phone, as the hub knows it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Enrolled {
    /// The hub's id of this phone.
    pub device_id: String,
    /// The hub's id of the person.
    pub person_id: String,
}

impl From<&Bound> for Enrolled {
    fn from(bound: &Bound) -> Self {
        Self { device_id: bound.device_id.to_string(), person_id: bound.person_id.to_string() }
    }
}

impl Bound {
    /// Layout, device, person and public key, one after the other.
    fn encode(&self) -> Vec<u8> {
        let (device, person) = (self.device_id.uuid(), self.person_id.uuid());
        [&[LAYOUT][..], device.as_bytes(), person.as_bytes(), &self.public_key].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&LAYOUT, rest) = bytes.split_first()? else { return None };
        let (device, rest) = rest.split_first_chunk::<ID_BYTES>()?;
        let (person, key) = rest.split_first_chunk::<ID_BYTES>()?;
        Some(Self {
            device_id: DeviceId::from_uuid(Uuid::from_bytes(*device)),
            person_id: PersonId::from_uuid(Uuid::from_bytes(*person)),
            public_key: <[u8; PUBLIC_KEY_BYTES]>::try_from(key).ok()?,
        })
    }
}

impl Inner {
    async fn enrol(
        &self,
        number: &str,
        code: Zeroizing<String>,
        password: Option<Zeroizing<String>>,
    ) -> Result<Enrolled, Failure> {
        if !matches!(self.binding(), Binding::Nobody) {
            return Err(Trouble::AlreadyEnrolled.into());
        }
        let number = PhoneNumber::parse(number)?;
        let is_digits =
            |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        // A typing error costs no try.
        if !is_digits(&code, 8) {
            return Err(Reason::EnrolmentRefused.into());
        }
        let public_key = self.signer.public_key().await?;
        let message = Zeroizing::new(format!("bankhub.v1.enrol\n{}\n{}", number.as_e164(), *code));
        let signature = self.signer.sign(message.as_bytes(), &public_key).await?;
        let request = pb::EnrolDeviceRequest {
            phone_number: number.as_e164().to_owned(),
            enrolment_code: code.to_string(),
            device_public_key: public_key.to_vec(),
            signature,
            transaction_password: password.map(|password| password.to_string()).unwrap_or_default(),
        };
        crate::session::check_size(&request)?;
        let enrolled = answer(self.hub.clone().enrol_device(request)).await?;
        let bound = Bound {
            device_id: DeviceId::parse(&enrolled.device_id).map_err(|_| Trouble::AnswerUnreadable)?,
            person_id: PersonId::parse(&enrolled.person_id).map_err(|_| Trouble::AnswerUnreadable)?,
            public_key,
        };
        self.keep_binding(bound)?;
        Ok(Enrolled::from(&bound))
    }

    async fn ask_code(&self, number: &str) -> Result<Duration, Failure> {
        let number = PhoneNumber::parse(number)?;
        let request = pb::AskEnrolmentCodeRequest { phone_number: number.as_e164().to_owned() };
        let answered = answer(self.hub.clone().ask_enrolment_code(request)).await?;
        Ok(Duration::from_secs(u64::try_from(answered.good_for_seconds).map_err(|_| Trouble::AnswerUnreadable)?))
    }

    fn keep_binding(&self, bound: Bound) -> Result<(), Trouble> {
        self.vault.write(BINDING_FILE, &bound.encode(), Lasting::Now)?;
        self.bind(Binding::Bound(bound));
        Ok(())
    }

    /// Takes over a phone whose key was bound by another program.
    pub(crate) async fn adopt(&self, device_id: DeviceId, person_id: PersonId) -> Result<(), Failure> {
        if !matches!(self.binding(), Binding::Nobody) {
            return Err(Trouble::AlreadyEnrolled.into());
        }
        let public_key = self.signer.public_key().await?;
        Ok(self.keep_binding(Bound { device_id, person_id, public_key })?)
    }
}

#[uniffi::export]
impl Phone {
    /// Has the eight digits sent by SMS to this number (international form), if a person has it; says how long they are good for. The hub answers
    /// in the same way for every number, sends one code a minute at most, and refuses with `CHANNEL_ABSENT` where it sends no SMS.
    pub async fn ask_enrolment_code(&self, phone_number: String) -> Result<Duration, SdkError> {
        self.run(|inner| async move { inner.ask_code(&phone_number).await }).await
    }

    /// Binds this phone's key to the person with this number (international form), by the eight digits that came by SMS or that the person got
    /// from the bank. A transaction password, six digits, is set with it; none keeps the one that is set. By a code that came by SMS no
    /// other one is set: it has to be the one that is. When no answer comes it may have been done, and a new code is needed.
    pub async fn enrol(
        &self,
        phone_number: String,
        enrolment_code: String,
        transaction_password: Option<String>,
    ) -> Result<Enrolled, SdkError> {
        let (code, password) = (Zeroizing::new(enrolment_code), transaction_password.map(Zeroizing::new));
        self.run(|inner| async move { inner.enrol(&phone_number, code, password).await }).await
    }

    /// Whom this phone is bound to; none before enrolment.
    pub fn enrolled(&self) -> Option<Enrolled> {
        match self.inner.binding() {
            Binding::Bound(bound) => Some(Enrolled::from(&bound)),
            Binding::Nobody | Binding::Unreadable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_a_binding_is_read_as_it_was_written_and_nothing_else_is() {
        let bound = Bound {
            device_id: DeviceId::from_uuid(Uuid::from_u128(7)),
            person_id: PersonId::from_uuid(Uuid::from_u128(8)),
            public_key: [4; PUBLIC_KEY_BYTES],
        };
        let bytes = bound.encode();
        assert_eq!(Bound::decode(&bytes), Some(bound));
        for length in 0..bytes.len() {
            assert_eq!(Bound::decode(&bytes[..length]), None, "{length}");
        }
        assert_eq!(Bound::decode(&[&[2][..], &bytes[1..]].concat()), None);
    }
}
