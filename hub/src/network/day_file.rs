//! A business day of a link as a file for whoever settles it.

use domain::{Reason, Timestamp};
use iso8583::{Dialect, Message};
use jiff::civil::Date;
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::{Store, StoreError};

use super::notification::{Entry, to_xml};

const MESSAGES: &str = "SELECT message_id, sealed_message FROM network_messages WHERE link = $1 AND business_day = $2 \
     ORDER BY message_id LIMIT $3 OFFSET $4";

/// The messages that came over a link on a day, in the order of their times, as camt.054: so many behind so many others. What was never
/// kept of them (what proves a card or a payer) is in no file either. `Err(ClearingFileEmpty)` inside where there is none.
pub async fn day_file(
    (store, keys): (&Store, &dyn KeyStore),
    (link, dialect): (&str, &'static Dialect),
    day: Date,
    (id, (after, most), now): (&str, (usize, usize), Timestamp),
) -> Result<Result<Vec<u8>, Reason>, StoreError> {
    let number = |number| i64::try_from(number).unwrap_or(i64::MAX).into();
    let args = vec![link.into(), day.to_string().into(), number(most), number(after)];
    let rows = store.fetch_at_leisure(MESSAGES, args).await?;
    if rows.is_empty() {
        return Ok(Err(Reason::ClearingFileEmpty));
    }
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        let opened = keys.open(KeyName::SealedPayload, row.id(0)?.as_bytes(), &row.bytes(1)?);
        let octets =
            opened.map_err(|error| StoreError::Refused(format!("a message of a link does not open: {error}")))?;
        let message = Message::read(dialect, &octets);
        entries
            .push(Entry::of(&message.map_err(|error| {
                StoreError::Refused(format!("a message of a link is of another dialect: {error}"))
            })?));
    }
    Ok(to_xml((id, link), &entries, now))
}
