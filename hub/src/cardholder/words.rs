//! What people are told of their phones.

use domain::DeviceId;
use domain::feed::{News, Topic};

/// A phone was enrolled by an operator's code, and another transaction password was set in the place of the one before.
pub(super) fn password_replaced(device_id: DeviceId) -> News {
    News {
        topic: Topic::Security,
        subject: device_id.uuid(),
        english: "A phone was bound to you by a code from an operator, and your transaction password was replaced. If this was not you, freeze everything and ask your bank.".to_owned(),
        chinese: "已凭工作人员发放的登记码为您绑定一部手机，并更换了交易密码。如非本人操作，请立即冻结全部账户并联系银行。".to_owned(),
    }
}

/// A phone was enrolled by a code that went out by SMS.
pub(super) fn enrolled_by_sms(device_id: DeviceId) -> News {
    News {
        topic: Topic::Security,
        subject: device_id.uuid(),
        english: "A phone was bound to you by a code that came by SMS. If this was not you, freeze everything and ask your bank.".to_owned(),
        chinese: "已通过短信登记码为您绑定一部手机。如非本人操作，请立即冻结全部账户并联系银行。".to_owned(),
    }
}
