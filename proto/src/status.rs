//! A reason as a `google.rpc.Status`: code, one ErrorInfo, and the words in both languages.

use std::collections::HashMap;

use domain::Reason;
use domain::reason::Class;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorInfo, LocalizedMessage, RetryInfo, StatusExt};

/// The `domain` of every ErrorInfo of this system.
const ERROR_DOMAIN: &str = "bankhub";

/// The status of a call that fails for this reason. What may pass later carries a RetryInfo.
pub fn status(reason: Reason) -> Status {
    let (code, retry) = match reason.class() {
        Class::Invalid => (Code::InvalidArgument, false),
        Class::NotFound => (Code::NotFound, false),
        Class::Exists => (Code::AlreadyExists, false),
        Class::State => (Code::FailedPrecondition, false),
        Class::Denied => (Code::PermissionDenied, false),
        Class::Stranger => (Code::Unauthenticated, false),
        Class::Exhausted => (Code::ResourceExhausted, true),
        Class::Away => (Code::Unavailable, true),
        Class::Fault => (Code::Internal, false),
    };
    let mut details: Vec<ErrorDetail> = vec![
        ErrorInfo::new(reason.code(), ERROR_DOMAIN, HashMap::new()).into(),
        LocalizedMessage::new("en", reason.english()).into(),
        LocalizedMessage::new("zh-CN", reason.chinese()).into(),
    ];
    if retry {
        details.push(RetryInfo::new(Some(std::time::Duration::from_secs(1))).into());
    }
    Status::with_error_details_vec(code, reason.english(), details)
}

/// The reason that a peer gave, if it is one of the catalogue.
pub fn reason_of(status: &Status) -> Option<Reason> {
    let info = status.get_error_details_vec().into_iter().find_map(|detail| match detail {
        ErrorDetail::ErrorInfo(info) if info.domain == ERROR_DOMAIN => Some(info),
        _ => None,
    })?;
    Reason::from_code(&info.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_wire() {
        for reason in Reason::ALL {
            let sent = status(*reason);
            assert_eq!(reason_of(&sent), Some(*reason));
            let languages = sent.get_error_details_vec().into_iter().filter_map(|detail| match detail {
                ErrorDetail::LocalizedMessage(message) => Some(message.locale),
                _ => None,
            });
            assert_eq!(languages.collect::<Vec<_>>(), ["en", "zh-CN"]);
        }
    }

    #[test]
    fn a_status_of_somebody_else_has_no_reason() {
        assert_eq!(reason_of(&Status::internal("boom")), None);
    }
}
