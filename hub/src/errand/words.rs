//! What people are told of errands that were done in their name.

use domain::errand::{Errand, ErrandKind};
use domain::feed::{News, Topic};

/// What the code of an errand is for, after "your code to" and before the shop.
pub(crate) const fn purpose(kind: ErrandKind) -> (&'static str, &'static str) {
    match kind {
        ErrandKind::Activate => ("activate your number", "激活号码"),
        ErrandKind::SetPassword => ("set your transaction password", "设置交易密码"),
        ErrandKind::ChangePassword => ("change your transaction password", "修改交易密码"),
        ErrandKind::ResetPassword => ("reset your transaction password", "重置交易密码"),
    }
}

const fn deed(kind: ErrandKind) -> (&'static str, &'static str) {
    match kind {
        ErrandKind::Activate => ("Your number was activated for payments", "您的号码已激活支付功能"),
        ErrandKind::SetPassword => ("Your transaction password was set", "您的交易密码已设置"),
        ErrandKind::ChangePassword => ("Your transaction password was changed", "您的交易密码已修改"),
        ErrandKind::ResetPassword => ("Your transaction password was reset", "您的交易密码已重置"),
    }
}

/// An errand was done.
pub(super) fn done(errand: &Errand) -> News {
    let (english, chinese) = deed(errand.kind);
    let shop = &errand.seller.merchant.name;
    News {
        topic: Topic::Security,
        subject: errand.id.uuid(),
        english: format!("{english} at {shop}. If this was not you, freeze your accounts and tell your bank at once."),
        chinese: format!("{chinese}（{shop}）。如非本人操作，请立即冻结账户并联系银行。"),
    }
}
