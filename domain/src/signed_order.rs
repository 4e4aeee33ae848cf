//! What a phone signs to have something done at once, and once: an order's id, the time, and what is wanted, a line each.

use std::str::Lines;
use std::time::Duration;

use crate::{OrderId, Reason, Timestamp};

/// How far the time of a signature may be from the hub's clock.
const SIGNED_WITHIN: Duration = Duration::from_secs(300);

/// The first two lines, `order=` and `signed_at_micros=`.
pub(crate) fn head(order_id: OrderId, signed_at: Timestamp) -> String {
    format!("order={order_id}\nsigned_at_micros={}\n", signed_at.micros())
}

/// Reads them again. `Err` with `FieldMissing`, `IdMalformed` or `TimeOutOfRange`.
pub(crate) fn read_head(lines: &mut Lines<'_>) -> Result<(OrderId, Timestamp), Reason> {
    let order_id = OrderId::parse(value(lines, "order=")?)?;
    let micros: i64 = value(lines, "signed_at_micros=")?.parse().map_err(|_| Reason::TimeOutOfRange)?;
    Ok((order_id, Timestamp::from_micros(micros)))
}

/// The value of the next line, which begins with this. `Err(FieldMissing)`.
pub(crate) fn value<'t>(lines: &mut Lines<'t>, key: &str) -> Result<&'t str, Reason> {
    lines.next().and_then(|line| line.strip_prefix(key)).ok_or(Reason::FieldMissing)
}

/// That it was signed just now. `Err(TimeOutOfRange)`.
pub(crate) fn just_now(signed_at: Timestamp, now: Timestamp) -> Result<(), Reason> {
    let is_far = now.since(signed_at) > SIGNED_WITHIN || signed_at.since(now) > SIGNED_WITHIN;
    if is_far { Err(Reason::TimeOutOfRange) } else { Ok(()) }
}
