//! RFC 4180, UTF-8, with a header line and CRLF.

use domain::Money;
use domain::purchase::Purchase;
use jiff::Timestamp as Instant;

const HEADER: [&str; 16] = [
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

/// One line for each purchase; the things bought stand in one cell, parted by `; `.
pub(super) fn lines_of<'a>(purchases: impl Iterator<Item = &'a Purchase>) -> Vec<u8> {
    lines(purchases.map(line))
}

fn lines(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        // Writing to memory cannot fail.
        let _ = writer.write_record(row);
    }
    writer.into_inner().unwrap_or_default()
}

fn line(purchase: &Purchase) -> Vec<String> {
    let time = Instant::from_microsecond(purchase.occurred_at.micros()).map(|at| at.to_string()).unwrap_or_default();
    let items: Vec<&str> = purchase.items.iter().map(|item| item.name.as_str()).collect();
    let amount = |minor| Money::new(purchase.amount.currency, minor).to_major();
    vec![
        purchase.payment_id.to_string(),
        time,
        purchase.state.as_str().to_owned(),
        purchase.nature.as_str().to_owned(),
        amount(purchase.amount.minor),
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
