//! What people are told of sign-ups and of their numbers.

use domain::feed::{News, Topic};
use domain::sign_up::NumberChange;
use uuid::Uuid;

/// An account was opened for a number. `phone` is masked. `waits` says that nothing pays yet for the person.
pub(super) fn signed_up(
    sign_up: Uuid,
    (bank, masked): (&str, &str),
    carrier: &str,
    (phone, waits): (&str, bool),
) -> News {
    let (then, then_zh) = match waits {
        true => (
            " It pays once you have activated it at a terminal, or bound the app.",
            "在终端激活或绑定手机应用后即可付款。",
        ),
        false => ("", ""),
    };
    News {
        topic: Topic::Security,
        subject: sign_up,
        english: format!(
            "{bank} has opened account {masked} for you: the number {phone} was signed up by {carrier}.{then} If this was not you, tell the bank at once."
        ),
        chinese: format!(
            "{bank}已为您开立账户{masked}：号码{phone}由{carrier}代为办理。{then_zh}如非本人办理，请立即联系银行。"
        ),
    }
}

/// A carrier has said something of a number. `phone` is masked.
pub(super) fn changed(report: Uuid, change: &NumberChange, phone: &str) -> News {
    let (english, chinese) = match change {
        NumberChange::SimChanged => ("is on another SIM card", "已更换SIM卡"),
        NumberChange::Lost => ("was reported as lost", "已挂失"),
        NumberChange::PortedOut { .. } => ("has gone to another carrier", "已携号转网"),
        NumberChange::Recycled | NumberChange::GivenBack => ("is yours no more", "已不再归您使用"),
    };
    let (then, then_zh) = if change.ends() {
        ("Nobody pays by it for you any more.", "该号码不再用于您的付款。")
    } else {
        (
            "Until a bank has checked who you are, no code is sent to it; the app approves payments as before.",
            "银行核验您的身份前，不再向该号码发送动态码；手机应用中的确认付款不受影响。",
        )
    };
    News {
        topic: Topic::Security,
        subject: report,
        english: format!("Your number {phone} {english}. {then} If this was not you, freeze your accounts at once."),
        chinese: format!("您的号码{phone}{chinese}。{then_zh}如非本人操作，请立即冻结账户。"),
    }
}
