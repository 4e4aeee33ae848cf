//! What every call of this node has in common: who may make it, what its failure is told as, and how it is measured.

use std::future::Future;

use domain::Reason;
use domain::reason::Class;
use server_kit::clock::Stopwatch;
use server_kit::identity::{Principal, Role};
use server_kit::store::StoreError;
use server_kit::tls::caller;
use tonic::{Request, Response, Status};

use crate::hsm::HsmError;
use crate::ledger::LedgerError;

/// Why a call fails.
#[derive(Debug)]
pub(crate) enum CallError {
    Reason(Reason),
    Store(StoreError),
    Hsm(HsmError),
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<HsmError> for CallError {
    fn from(error: HsmError) -> Self {
        Self::Hsm(error)
    }
}

impl From<Reason> for CallError {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl From<LedgerError> for CallError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(reason) => Self::Reason(reason),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}

impl CallError {
    /// What the caller is told. The particulars of a storage that fails are for the log only.
    pub(crate) fn reason(&self, call: &'static str) -> Reason {
        let error = match self {
            Self::Reason(reason) => {
                if *reason == Reason::Fault {
                    tracing::error!(call, "a call failed by a mistake of this program");
                }
                return *reason;
            }
            Self::Hsm(error) => {
                let reason = error.reason();
                if matches!(reason.class(), Class::Fault | Class::Away) {
                    tracing::error!(call, %error, "the key store for cards failed a call");
                }
                return reason;
            }
            Self::Store(error) => error,
        };
        let reason = error.reason();
        if reason == Reason::Fault {
            tracing::error!(call, %error, "a call failed");
        } else {
            tracing::warn!(call, %error, reason = reason.code(), "the storage failed a call");
        }
        reason
    }
}

/// The calls of one service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    /// The name of the service in the metrics.
    pub(crate) service: &'static str,
    /// Who may call it.
    pub(crate) role: Role,
}

impl Calls {
    /// Checks who calls, runs the call, measures it.
    pub(crate) async fn answer<T, R, F>(
        self,
        call: &'static str,
        request: Request<T>,
        admit: impl FnOnce(&Principal) -> Result<(), Reason>,
        run: impl FnOnce(T, Principal) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R, CallError>>,
    {
        let watch = Stopwatch::start();
        let admitted = caller(&request, &[self.role]).and_then(|caller| admit(&caller).map(|()| caller));
        let result = match admitted {
            Ok(caller) => run(request.into_inner(), caller).await,
            Err(reason) => Err(reason.into()),
        };
        let result = result.map_err(|error| error.reason(call));
        let code = result.as_ref().err().map_or("OK", |reason| reason.code());
        let labels = [("service", self.service), ("call", call)];
        metrics::histogram!("bankhub_bank_call_seconds", &labels).record(watch.elapsed());
        metrics::counter!("bankhub_bank_calls_total", "service" => self.service, "call" => call, "result" => code)
            .increment(1);
        result.map(Response::new).map_err(proto::status)
    }
}
