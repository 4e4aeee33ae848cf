//! The end of a link's day: cut-over, and the comparison of totals (ISO 8583:1987, 0500 and 0520).

use domain::network::{Counted, Response, Sum, Totals, acquirer_day};
use domain::{Currency, Reason};
use iso8583::Message;
use jiff::civil::Date;

use super::carry::currency;
use super::journal::Journal;
use super::link::Link;
use super::reply::Reply;
use super::sent::number;
use super::sql::Compared;

/// The day of field 15 (MMDD) if there is one, otherwise the link's.
async fn day(journal: &Journal, link: &Link, message: &Message<'_>) -> Result<Date, Reason> {
    let current = journal.day(&link.id).await?;
    match number(message, 15) {
        Some(day) => acquirer_day(u16::try_from(day).map_err(|_| Reason::TimeOutOfRange)?, current),
        None => Ok(current),
    }
}

/// Goes over to the day of field 15, which must be there and is not before the present one.
pub(super) async fn cut_over(journal: &Journal, link: &Link, message: &Message<'_>) -> Result<Reply, Reason> {
    if message.field(15).is_none() {
        return Err(Reason::FieldMissing);
    }
    let next = day(journal, link, message).await?;
    if next < journal.day(&link.id).await? {
        return Err(Reason::TimeOutOfRange);
    }
    journal.cut_over(&link.id, next).await?;
    tracing::info!(link = link.id, day = %next, "a link has gone over to another day");
    Ok(Reply::of(Response::Approved))
}

/// The other side's totals of a day, as it asks to have them compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Field 15, MMDD; none for the present day.
    day: Option<u16>,
    pub(super) currency: Currency,
    pub(super) theirs: Totals,
}

impl Asked {
    pub(super) fn of(message: &Message<'_>) -> Result<Self, Reason> {
        let day = number(message, 15).map(|day| u16::try_from(day).map_err(|_| Reason::TimeOutOfRange)).transpose()?;
        Ok(Self { day, currency: currency(message, &[50, 49])?, theirs: theirs(message)? })
    }

    /// Which day it is of, where this one is the present.
    pub(super) fn day(&self, current: Date) -> Result<Date, Reason> {
        self.day.map_or(Ok(current), |day| acquirer_day(day, current))
    }
}

/// The totals in a message.
pub(super) fn theirs(message: &Message<'_>) -> Result<Totals, Reason> {
    let read = |field| i64::try_from(number(message, field).unwrap_or(0)).map_err(|_| Reason::AmountTooLarge);
    let mut totals = Totals::default();
    for what in Counted::ALL {
        let (count, amount) = what.fields();
        totals.set(what, Sum { number: read(count)?, minor: read(amount)? });
    }
    Ok(totals)
}

/// Compares the other side's totals of a day with those of the stored payments. The answer has ours; 66 says 1 when both are the same
/// and 2 when they are not.
pub(super) async fn compare(journal: &Journal, link: &Link, message: &Message<'_>) -> Result<Reply, Reason> {
    let (day, currency) = (day(journal, link, message).await?, currency(message, &[50, 49])?);
    let (ours, theirs) = (journal.totals(&link.id, day, currency).await?, theirs(message)?);
    let compared = Compared { link: link.id.clone(), day, currency, ours, theirs };
    let differences = compared.differences();
    for it in &differences {
        let (what, ours, theirs) = (it.what.as_str(), it.ours, it.theirs);
        tracing::warn!(link = link.id, %day, %currency, what, ?ours, ?theirs, "a day's totals differ");
    }
    journal.compared(compared).await?;
    metrics::counter!("bankhub_network_settlements_total", "link" => link.id.clone(),
        "balance" => if differences.is_empty() { "in" } else { "out" })
    .increment(1);
    let response = if differences.is_empty() { Response::Approved } else { Response::Refused(Reason::TotalsDiffer) };
    let reply = Reply::of(response).with(66, if differences.is_empty() { "1" } else { "2" });
    Ok(total_fields(&ours, day).into_iter().fold(reply, |reply, (field, text)| reply.with(field, text)))
}

/// The fields with the totals of a day: 15, 74 to 77, 86 to 89 and 97.
pub(super) fn total_fields(totals: &Totals, day: Date) -> Vec<(u8, String)> {
    let mut fields = vec![(15, format!("{:02}{:02}", day.month(), day.day()))];
    for what in Counted::ALL {
        let ((count, amount), sum) = (what.fields(), totals.of(what));
        fields.extend([(count, format!("{:010}", sum.number)), (amount, format!("{:016}", sum.minor))]);
    }
    let net = totals.net_minor();
    let sign = if net < 0 { 'D' } else { 'C' };
    fields.push((97, format!("{sign}{:016}", net.unsigned_abs())));
    fields
}
