//! What a phone calls before it has a session: it is bound, and opens one.

use domain::notice::ChannelKind;
use domain::{DeviceId, PhoneNumber, Reason};
use proto::cardholder as pb;
use server_kit::rng::digits;
use tonic::{Request, Status};

use super::asking_code::AskedCode;
use super::enrol::{Asked, CODE_DIGITS};
use super::session::{Signed, Token, make_nonce};
use super::steps::{Done, Step};
use super::{Inner, sql};
use crate::directory::phone_hashes;
use crate::store_status::{fault, store_status};

impl Inner {
    /// The same answer for every number, before anything is looked up.
    pub(super) fn ask_enrolment_code(
        &self,
        request: &Request<pb::AskEnrolmentCodeRequest>,
    ) -> Result<pb::AskEnrolmentCodeResponse, Status> {
        self.limits.code(request)?;
        let parts = &self.parts;
        let phone = PhoneNumber::parse(&request.get_ref().phone_number).map_err(proto::status)?;
        if !parts.notices.channels().contains(&ChannelKind::Sms) {
            return Err(proto::status(Reason::ChannelAbsent));
        }
        let phone_hashes = phone_hashes(&*parts.keys, &phone).map_err(|error| fault(&error))?;
        let id = parts.ids.uuid().map_err(|error| fault(&error))?;
        let code = digits(&*parts.rng, CODE_DIGITS).map_err(|error| fault(&error))?;
        let asked = AskedCode { id, phone_hashes, code: code.into() };
        self.asked_codes.try_send(asked).map_err(|_| proto::status(Reason::TooBusy))?;
        let good_for = i32::try_from(parts.codes.code_ttl.as_secs()).unwrap_or(i32::MAX);
        Ok(pb::AskEnrolmentCodeResponse { good_for_seconds: good_for })
    }

    pub(super) async fn enrol(
        &self,
        request: Request<pb::EnrolDeviceRequest>,
    ) -> Result<pb::EnrolDeviceResponse, Status> {
        self.limits.call(&request)?;
        let asked = Asked::read(request.into_inner()).map_err(proto::status)?;
        let hashes = phone_hashes(&*self.parts.keys, asked.phone()).map_err(|error| fault(&error))?;
        let device_id = DeviceId::from_uuid(self.parts.ids.uuid().map_err(|error| fault(&error))?);
        match self.step(Step::Enrol(asked.with(hashes, device_id))).await? {
            Done::Enrolled(person_id, _) => {
                Ok(pb::EnrolDeviceResponse { device_id: device_id.to_string(), person_id: person_id.to_string() })
            }
            other => Err(fault(&format!("an enrolment was answered with {other:?}"))),
        }
    }

    pub(super) fn begin_session(
        &self,
        request: &Request<pb::BeginSessionRequest>,
    ) -> Result<pb::BeginSessionResponse, Status> {
        self.limits.call(request)?;
        let device_id = DeviceId::parse(&request.get_ref().device_id).map_err(proto::status)?;
        let parts = &self.parts;
        let nonce = make_nonce(&*parts.keys, &*parts.rng, device_id, parts.clock.now());
        Ok(pb::BeginSessionResponse { nonce: nonce.map_err(|error| fault(&error))? })
    }

    pub(super) async fn open_session(
        &self,
        request: Request<pb::OpenSessionRequest>,
    ) -> Result<pb::OpenSessionResponse, Status> {
        self.limits.call(&request)?;
        let parts = &self.parts;
        let signed = Signed::read(request.into_inner()).map_err(proto::status)?;
        let device = sql::read_device(&parts.store, signed.device_id).await.map_err(|error| store_status(&error))?;
        let genuine = signed.is_genuine(&*parts.keys, device.as_ref(), parts.clock.now());
        if !genuine.map_err(|error| fault(&error))? {
            return Err(proto::status(Reason::DeviceRefused));
        }
        let token = Token::make(&*parts.keys, &*parts.rng).map_err(|error| fault(&error))?;
        let idle = self.options.idle;
        match self.step(Step::Open(signed.open(&token, idle))).await? {
            Done::Opened => Ok(pb::OpenSessionResponse {
                token: token.text,
                idle_timeout_seconds: i32::try_from(idle.as_secs()).unwrap_or(i32::MAX),
            }),
            other => Err(fault(&format!("a session was answered with {other:?}"))),
        }
    }
}
