//! What people are told of their safety codes.

use domain::feed::{News, Topic};
use domain::safety_code::Setter;
use domain::{PersonId, Timestamp};
use uuid::Uuid;

/// Whole units of this many seconds, rounded up, and at least one.
fn units(from: Timestamp, until: Timestamp, seconds: u64) -> u64 {
    until.since(from).as_secs().div_ceil(seconds).max(1)
}

/// Somebody has checked who the person is.
pub(super) fn allowed(check_id: Uuid, bank: Option<&str>, until: Timestamp, now: Timestamp) -> News {
    let days = units(now, until, 24 * 60 * 60);
    let (english, chinese) = (bank.unwrap_or("This hub"), bank.unwrap_or("本平台"));
    News {
        topic: Topic::Security,
        subject: check_id,
        english: format!(
            "{english} has checked who you are: for {days} days you may set a safety code once, in the app or by telephone with your card. If this was not you, tell your bank at once."
        ),
        chinese: format!(
            "{chinese}已核验您的身份：{days}天内可在手机应用中或凭卡致电设置一次安全码。如非本人办理，请立即联系银行。"
        ),
    }
}

/// The code was set.
pub(super) fn set(person_id: PersonId, by: Setter) -> News {
    let (english, chinese) = match by {
        Setter::Card => ("by telephone, with your card and its password", "通过电话凭卡和密码"),
        Setter::App => ("in the app", "在手机应用中"),
    };
    News {
        topic: Topic::Security,
        subject: person_id.uuid(),
        english: format!("Your safety code was set {english}. If this was not you, tell your bank at once."),
        chinese: format!("您的安全码已{chinese}设置。如非本人操作，请立即联系银行。"),
    }
}

/// Too many wrong tries.
pub(super) fn blocked(person_id: PersonId, until: Timestamp, now: Timestamp) -> News {
    let minutes = units(now, until, 60);
    News {
        topic: Topic::Security,
        subject: person_id.uuid(),
        english: format!(
            "Your safety code was wrong too often and is not looked at for {minutes} minutes. You can pay, and freeze in the app, as before."
        ),
        chinese: format!("安全码错误次数过多，{minutes}分钟内暂停使用。支付及手机应用内的冻结功能不受影响。"),
    }
}
