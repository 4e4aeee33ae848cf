//! What people are told of freezing.

use domain::OrderId;
use domain::feed::{News, Topic};
use domain::freeze::{Freezing, Seen};

use super::sql::Bound;

fn list<'b>(bound: impl Iterator<Item = &'b Bound>, between: &str) -> String {
    bound.map(|bound| format!("{} {}", bound.bank_name, bound.masked)).collect::<Vec<_>>().join(between)
}

/// The person has ordered it, by whatever channel.
pub(super) fn ordered(order_id: OrderId, frozen: bool, changed: &[Bound]) -> News {
    let (english, chinese) = (list(changed.iter(), ", "), list(changed.iter(), "、"));
    let (english, chinese) = if frozen {
        (
            format!("Frozen: {english}. Nothing goes out of it through the hub any more; your bank is being told."),
            format!("已冻结：{chinese}。本平台即刻起不再从中付款，正在通知银行。"),
        )
    } else {
        (
            format!("To be set free: {english}. Your bank is being told; until it has confirmed, it may refuse."),
            format!("已申请解冻：{chinese}。正在通知银行，银行确认前仍可能拒付。"),
        )
    };
    News { topic: Topic::Security, subject: order_id.uuid(), english, chinese }
}

/// The bank has answered.
pub(super) fn answered(bound: &Bound, after: Freezing) -> News {
    let (bank, masked) = (&bound.bank_name, &bound.masked);
    let (english, chinese) = match after.seen() {
        Seen::Frozen(_) | Seen::Freezing => (
            format!("{bank} has confirmed that {masked} is frozen: money can come in, none can go out."),
            format!("{bank}已确认冻结{masked}：只进不出。"),
        ),
        Seen::Free | Seen::Unfreezing => (
            format!("{bank} has confirmed that money can go out of {masked} again."),
            format!("{bank}已确认解冻{masked}，可正常使用。"),
        ),
        Seen::Ended(_) => (
            format!("{bank} says that it has no {masked} any more. Please ask the bank."),
            format!("{bank}表示已无{masked}，请向银行查询。"),
        ),
    };
    News { topic: Topic::Security, subject: bound.name.instrument.uuid(), english, chinese }
}
