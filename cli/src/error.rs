//! What can go wrong with a command, and the exit code that says so.

use std::process::ExitCode;

use domain::Reason;
use server_kit::config::ConfigError;

use crate::acquirer::AcquirerError;
use crate::bench::BenchError;
use crate::carrier::CarrierError;
use crate::doctor::DoctorError;
use crate::identity_simulator::SimulatorError;
use crate::init::InitError;
use crate::operator::OperatorError;
use crate::phone::PhoneError;
use crate::profile::ProfileError;
use crate::terminal::TerminalError;
use crate::trial::TrialError;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Init(#[from] InitError),
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    #[error(transparent)]
    Acquirer(#[from] AcquirerError),
    #[error(transparent)]
    Phone(#[from] PhoneError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    #[error(transparent)]
    Trial(#[from] TrialError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    #[error(transparent)]
    Hsm(#[from] bank_adapter::hsm::HsmError),
    #[error(transparent)]
    Hub(#[from] hub::RunError),
    #[error(transparent)]
    Adapter(#[from] bank_adapter::RunError),
    #[error("{what}: {source}")]
    System { what: String, source: std::io::Error },
    /// The command was typed wrongly.
    #[error("{0}")]
    Usage(String),
    /// The payment was declined or reversed.
    #[error("{}: {words}", reason.map_or("DECLINED", Reason::code))]
    Declined { reason: Option<Reason>, words: String },
    /// A check failed; what failed has been printed.
    #[error("{0}")]
    CheckFailed(String),
    /// Nobody knows yet; what is owed is stored.
    #[error("{0}")]
    Unknown(String),
}

impl CliError {
    /// 1 refused or failed, 2 typed wrongly, 3 the outcome of a payment is not known.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Unknown(_) | Self::Terminal(TerminalError::Unknown { .. } | TerminalError::ErrandUnknown { .. }) => {
                ExitCode::from(3)
            }
            _ => ExitCode::from(1),
        }
    }

    /// The reason of the catalogue, if there is one.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Terminal(error) => error.reason(),
            Self::Acquirer(AcquirerError::Refused(reason)) => Some(*reason),
            Self::Phone(error) => error.reason(),
            Self::Operator(error) => error.reason(),
            Self::Carrier(error) => error.reason(),
            Self::Declined { reason, .. } => *reason,
            _ => None,
        }
    }

    /// The error with everything that caused it, on one line.
    pub fn in_full(&self) -> String {
        in_full(self)
    }
}

/// An error with everything that caused it, on one line; what a cause repeats is not said twice.
pub fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use domain::PaymentId;

    use super::*;

    #[test]
    fn the_exit_code_tells_a_no_from_a_typing_error_from_nobody_knows() {
        let id = PaymentId::parse("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f").unwrap();
        let code = |error: CliError| format!("{:?}", error.exit_code());
        assert_eq!(code(CliError::Usage(String::new())), format!("{:?}", ExitCode::from(2)));
        let unknown = TerminalError::Unknown { payment_id: id };
        assert_eq!(code(unknown.into()), format!("{:?}", ExitCode::from(3)));
        let declined = CliError::Declined { reason: Some(Reason::InsufficientFunds), words: "No.".to_owned() };
        assert_eq!(declined.to_string(), "INSUFFICIENT_FUNDS: No.");
        assert_eq!(code(declined), format!("{:?}", ExitCode::from(1)));
    }
}
