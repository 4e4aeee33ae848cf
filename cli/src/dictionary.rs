//! `bankhub dictionary`: the words of this version in both languages. No server is asked.

use clap::Subcommand;
use domain::{Currency, Reason, category};
use serde_json::{Value, json};

use crate::output::Output;

/// The last number that ISO 4217 gives.
const LAST_CURRENCY: u16 = 999;

#[derive(Clone, Copy, Debug, Subcommand)]
pub enum DictionaryCommand {
    /// Merchant categories by ISO 18245.
    Categories,
    /// Every reason for which something is refused.
    Reasons,
    /// The currencies of ISO 4217.
    Currencies,
}

pub fn run(command: DictionaryCommand, out: &Output) {
    let (head, rows): (&[&str], Vec<Vec<String>>) = match command {
        DictionaryCommand::Categories => {
            let row = |it: &category::Category| {
                let codes = [it.first, it.last].map(|code| format!("{code:04}"));
                let words = [it.group.as_str(), it.english, it.chinese].map(str::to_owned);
                codes.into_iter().chain(words).collect()
            };
            (&["first", "last", "group", "english", "chinese"], category::all().iter().map(row).collect())
        }
        DictionaryCommand::Reasons => {
            let row = |it: &Reason| vec![it.code().to_owned(), it.english().to_owned(), it.chinese().to_owned()];
            (&["code", "english", "chinese"], Reason::ALL.iter().map(row).collect())
        }
        DictionaryCommand::Currencies => {
            let all = (1..=LAST_CURRENCY).filter_map(|number| Currency::from_numeric(number).ok());
            let row =
                |it: Currency| vec![it.code().to_owned(), format!("{:03}", it.numeric()), it.exponent().to_string()];
            (&["code", "number", "digits"], all.map(row).collect())
        }
    };
    let object = |row: &Vec<String>| -> Value {
        head.iter()
            .zip(row)
            .map(|(name, text)| ((*name).to_owned(), json!(text)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let value: Value = rows.iter().map(object).collect();
    out.table(head, &rows, &value);
}
