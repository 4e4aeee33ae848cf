//! Which purchases are asked for, as it is typed.

use clap::{Args, ValueEnum};
use domain::ledger::Nature;
use domain::purchase::CategoryCode;
use domain::{BankId, Currency, MerchantId, Money, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ToSpan as _};
use proto::cardholder as pb;
use proto::common;

use crate::error::CliError;
use crate::typed;

/// Every option has to fit; one that is given several times fits by any of its values.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which payments")]
pub struct FilterArgs {
    /// Charged by this bank. May be given several times.
    #[arg(long = "bank", value_name = "BANK", value_parser = typed::bank_id)]
    banks: Vec<BankId>,
    /// From this account or card as the list shows it, such as "****4821". May be given several times.
    #[arg(long = "account", value_name = "MASKED")]
    accounts: Vec<String>,
    /// Paid to this merchant, by its id. May be given several times.
    #[arg(long = "merchant", value_name = "MERCHANT", value_parser = typed::merchant_id)]
    merchants: Vec<MerchantId>,
    /// Paid to merchants of this category, four digits of ISO 18245. May be given several times.
    #[arg(long = "category", value_name = "CODE", value_parser = typed::category)]
    categories: Vec<CategoryCode>,
    /// What sort of transaction it is, such as cash-withdrawal. May be given several times.
    #[arg(long = "nature", value_name = "NATURE", value_parser = nature)]
    natures: Vec<Nature>,
    /// Where it stands. May be given several times.
    #[arg(long = "state", value_name = "STATE", value_enum)]
    states: Vec<Standing>,
    /// Bought on this day of UTC or later; or at this moment of RFC 3339 or later.
    #[arg(long, value_name = "DATE", value_parser = first_moment)]
    from: Option<Timestamp>,
    /// Bought on this day of UTC or earlier; or before this moment of RFC 3339.
    #[arg(long, value_name = "DATE", value_parser = end)]
    until: Option<Timestamp>,
    /// In this currency.
    #[arg(long, value_name = "CODE", value_parser = typed::currency)]
    currency: Option<Currency>,
    /// At least so much, in --currency or else in CNY alone.
    #[arg(long, value_name = "AMOUNT")]
    at_least: Option<String>,
    /// At most so much, in --currency or else in CNY alone.
    #[arg(long, value_name = "AMOUNT")]
    at_most: Option<String>,
    /// Has these words in the merchant, the place or the things bought.
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Standing {
    /// Reserved at the bank, not charged yet.
    Held,
    Posted,
    /// Taken back as a whole.
    Reversed,
}

impl FilterArgs {
    pub(super) fn read(&self) -> Result<pb::PurchaseFilter, CliError> {
        let bounded = self.at_least.is_some() || self.at_most.is_some();
        // A bound in minor units says something in one currency only.
        let currency = self.currency.or(bounded.then_some(Currency::CNY));
        let minor = |text: &Option<String>| match text {
            Some(text) => Money::parse_major(currency.unwrap_or(Currency::CNY), text)
                .map(|money| Some(money.minor))
                .map_err(|reason| CliError::Usage(format!("{text}: {}", reason.english()))),
            None => Ok(None),
        };
        Ok(pb::PurchaseFilter {
            bank_ids: self.banks.iter().map(ToString::to_string).collect(),
            accounts_masked: self.accounts.clone(),
            merchant_ids: self.merchants.iter().map(ToString::to_string).collect(),
            category_codes: self.categories.iter().map(|code| code.as_str().to_owned()).collect(),
            natures: self.natures.iter().map(|nature| proto::to_nature(*nature).into()).collect(),
            states: self.states.iter().map(|state| state.message().into()).collect(),
            from_time: self.from.map(proto::to_timestamp),
            until_time: self.until.map(proto::to_timestamp),
            currency_code: currency.map(|currency| currency.code().to_owned()).unwrap_or_default(),
            least_minor: minor(&self.at_least)?,
            most_minor: minor(&self.at_most)?,
            text: self.text.clone().unwrap_or_default(),
        })
    }
}

impl Standing {
    const fn message(self) -> common::PurchaseState {
        match self {
            Self::Held => common::PurchaseState::Held,
            Self::Posted => common::PurchaseState::Posted,
            Self::Reversed => common::PurchaseState::Reversed,
        }
    }
}

fn nature(text: &str) -> Result<Nature, String> {
    let word = text.to_ascii_uppercase().replace('-', "_");
    Nature::parse(&word).map_err(|_| "this is a sort of transaction as in cash-withdrawal".to_owned())
}

fn first_moment(text: &str) -> Result<Timestamp, String> {
    moment(text, Some)
}

fn end(text: &str) -> Result<Timestamp, String> {
    moment(text, |day| day.checked_add(1.day()).ok())
}

/// A moment of RFC 3339, or the beginning of the day that `day` makes of a date.
fn moment(text: &str, day: impl Fn(Date) -> Option<Date>) -> Result<Timestamp, String> {
    const FORM: &str = "this is a date or a moment, as in 2026-11-22 or 2026-11-22T08:15:00Z";
    let at = match text.parse::<Instant>() {
        Ok(at) => at,
        Err(_) => {
            // A time without its offset names no moment, and is no date either.
            let date = Date::strptime("%Y-%m-%d", text).ok().and_then(day).ok_or(FORM)?;
            date.to_zoned(TimeZone::UTC).map_err(|_| FORM.to_owned())?.timestamp()
        }
    };
    Ok(Timestamp::from_micros(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        filter: FilterArgs,
    }

    fn read(line: &str) -> Result<pb::PurchaseFilter, CliError> {
        let words = std::iter::once("payments").chain(line.split(' ').filter(|word| !word.is_empty()));
        Typed::try_parse_from(words).unwrap().filter.read()
    }

    #[test]
    fn r7_every_option_of_a_filter_is_sent() {
        assert_eq!(read("").unwrap(), pb::PurchaseFilter::default());
        let line = "--bank bank-a --bank bank-b --account ****4821 --merchant noodles --category 5812 --state held \
                    --nature cash-withdrawal --currency KWD --at-least 1.5 --at-most 20 --text tea";
        let wanted = pb::PurchaseFilter {
            bank_ids: vec!["bank-a".to_owned(), "bank-b".to_owned()],
            accounts_masked: vec!["****4821".to_owned()],
            merchant_ids: vec!["noodles".to_owned()],
            category_codes: vec!["5812".to_owned()],
            natures: vec![common::Nature::CashWithdrawal.into()],
            states: vec![common::PurchaseState::Held.into()],
            currency_code: "KWD".to_owned(),
            least_minor: Some(1_500),
            most_minor: Some(20_000),
            text: "tea".to_owned(),
            ..Default::default()
        };
        assert_eq!(read(line).unwrap(), wanted);
    }

    #[test]
    fn r7_a_bound_counts_in_one_currency() {
        let filter = read("--at-least 12.50").unwrap();
        assert_eq!((filter.currency_code.as_str(), filter.least_minor), ("CNY", Some(1_250)));
        let filter = read("--at-most 1250 --currency JPY").unwrap();
        assert_eq!((filter.currency_code.as_str(), filter.most_minor), ("JPY", Some(1_250)));
        for bad in ["--at-least 12.50 --currency JPY", "--at-most much"] {
            assert!(matches!(read(bad), Err(CliError::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn r7_days_are_whole_days_of_utc_and_moments_are_moments() {
        let seconds = |at: Option<prost_types::Timestamp>| at.unwrap().seconds;
        let filter = read("--from 2023-11-14 --until 2023-11-14").unwrap();
        assert_eq!((seconds(filter.from_time), seconds(filter.until_time)), (1_699_920_000, 1_700_006_400));
        let filter = read("--from 2023-11-14T22:13:20Z --until 2023-11-15T06:13:21+08:00").unwrap();
        assert_eq!((seconds(filter.from_time), seconds(filter.until_time)), (1_700_000_000, 1_700_000_001));
        for bad in ["2023-11-14T22:13:20", "14.11.2023", "2023-02-29", "", "now"] {
            assert!(first_moment(bad).is_err() && end(bad).is_err(), "{bad}");
        }
    }
}
