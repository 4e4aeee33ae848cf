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

/// How a status begins with which prost and tonic refuse a request before a service sees it, apart from one that is too large.
const UNREADABLE: [&str; 4] = [
    "failed to decode Protobuf message: ",
    "protocol error: received message with ",
    "Unexpected EOF decoding stream.",
    "Missing request message.",
];
const TOO_LARGE: &str = "Error, decoded message length too large: ";

/// The refusal, by its reason, of a request that a server could not read; `None` if the status says anything else.
///
/// It is for answers of a server alone. A client that cannot read an answer is told the same by tonic, and there it says
/// nothing about whether the call was done.
pub fn unread(answer: &Status) -> Option<Status> {
    let begins = |words: &&str| answer.message().starts_with(words);
    let reason = match answer.code() {
        Code::Internal if UNREADABLE.iter().any(begins) => Reason::MessageMalformed,
        Code::OutOfRange if begins(&TOO_LARGE) => Reason::MessageTooLarge,
        _ => return None,
    };
    answer.details().is_empty().then(|| status(reason))
}

/// The reason that a peer gave, if it is one of the catalogue.
pub fn reason_of(status: &Status) -> Option<Reason> {
    let info = status.get_error_details_vec().into_iter().find_map(|detail| match detail {
        ErrorDetail::ErrorInfo(info) if info.domain == ERROR_DOMAIN => Some(info),
        _ => None,
    })?;
    Reason::from_code(&info.reason)
}

/// What a status tells people: the code of its reason, and the sentences for it. A reason that this version does not know, of a newer
/// server, is among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The UPPER_SNAKE code.
    pub code: String,
    pub english: String,
    pub chinese: String,
}

/// What the status tells people; `None` for one that is not of this system.
pub fn told(status: &Status) -> Option<Told> {
    let mut code = None;
    let (mut english, mut chinese) = (String::new(), String::new());
    for detail in status.get_error_details_vec() {
        match detail {
            ErrorDetail::ErrorInfo(info) if info.domain == ERROR_DOMAIN => code = Some(info.reason),
            ErrorDetail::LocalizedMessage(words) if words.locale == "en" => english = words.message,
            ErrorDetail::LocalizedMessage(words) if words.locale == "zh-CN" => chinese = words.message,
            _ => {}
        }
    }
    code.map(|code| Told { code, english, chinese })
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use tonic::Streaming;
    use tonic::codec::Codec as _;
    use tonic_prost::ProstCodec;

    use super::*;
    use crate::common::Money;

    /// What tonic makes of the bytes of a request.
    fn received(bytes: &str) -> Result<Option<Money>, Status> {
        let decoder = ProstCodec::<Money, Money>::default().decoder();
        let mut stream = Streaming::new_request(decoder, bytes.to_owned(), None, Some(crate::MAX_MESSAGE_BYTES));
        let message = std::pin::pin!(stream.message());
        match message.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(message) => message,
            Poll::Pending => panic!("all bytes are there"),
        }
    }

    #[test]
    fn a_request_that_cannot_be_read_is_refused_by_its_reason() {
        assert_eq!(received("\0\0\0\0\u{2}\u{10}\u{7}").unwrap().unwrap().minor_units, 7);
        for (what, bytes, reason) in [
            ("a field that does not end", "\0\0\0\0\u{2}\u{a}\u{7}", Reason::MessageMalformed),
            ("noise", "\0\0\0\0\u{3}~~~", Reason::MessageMalformed),
            ("less than was announced", "\0\0\0\0\u{9}~", Reason::MessageMalformed),
            ("no flag", "~\0\0\0\u{1}~", Reason::MessageMalformed),
            ("a compression that was not announced", "\u{1}\0\0\0\u{1}~", Reason::MessageMalformed),
            ("64 KiB and one", "\0\0\u{1}\0\u{1}~", Reason::MessageTooLarge),
        ] {
            let refused = unread(&received(bytes).unwrap_err()).expect(what);
            assert_eq!(reason_of(&refused), Some(reason), "{what}");
        }
    }

    #[test]
    fn whatever_else_a_server_answers_is_left_as_it_is() {
        for reason in Reason::ALL {
            assert!(unread(&status(*reason)).is_none());
        }
        for answer in [Status::internal("boom"), Status::out_of_range("boom"), Status::unknown(UNREADABLE[0])] {
            assert!(unread(&answer).is_none(), "{answer:?}");
        }
    }

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
            let told = told(&sent).unwrap();
            assert_eq!(
                (told.code.as_str(), told.english.as_str(), told.chinese.as_str()),
                (reason.code(), reason.english(), reason.chinese())
            );
        }
    }

    #[test]
    fn a_status_of_somebody_else_has_no_reason() {
        assert_eq!(reason_of(&Status::internal("boom")), None);
        assert_eq!(told(&Status::internal("boom")), None);
    }
}
