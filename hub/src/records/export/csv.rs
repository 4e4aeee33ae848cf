//! RFC 4180, UTF-8, with a header line and CRLF.

use domain::Money;
use jiff::Timestamp as Instant;

use super::super::scan::Recorded;
use super::entry::Entry;

const HEADER: [&str; 18] = [
    "entry_id",
    "entry",
    "payment_id",
    "time",
    "state",
    "nature",
    "amount",
    "currency",
    "given_back",
    "bank",
    "account",
    "merchant_id",
    "merchant",
    "category",
    "terminal",
    "place",
    "items",
    "carrier",
];
/// A spreadsheet takes a cell that begins so for a formula.
const FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

pub(super) fn header() -> Vec<u8> {
    lines([HEADER.map(str::to_owned).to_vec()])
}

/// One line for each purchase, and after it one for each time that something of it came back, whose amount is below zero: so the column
/// adds up to what was paid in the end. The things bought stand in one cell, parted by `; `.
pub(super) fn lines_of<'a>(purchases: impl Iterator<Item = &'a Recorded>) -> Vec<u8> {
    lines(purchases.flat_map(Entry::of).map(|entry| line(&entry)))
}

fn lines(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        // Writing to memory cannot fail.
        let _ = writer.write_record(row);
    }
    writer.into_inner().unwrap_or_default()
}

fn line(entry: &Entry<'_>) -> Vec<String> {
    let purchase = entry.purchase;
    let time = Instant::from_microsecond(entry.at().micros()).map(|at| at.to_string()).unwrap_or_default();
    let items: Vec<&str> = purchase.items.iter().map(|item| item.name.as_str()).collect();
    let amount = |minor| Money::new(purchase.amount.currency, minor).to_major();
    let kind = match (entry.came_back(), entry.is_reversal()) {
        (false, _) => "PURCHASE",
        (true, false) => "REFUND",
        (true, true) => "REVERSAL",
    };
    vec![
        entry.id(),
        kind.to_owned(),
        purchase.payment_id.to_string(),
        time,
        purchase.state.as_str().to_owned(),
        purchase.nature.as_str().to_owned(),
        amount(entry.signed().minor.saturating_neg()),
        purchase.amount.currency.code().to_owned(),
        amount(purchase.given_back_minor),
        purchase.bank_id.to_string(),
        // It begins with an asterisk or a digit.
        purchase.account_masked.clone(),
        purchase.merchant.id.to_string(),
        text(purchase.merchant.name.as_str()),
        purchase.merchant.category.as_str().to_owned(),
        purchase.terminal_id.to_string(),
        text(purchase.place.as_ref().map_or("", |place| place.as_str())),
        text(&items.join("; ")),
        purchase.carrier.as_str().to_owned(),
    ]
}

/// What others have written, as a spreadsheet shows it and never runs it.
fn text(text: &str) -> String {
    if text.starts_with(FORMULAS) { format!("'{text}") } else { text.to_owned() }
}
