//! What an app is told when something did not go well: which sort of failure, its reason, whether the same again may pass, and a
//! sentence for the person in the language that was asked for.

use std::error::Error as _;
use std::io;

use domain::Reason;
use domain::reason::Class;
use proto::Told;
use tokio_rustls::rustls;
use tonic::{Code, Status};

use crate::preferences::Language;

/// Why a call failed. Every variant has the same three fields: `reason` is an UPPER_SNAKE code that programs compare, `retryable` says
/// whether the same call again may pass, and `text` is a sentence for the person in the language of the builder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum SdkError {
    /// The hub said no, for a reason of its catalogue.
    #[error("{reason}: {text}")]
    Refused { reason: String, retryable: bool, text: String },
    /// There was no answer: no network, no hub, or not in time. Whether the call was done is not known.
    #[error("{reason}: {text}")]
    Unreachable { reason: String, retryable: bool, text: String },
    /// Whoever answered has no certificate that counts, or the clock of this phone is wrong.
    #[error("{reason}: {text}")]
    Untrusted { reason: String, retryable: bool, text: String },
    /// The device key failed, was refused to the app, or is another one than the hub knows.
    #[error("{reason}: {text}")]
    Key { reason: String, retryable: bool, text: String },
    /// The secure store or the app's files cannot be used.
    #[error("{reason}: {text}")]
    Store { reason: String, retryable: bool, text: String },
    /// What was passed in cannot be right.
    #[error("{reason}: {text}")]
    Invalid { reason: String, retryable: bool, text: String },
    /// This phone is not bound to a person.
    #[error("{reason}: {text}")]
    NotEnrolled { reason: String, retryable: bool, text: String },
    /// The phone or the subscription was closed.
    #[error("{reason}: {text}")]
    Closed { reason: String, retryable: bool, text: String },
    /// A fault of the SDK or of the hub's answer.
    #[error("{reason}: {text}")]
    Internal { reason: String, retryable: bool, text: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Unreachable,
    Untrusted,
    Key,
    Store,
    Invalid,
    NotEnrolled,
    Closed,
    Internal,
}

macro_rules! catalogue {
    ($($variant:ident $code:literal $sort:ident $retryable:literal $en:literal $zh:literal;)*) => {
        /// What can go wrong on the phone, beside the hub's reasons.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Trouble { $(#[doc = $en] $variant,)* }

        impl Trouble {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(crate) const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            const fn sort(self) -> Sort {
                match self { $(Self::$variant => Sort::$sort,)* }
            }

            const fn is_retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }

            const fn words(self, language: Language) -> &'static str {
                match (self, language) { $(
                    (Self::$variant, Language::English) => $en,
                    (Self::$variant, _) => $zh,
                )* }
            }
        }
    };
}

catalogue! {
    HubUnreachable "HUB_UNREACHABLE" Unreachable true "The bank hub cannot be reached; check the connection." "无法连接银行枢纽，请检查网络。";
    NoAnswer "NO_ANSWER" Unreachable true "The bank hub did not answer in time." "银行枢纽未及时响应。";
    HubUntrusted "HUB_UNTRUSTED" Untrusted false "Whoever answered is not the bank hub." "对方不是可信的银行枢纽。";
    ClockImplausible "CLOCK_IMPLAUSIBLE" Untrusted false "The bank hub's certificate is not valid at this time; check the phone's date." "银行枢纽的证书此刻无效，请检查手机日期。";
    AuthorityMalformed "AUTHORITY_MALFORMED" Invalid false "The authority's certificate cannot be read." "机构证书无法读取。";
    EndpointMalformed "ENDPOINT_MALFORMED" Invalid false "The address of the bank hub is not https://host:port." "银行枢纽地址不是https://host:port格式。";
    BuilderIncomplete "BUILDER_INCOMPLETE" Invalid false "The builder lacks an address, an authority, a folder, a key or a store." "构建器缺少地址、机构证书、目录、密钥或存储。";
    MessageTooLarge "MESSAGE_TOO_LARGE" Invalid false "What was entered is too long." "输入内容过长。";
    NumberMalformed "NUMBER_MALFORMED" Invalid false "A number is out of range." "数值超出范围。";
    PushForeign "PUSH_FOREIGN" Invalid false "The push message is not of the bank hub." "该推送消息不属于银行枢纽。";
    EventNotTaken "EVENT_NOT_TAKEN" Invalid false "This event was not given out." "该事件尚未取出。";
    RepaymentOpen "REPAYMENT_OPEN" Invalid false "A repayment has got no final answer yet; ask for that first." "上一笔还款尚无最终结果，请先查询。";
    OfferNotToBeAccepted "OFFER_NOT_TO_BE_ACCEPTED" Invalid false "This offer cannot be accepted in this way." "该优惠不能以此方式接受。";
    TextForeign "TEXT_FOREIGN" Invalid false "What is to be signed does not say what was shown." "待签内容与所示内容不符。";
    KeyFailed "KEY_FAILED" Key true "The phone's key store failed." "手机密钥库出错。";
    KeyRefused "KEY_REFUSED" Key false "The phone's key was not released." "未获准使用手机密钥。";
    KeyMalformed "KEY_MALFORMED" Key false "The phone's key or its signature is not of P-256." "手机密钥或其签名不是P-256格式。";
    KeyChanged "KEY_CHANGED" Key false "The phone's key is not the one that was enrolled; enrol again." "手机密钥与绑定时不同，请重新绑定。";
    StoreFailed "STORE_FAILED" Store true "The phone's secure store failed." "手机安全存储出错。";
    DiskFailed "DISK_FAILED" Store true "The app's files cannot be written or read." "应用文件无法读写。";
    DataUnreadable "DATA_UNREADABLE" Store false "The app's data are not of this phone or were damaged; enrol again." "应用数据不属于本机或已损坏，请重新绑定。";
    NotEnrolled "NOT_ENROLLED" NotEnrolled false "This phone is not bound to a person yet." "本机尚未绑定。";
    AlreadyEnrolled "ALREADY_ENROLLED" Invalid false "This phone is bound already." "本机已绑定。";
    PhoneClosed "PHONE_CLOSED" Closed false "The connection to the bank hub was closed by the app." "应用已关闭与银行枢纽的连接。";
    SubscriptionCancelled "SUBSCRIPTION_CANCELLED" Closed false "The subscription was cancelled." "订阅已取消。";
    AnswerUnreadable "ANSWER_UNREADABLE" Internal false "The bank hub's answer cannot be read; update the app." "无法读取银行枢纽的响应，请更新应用。";
    InquiriesChanged "INQUIRIES_CHANGED" Internal false "The log of inquiries about you was changed or cut." "关于您的查询记录被更改或删减。";
    RandomnessFailed "RANDOMNESS_FAILED" Internal true "The phone's source of randomness failed." "手机随机数来源出错。";
    ThreadsFailed "THREADS_FAILED" Internal true "The phone gave no threads to work on." "手机未能提供工作线程。";
    Panicked "INTERNAL_FAULT" Internal false "The app's library failed; nothing is known of the call." "应用组件出错，本次调用结果未知。";
}

/// A failure within the SDK, before it is put into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The hub said no.
    Refused {
        told: Told,
        retryable: bool,
    },
    Trouble(Trouble),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Reason> for Failure {
    /// What the rules of the domain refuse before anything is sent.
    fn from(reason: Reason) -> Self {
        let told = Told {
            code: reason.code().to_owned(),
            english: reason.english().to_owned(),
            chinese: reason.chinese().to_owned(),
        };
        Self::Refused { told, retryable: false }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        if let Some(told) = proto::told(&status) {
            return Self::Refused { retryable: passes_later(&status), told };
        }
        Self::Trouble(match status.code() {
            Code::DeadlineExceeded | Code::Cancelled => Trouble::NoAnswer,
            Code::Unavailable | Code::Unknown | Code::Internal | Code::Aborted => {
                trust_of(&status).unwrap_or(Trouble::HubUnreachable)
            }
            _ => Trouble::AnswerUnreadable,
        })
    }
}

fn passes_later(status: &Status) -> bool {
    match proto::reason_of(status) {
        Some(reason) => matches!(reason.class(), Class::Exhausted | Class::Away),
        None => matches!(status.code(), Code::ResourceExhausted | Code::Unavailable),
    }
}

/// What was wrong with the certificate that was shown, if that is what failed.
fn trust_of(status: &Status) -> Option<Trouble> {
    let mut behind = status.source();
    while let Some(error) = behind {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return distrust(tls);
        }
        if let Some(tls) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            return tls.downcast_ref::<rustls::Error>().and_then(distrust);
        }
        behind = error.source();
    }
    None
}

fn distrust(error: &rustls::Error) -> Option<Trouble> {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    match error {
        rustls::Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
        ) => Some(Trouble::ClockImplausible),
        rustls::Error::InvalidCertificate(_) => Some(Trouble::HubUntrusted),
        _ => None,
    }
}

impl Failure {
    /// The code that programs compare.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Refused { told, .. } => &told.code,
            Self::Trouble(trouble) => trouble.code(),
        }
    }

    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { retryable, .. } => *retryable,
            Self::Trouble(trouble) => trouble.is_retryable(),
        }
    }

    /// Whether nobody answered, so that what is stored on the phone may stand in.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Trouble(trouble) if trouble.sort() == Sort::Unreachable)
    }

    /// Whether the hub has said no to what was asked, for good: nothing of it is stored there, and the same again would not be either.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Refused { told, retryable } => {
                let reason = Reason::from_code(&told.code);
                !retryable
                    && !reason.is_some_and(|it| it == Reason::SessionInvalid || matches!(it.class(), Class::Fault))
            }
            Self::Trouble(_) => false,
        }
    }

    pub(crate) fn is(&self, reason: Reason) -> bool {
        matches!(self, Self::Refused { .. }) && self.code() == reason.code()
    }

    /// In words for the app.
    pub(crate) fn in_words(self, language: Language) -> SdkError {
        let (reason, retryable) = (self.code().to_owned(), self.is_retryable());
        let trouble = match self {
            Self::Refused { told, .. } => {
                let text = if language == Language::English { told.english } else { told.chinese };
                return SdkError::Refused { reason, retryable, text };
            }
            Self::Trouble(trouble) => trouble,
        };
        let text = trouble.words(language).to_owned();
        match trouble.sort() {
            Sort::Unreachable => SdkError::Unreachable { reason, retryable, text },
            Sort::Untrusted => SdkError::Untrusted { reason, retryable, text },
            Sort::Key => SdkError::Key { reason, retryable, text },
            Sort::Store => SdkError::Store { reason, retryable, text },
            Sort::Invalid => SdkError::Invalid { reason, retryable, text },
            Sort::NotEnrolled => SdkError::NotEnrolled { reason, retryable, text },
            Sort::Closed => SdkError::Closed { reason, retryable, text },
            Sort::Internal => SdkError::Internal { reason, retryable, text },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn s1_every_trouble_has_a_code_of_its_own_and_words_in_both_languages() {
        let codes: BTreeSet<_> = Trouble::ALL.iter().map(|trouble| trouble.code()).collect();
        assert_eq!(codes.len(), Trouble::ALL.len());
        for trouble in Trouble::ALL {
            let told = |language| Failure::from(*trouble).in_words(language).to_string();
            assert!(told(Language::English).starts_with(trouble.code()), "{trouble:?}");
            assert_ne!(told(Language::English), told(Language::Chinese), "{trouble:?}");
        }
    }

    #[test]
    fn s1_what_the_hub_refuses_keeps_its_reason_and_its_words() {
        for reason in Reason::ALL {
            let failure = Failure::from(proto::status(*reason));
            let wanted = SdkError::Refused {
                reason: reason.code().to_owned(),
                retryable: matches!(reason.class(), Class::Exhausted | Class::Away),
                text: reason.chinese().to_owned(),
            };
            assert_eq!(failure.in_words(Language::Chinese), wanted);
        }
        let away = Failure::from(Status::unavailable("tcp connect error"));
        assert_eq!(away, Trouble::HubUnreachable.into());
        assert!(away.is_retryable() && away.is_unreachable());
    }
}
