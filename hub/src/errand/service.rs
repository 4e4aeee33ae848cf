//! The calls of terminals about errands: what cannot be read is refused by reason, before anything is stored.

use std::sync::Arc;

use domain::card::Pin;
use domain::errand::{Errand, ErrandKind, NewErrand, State};
use domain::purchase::Terminal;
use domain::safety_code::SafetyCode;
use domain::{AttemptId, ErrandId, OneTimeCode, PhoneNumber, Reason, TerminalId, TransactionPassword};
use proto::{common, status, terminal as pb};
use server_kit::keystore::KeyName;
use server_kit::rng::digits;
use tonic::Status;
use zeroize::Zeroizing;

use super::pin_pad::PadKey;
use super::steps::{Begin, Prove, Secret, Step, code_mac};
use super::{Errands, sql};
use crate::lookups::LookUp;
use crate::store_status::{fault, store_status};

/// A request for an errand that can be read.
#[derive(Debug)]
pub(crate) struct ReadErrand {
    id: ErrandId,
    phone: PhoneNumber,
    kind: ErrandKind,
    fingerprint: [u8; 32],
}

impl Errands {
    /// Reads a request, before anybody is looked for.
    pub(crate) fn read(&self, request: &pb::CreateErrandRequest) -> Result<ReadErrand, Status> {
        let id = ErrandId::parse(&request.errand_id).map_err(status)?;
        let phone = PhoneNumber::parse(&request.phone_number).map_err(status)?;
        let kind = proto::from_errand_kind(request.kind()).map_err(status)?;
        let parts = [b"errand".as_slice(), kind.as_str().as_bytes(), phone.as_e164().as_bytes()];
        let fingerprint = self.inner.keys.mac(KeyName::RequestFingerprint, &parts).map_err(|error| fault(&error))?;
        Ok(ReadErrand { id, phone, kind, fingerprint })
    }

    /// Takes a request in, and has a code sent.
    pub(crate) async fn create(
        &self,
        terminal: Arc<Terminal>,
        asked: ReadErrand,
        look_up: LookUp,
    ) -> Result<pb::Errand, Status> {
        let errand = self.begin(terminal, asked).await;
        match errand.as_ref().map(|errand| errand.refusal) {
            Ok(Some(Reason::NumberNotServed)) => look_up.miss(),
            Ok(_) => look_up.hit(),
            Err(_) => look_up.told_nothing(),
        }
        errand.map(|errand| self.seen(&errand))
    }

    /// The errand that this request has already made. `Err(IdTaken)` if another one has.
    pub(crate) async fn known(&self, terminal: &TerminalId, asked: &ReadErrand) -> Result<Option<pb::Errand>, Status> {
        let errand = sql::find(&self.inner.store, asked.id).await.map_err(|error| store_status(&error))?;
        let Some(errand) = errand else { return Ok(None) };
        errand.same_request(terminal, &asked.fingerprint).map_err(status)?;
        Ok(Some(self.seen(&errand)))
    }

    async fn begin(&self, terminal: Arc<Terminal>, asked: ReadErrand) -> Result<Errand, Status> {
        let ReadErrand { id, phone, kind, fingerprint } = asked;
        let inner = &self.inner;
        let payer = inner.directory.payer_by_phone(&phone).await.map_err(|error| store_status(&error))?;
        let number_epoch = payer.as_ref().map_or(0, |payer| payer.number_epoch);
        let code = digits(&*inner.rng, OneTimeCode::DIGITS).map_err(|error| fault(&error))?;
        let code = OneTimeCode::parse(&code).map_err(status)?;
        let code_mac =
            code_mac(&*inner.keys, &code, (id, kind, &terminal.id, number_epoch)).map_err(|error| fault(&error))?;
        let sealed = inner.keys.seal(KeyName::SealedPayload, id.uuid().as_bytes(), code.reveal().as_bytes());
        let person_id = payer.map(|payer| payer.person_id);
        let new = NewErrand { id, kind, terminal, fingerprint, person_id, number_epoch, code_mac };
        let begin = Begin { new, code, sealed: sealed.map_err(|error| fault(&error))? };
        self.step(Step::Begin(Box::new(begin))).await
    }

    /// Evaluates what was typed, and does what the errand is for if it was right.
    pub(crate) async fn prove(
        &self,
        terminal: &TerminalId,
        mut request: pb::ProveErrandRequest,
    ) -> Result<pb::ProveErrandResponse, Status> {
        let (known, new_password) = (request.known.take(), request.new_password.take());
        let id = ErrandId::parse(&request.errand_id).map_err(status)?;
        let attempt = AttemptId::parse(&request.attempt_id).map_err(status)?;
        let code = OneTimeCode::parse(&request.code).map_err(status)?;
        let kind = self.owned(terminal, id).await?.kind;
        let (known, new_password) = self.opened(terminal, (id, kind), known, new_password).await?;
        let prove = Prove { errand: id, attempt, terminal: terminal.clone(), code, known, new_password };
        let errand = self.step(Step::Prove(Box::new(prove))).await?;
        if let Some(person_id) = errand.person_id.filter(|_| errand.state == State::Done) {
            // What was cached knows nothing of it; other replicas see it when their entries end.
            self.inner.directory.forget_payer(person_id);
        }
        Ok(pb::ProveErrandResponse { errand: Some(self.seen(&errand)) })
    }

    /// An errand of the terminal as it stands.
    pub(crate) async fn get(&self, terminal: &TerminalId, id: &str) -> Result<pb::GetErrandResponse, Status> {
        let id = ErrandId::parse(id).map_err(status)?;
        let errand = self.owned(terminal, id).await?;
        Ok(pb::GetErrandResponse { errand: Some(self.seen(&errand)) })
    }

    async fn owned(&self, terminal: &TerminalId, id: ErrandId) -> Result<Errand, Status> {
        let errand = sql::find(&self.inner.store, id).await.map_err(|error| store_status(&error))?;
        let errand = errand.ok_or_else(|| status(Reason::ErrandUnknown))?;
        errand.owned_by(terminal).map_err(status)?;
        Ok(errand)
    }

    async fn step(&self, step: Step) -> Result<Errand, Status> {
        let outcome = self.inner.writer.write(step).await.map_err(|error| store_status(&error))?;
        outcome.errand.map_err(status)
    }

    /// Opens the PIN blocks that the errand takes. A block too few is `PinRequired`, one too many `FieldUnknown`: nothing is counted, and
    /// nothing is ignored.
    async fn opened(
        &self,
        terminal: &TerminalId,
        (id, kind): (ErrandId, ErrandKind),
        known: Option<common::PinBlock>,
        new_password: Option<common::PinBlock>,
    ) -> Result<(Option<Secret>, Option<TransactionPassword>), Status> {
        for (given, taken) in [(known.is_some(), kind.takes_known()), (new_password.is_some(), kind.takes_password())] {
            match (given, taken) {
                (false, true) => return Err(status(Reason::PinRequired)),
                (true, false) => return Err(status(Reason::FieldUnknown)),
                _ => {}
            }
        }
        if known.is_none() && new_password.is_none() {
            return Ok((None, None));
        }
        let key = self.pad_key(terminal).await?;
        let known = known.map(|block| key.open(id, block)).transpose().map_err(status)?;
        let new_password = new_password.map(|block| key.open(id, block)).transpose().map_err(status)?;
        let known = known.map(|pin| match kind {
            ErrandKind::ResetPassword => SafetyCode::parse(&text_of(&pin)).map(Secret::SafetyCode),
            _ => TransactionPassword::parse(&text_of(&pin)).map(Secret::Password),
        });
        let new_password = new_password.map(|pin| TransactionPassword::parse(&text_of(&pin)));
        Ok((known.transpose().map_err(status)?, new_password.transpose().map_err(status)?))
    }

    /// The key of the terminal's PIN pad, opened for this call alone.
    async fn pad_key(&self, terminal: &TerminalId) -> Result<PadKey, Status> {
        let sealed = self.inner.directory.sealed_pad_key(terminal).await.map_err(|error| store_status(&error))?;
        let sealed = sealed.ok_or_else(|| status(Reason::PinPadUnknown))?;
        PadKey::opened(&*self.inner.keys, terminal, &sealed).map_err(|error| fault(&error))
    }

    /// The errand as its terminal sees it. One whose code has ended is refused, whether or not somebody has written that down.
    fn seen(&self, errand: &Errand) -> pb::Errand {
        let expired = errand.has_expired(self.inner.clock.now());
        let (state, refusal) = match errand.state {
            State::Waiting if expired => (pb::ErrandState::Refused, Some(Reason::CodeExpired)),
            State::Waiting => (pb::ErrandState::Waiting, errand.refusal),
            State::Done => (pb::ErrandState::Done, None),
            State::Refused => (pb::ErrandState::Refused, errand.refusal),
        };
        let challenge = errand.challenge.as_ref().filter(|_| !expired);
        let ended_at = errand.challenge.as_ref().filter(|_| expired).map(|challenge| challenge.expires_at);
        pb::Errand {
            errand_id: errand.id.to_string(),
            kind: proto::to_errand_kind(errand.kind).into(),
            state: state.into(),
            refusal: refusal.map(proto::refusal),
            attempts_left: challenge.map_or(0, |challenge| u32::from(challenge.attempts_left)),
            code_expires_at: challenge.map(|challenge| proto::to_timestamp(challenge.expires_at)),
            created_at: Some(proto::to_timestamp(errand.created_at)),
            decided_at: errand.decided_at.or(ended_at).map(proto::to_timestamp),
        }
    }
}

/// The digits of a PIN as they are compared.
fn text_of(pin: &Pin) -> Zeroizing<String> {
    Zeroizing::new(pin.digits().iter().map(|digit| char::from(b'0' + digit)).collect())
}
