//! A business day of a link as a file for whoever settles it.

use iso8583::{Dialect, Message};
use jiff::civil::Date;
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::{Store, StoreError};

use super::notification::{Entry, to_xml};

/// The messages that came over a link on a day, in the order of their times, as camt.054. What was never kept of them (what proves a card
/// or a payer) is in no file either.
pub async fn day_file(
    (store, keys): (&Store, &dyn KeyStore),
    (link, dialect): (&str, &'static Dialect),
    day: Date,
) -> Result<String, StoreError> {
    let sql = "SELECT message_id, sealed_message FROM network_messages WHERE link = $1 AND business_day = $2 ORDER BY message_id";
    let rows = store.fetch_at_leisure(sql, vec![link.into(), day.to_string().into()]).await?;
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
    Ok(to_xml(&format!("{link}-{day}"), &entries))
}
