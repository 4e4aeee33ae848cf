//! Having a bank open an account for somebody whom it checks first.

use std::time::Duration;

use domain::text::Line;
use domain::{BankId, Reason};
use proto::bank as pb;

use super::Banks;

/// How long a bank may take: it asks the citizen-identity service, a few times if need be.
const OPEN_WITHIN: Duration = Duration::from_secs(15);
/// Digits of a number that may be stored to be shown.
const MOST_DIGITS_SHOWN: usize = 10;

/// What a bank says to a wish for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OpenAnswer {
    /// With its number as others may see it.
    Opened(String),
    Refused(Reason),
    /// It may have opened the account or not; the same wish again is safe.
    Unknown,
}

impl Banks {
    /// Asks once, always for the same account.
    pub(crate) async fn open_account(&self, bank: &BankId, request: pb::OpenAccountRequest) -> OpenAnswer {
        let asked = request.account_id.clone();
        let call = |mut client: super::Client, request| async move { client.open_account(request).await };
        match self.links.call_within(OPEN_WITHIN, bank, request, call).await {
            Ok(answer) if answer.account_id == asked => match shown(&answer.account_masked) {
                Some(masked) => OpenAnswer::Opened(masked),
                None => {
                    tracing::error!(%bank, "a bank gives an account no number that may be shown");
                    OpenAnswer::Unknown
                }
            },
            Ok(_) => {
                tracing::error!(%bank, "a bank has opened another account than it was asked to");
                OpenAnswer::Unknown
            }
            Err(status) => {
                metrics::counter!("bankhub_bank_errors", "bank" => bank.to_string(), "call" => "open_account")
                    .increment(1);
                match proto::reason_of(&status) {
                    Some(reason) => {
                        tracing::info!(%bank, reason = reason.code(), "a bank has not opened an account");
                        OpenAnswer::Refused(reason)
                    }
                    None => {
                        tracing::warn!(%bank, code = ?status.code(), "a bank gave no answer about an account");
                        OpenAnswer::Unknown
                    }
                }
            }
        }
    }
}

/// What the bank shows, if people may see it ever after.
fn shown(masked: &str) -> Option<String> {
    let digits = masked.bytes().filter(u8::is_ascii_digit).count();
    let line = Line::parse(masked).ok().filter(|_| digits <= MOST_DIGITS_SHOWN)?;
    Some(line.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m2_no_bank_has_a_whole_number_shown() {
        assert_eq!(shown("****4821").as_deref(), Some("****4821"));
        for bad in ["", "622848000012344821", "****\n4821", "\u{202e}4821"] {
            assert_eq!(shown(bad), None, "{bad:?}");
        }
    }
}
