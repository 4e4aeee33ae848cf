//! What people are told of signing in.

use domain::feed::{News, Topic};
use uuid::Uuid;

fn security(subject: Uuid, english: &str, chinese: &str) -> News {
    News { topic: Topic::Security, subject, english: english.to_owned(), chinese: chinese.to_owned() }
}

pub(super) fn password_set(order_id: Uuid) -> News {
    security(
        order_id,
        "Your account password was set. If this was not you, freeze everything and ask your bank.",
        "您的账户密码已设置。如非本人操作，请立即冻结全部账户并联系银行。",
    )
}

pub(super) fn signed_in(sign_in_id: Uuid) -> News {
    security(
        sign_in_id,
        "Somebody has signed in by web page with your code and your account password. If this was not you, set another password in the app.",
        "已有人使用您的验证码和账户密码登录网页。如非本人操作，请立即在手机应用中重设账户密码。",
    )
}

pub(super) fn blocked(sign_in_id: Uuid) -> News {
    security(
        sign_in_id,
        "Signing in by web page is blocked for a while: code or password was wrong too often.",
        "网页登录已暂时锁定：验证码或密码错误次数过多。",
    )
}
