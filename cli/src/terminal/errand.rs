//! Errands: what somebody has done at the terminal besides paying. Each is proved by a code from the phone; passwords leave the PIN pad as
//! PIN blocks under a key that the pad shares with the hub.

pub(super) mod command;

use std::fmt;

use domain::errand::ErrandKind;
use domain::{AttemptId, ErrandId, PhoneNumber, Reason};
use proto::common;
use proto::terminal as pb;
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::clock::Stopwatch;
use tonic::{Response, Status};

use super::call::{Failure, Refused};
use super::payment::UnreadablePayment;
use super::see_through::Pauses;
use super::{Pad, Record, Terminal, TerminalError};

/// Where an errand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrandState {
    Waiting,
    Done,
    Refused,
}

impl ErrandState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Done => "DONE",
            Self::Refused => "REFUSED",
        }
    }
}

/// An errand as its terminal sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Errand {
    pub id: ErrandId,
    pub kind: ErrandKind,
    pub state: ErrandState,
    /// Why it was refused, or why the last try failed.
    pub refusal: Option<common::Refusal>,
    pub attempts_left: u32,
}

impl Errand {
    fn read(wire: Option<pb::Errand>) -> Result<Self, UnreadablePayment> {
        let unreadable = |what| UnreadablePayment { what };
        let wire = wire.ok_or_else(|| unreadable("there is no errand in it"))?;
        let state = match wire.state() {
            pb::ErrandState::Waiting => ErrandState::Waiting,
            pb::ErrandState::Done => ErrandState::Done,
            pb::ErrandState::Refused => ErrandState::Refused,
            pb::ErrandState::Unspecified => return Err(unreadable("its state is not known here")),
        };
        Ok(Self {
            id: ErrandId::parse(&wire.errand_id).map_err(|_| unreadable("its id is malformed"))?,
            kind: proto::from_errand_kind(wire.kind()).map_err(|_| unreadable("what it is for is not known here"))?,
            state,
            refusal: wire.refusal,
            attempts_left: wire.attempts_left,
        })
    }

    /// The reason of the catalogue for which it was refused or the last try failed.
    pub fn reason(&self) -> Option<Reason> {
        self.refusal.as_ref().and_then(|refusal| Reason::from_code(&refusal.reason))
    }
}

/// What is typed for an errand.
#[derive(Clone, Default)]
pub struct ErrandProof {
    /// The code from the phone.
    pub code: SecretString,
    /// The password that holds, to change it; the safety code, to reset it.
    pub known: Option<SecretString>,
    /// The password from now on.
    pub new_password: Option<SecretString>,
}

impl fmt::Debug for ErrandProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrandProof")
    }
}

impl Terminal {
    /// Begins an errand under a new id: the phone gets its code.
    pub async fn begin_errand(&self, kind: ErrandKind, phone: &PhoneNumber) -> Result<Errand, TerminalError> {
        self.begin_errand_as(ErrandId::from_uuid(self.ids.uuid()?), kind, phone).await
    }

    /// The same under this id; the same id with the same request gives the first answer again.
    pub async fn begin_errand_as(
        &self,
        id: ErrandId,
        kind: ErrandKind,
        phone: &PhoneNumber,
    ) -> Result<Errand, TerminalError> {
        self.write(Record::ErrandBegun { errand_id: id, errand: kind.as_str().to_owned() }).await?;
        let request = pb::CreateErrandRequest {
            errand_id: id.to_string(),
            phone_number: phone.as_e164().to_owned(),
            kind: proto::to_errand_kind(kind).into(),
        };
        self.insist(id, async || {
            let mut client = self.client.clone();
            read(self.within(client.create_errand(self.bounded(request.clone()))).await, |it| it.errand)
        })
        .await
    }

    /// Hands in the code and what else the errand takes; sent again as the same try until there is an answer.
    pub async fn prove_errand(
        &self,
        id: ErrandId,
        proof: &ErrandProof,
        pad: Option<&Pad>,
    ) -> Result<Errand, TerminalError> {
        let block = |typed: &Option<SecretString>| -> Result<Option<common::PinBlock>, TerminalError> {
            match (typed, pad) {
                (None, _) => Ok(None),
                (Some(typed), Some(pad)) => Ok(Some(pad.errand_block(id, typed)?)),
                (Some(_), None) => Err(TerminalError::NoPad),
            }
        };
        let request = pb::ProveErrandRequest {
            errand_id: id.to_string(),
            attempt_id: AttemptId::from_uuid(self.ids.uuid()?).to_string(),
            code: proof.code.expose_secret().to_owned(),
            known: block(&proof.known)?,
            new_password: block(&proof.new_password)?,
        };
        self.insist(id, async || {
            let mut client = self.client.clone();
            read(self.within(client.prove_errand(self.bounded(request.clone()))).await, |it| it.errand)
        })
        .await
    }

    /// Reads an errand once.
    pub async fn get_errand(&self, id: ErrandId) -> Result<Errand, TerminalError> {
        let errand = self.ask_errand(id).await.map_err(Failure::once)?;
        self.note_errand(&errand).await?;
        Ok(errand)
    }

    async fn ask_errand(&self, id: ErrandId) -> Result<Errand, Failure> {
        let mut client = self.client.clone();
        let request = pb::GetErrandRequest { errand_id: id.to_string() };
        read(self.within(client.get_errand(self.bounded(request))).await, |it| it.errand)
    }

    /// Asks about the errands that were begun and of which no end was heard. Nothing is owed of them: one whose code was not brought in
    /// time is refused by itself.
    pub(super) async fn settle_errands(&self) -> Result<(), TerminalError> {
        for id in self.open_errands() {
            match self.get_errand(id).await {
                Err(TerminalError::Refused(Refused { reason: Some(Reason::ErrandUnknown), .. })) => {
                    self.write(Record::ErrandSettled { errand_id: id, outcome: "NEVER_SENT".to_owned() }).await?;
                }
                Err(TerminalError::Journal(error)) => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    async fn note_errand(&self, errand: &Errand) -> Result<(), TerminalError> {
        if errand.state != ErrandState::Waiting && self.open_errands().contains(&errand.id) {
            let outcome = errand.state.name().to_owned();
            self.write(Record::ErrandSettled { errand_id: errand.id, outcome }).await?;
        }
        Ok(())
    }

    /// Makes the same call until it is answered, for as long as the terminal has patience: it counts once.
    async fn insist(
        &self,
        id: ErrandId,
        mut call: impl AsyncFnMut() -> Result<Errand, Failure>,
    ) -> Result<Errand, TerminalError> {
        let (watch, mut pauses) = (Stopwatch::start(), Pauses::new());
        loop {
            match call().await {
                Ok(errand) => {
                    self.note_errand(&errand).await?;
                    return Ok(errand);
                }
                Err(Failure::Refused(refused)) => return Err(refused.into()),
                Err(Failure::Unreadable(unreadable)) => return Err(unreadable.into()),
                Err(Failure::Unreached(why) | Failure::Unknown(why)) => {
                    tracing::warn!(errand = %id, why, "no answer; sending it again");
                }
            }
            if watch.elapsed() >= self.options.patience {
                return Err(TerminalError::ErrandUnknown { errand_id: id });
            }
            pauses.pause().await;
        }
    }

    fn bounded<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.options.call_timeout);
        request
    }

    async fn within<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.options.call_timeout, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::of(&status)),
            Err(_) => Err(Failure::Unknown("no answer in time".to_owned())),
        }
    }
}

fn read<R>(answer: Result<R, Failure>, errand: impl FnOnce(R) -> Option<pb::Errand>) -> Result<Errand, Failure> {
    Errand::read(errand(answer?)).map_err(Failure::Unreadable)
}
