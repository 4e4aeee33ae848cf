//! What people type: amounts, items, places, secrets.

use std::fs::OpenOptions;
use std::io::{self, BufRead as _, Read as _, Write as _};

use domain::credit_history::{Field, Purpose};
use domain::ledger::{Flow, Nature};
use domain::purchase::CategoryCode;
use domain::sign_up::PersonName;
use domain::{
    AccountId, BankId, BillId, CardId, CarrierId, ConsentId, Currency, InquiryId, LegId, MerchantId, Money, OfferId,
    OperatorId, PaymentId, PersonId, PhoneNumber, ReminderId, SignUpId, TerminalId,
};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::terminal::Item;

macro_rules! parsers {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        $($(#[$doc])* pub(crate) fn $name(text: &str) -> Result<$type, String> {
            <$type>::parse(text).map_err(|reason| reason.english().to_owned())
        })*
    };
}

parsers! {
    account_id: AccountId;
    bank_id: BankId;
    bill_id: BillId;
    card_id: CardId;
    carrier_id: CarrierId;
    category: CategoryCode;
    consent_id: ConsentId;
    currency: Currency;
    inquiry_id: InquiryId;
    leg_id: LegId;
    merchant_id: MerchantId;
    offer_id: OfferId;
    operator_id: OperatorId;
    payment_id: PaymentId;
    person_id: PersonId;
    person_name: PersonName;
    phone_number: PhoneNumber;
    reminder_id: ReminderId;
    sign_up_id: SignUpId;
    terminal_id: TerminalId;
}

/// What is done with a card, as `cash-withdrawal`.
pub(crate) fn nature(text: &str) -> Result<Nature, String> {
    let word = text.to_ascii_uppercase().replace('-', "_");
    let known = Nature::parse(&word).ok().filter(|nature| matches!(nature.flow(), Flow::Out | Flow::In));
    known.ok_or_else(|| "this cannot be done with a card at a terminal".to_owned())
}

/// What a credit history is asked for, as `loan-application`.
pub(crate) fn purpose(text: &str) -> Result<Purpose, String> {
    Purpose::parse(&stored_word(text)).map_err(|reason| reason.english().to_owned())
}

/// A part of a credit report, as `open-bills`.
pub(crate) fn report_field(text: &str) -> Result<Field, String> {
    Field::parse(&stored_word(text)).map_err(|reason| reason.english().to_owned())
}

fn stored_word(text: &str) -> String {
    text.to_ascii_uppercase().replace('-', "_")
}

/// `12.50` yuan, or `12.50 EUR` for another currency.
pub(crate) fn amount(text: &str) -> Result<Money, String> {
    let (number, currency) = match text.trim().split_once(' ') {
        Some((number, code)) => (number, currency(code.trim())?),
        None => (text.trim(), Currency::CNY),
    };
    let typed = Money::parse_major(currency, number).map_err(|reason| reason.english().to_owned())?;
    Money::payable(typed.currency, typed.minor).map_err(|reason| reason.english().to_owned())
}

/// `NAME=12.50` for one piece, `NAME*3=37.50` or `NAME*0.25=4.10` for a quantity; the price is of all of them.
pub(crate) fn item(text: &str) -> Result<(String, i64, String), String> {
    const FORM: &str = "an item is NAME=PRICE or NAME*QUANTITY=PRICE, as in \"Rice 5 kg*2=79.80\"";
    let (what, price) = text.rsplit_once('=').ok_or(FORM)?;
    let (name, quantity_milli) = match what.rsplit_once('*') {
        Some((name, quantity)) => (name, thousandths(quantity).ok_or(FORM)?),
        None => (what, 1_000),
    };
    if name.trim().is_empty() || price.trim().is_empty() {
        return Err(FORM.to_owned());
    }
    Ok((name.trim().to_owned(), quantity_milli, price.trim().to_owned()))
}

/// An item with its price read in the currency of the payment.
pub(crate) fn priced(item: &(String, i64, String), currency: Currency) -> Result<Item, String> {
    let (name, quantity_milli, price) = item;
    let price = Money::parse_major(currency, price).map_err(|reason| reason.english().to_owned())?;
    Ok(Item { name: name.clone(), quantity_milli: *quantity_milli, amount_minor: price.minor })
}

/// A quantity with at most three decimals, in thousandths.
fn thousandths(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let fine = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !fine(whole) || !fine(decimals) || decimals.len() > 3 {
        return None;
    }
    let thousandths: i64 = format!("{decimals:0<3}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000)?.checked_add(thousandths).filter(|quantity| *quantity > 0)
}

/// `31.2304,121.4737`.
pub(crate) fn location(text: &str) -> Result<(f64, f64), String> {
    const FORM: &str = "a place is LATITUDE,LONGITUDE in degrees, as in 31.2304,121.4737";
    let (latitude, longitude) = text.split_once(',').ok_or(FORM)?;
    let read = |part: &str| part.trim().parse::<f64>().map_err(|_| FORM.to_owned());
    let (latitude, longitude) = (read(latitude)?, read(longitude)?);
    let fine = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    if fine { Ok((latitude, longitude)) } else { Err(FORM.to_owned()) }
}

/// `key=value`, for `--set`.
pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a setting is KEY=VALUE, as in payments.code_ttl=60s".to_owned()),
    }
}

/// `9:30`, a time of day.
pub(crate) fn time_of_day(text: &str) -> Result<(i32, i32), String> {
    const FORM: &str = "a time of day is HOUR:MINUTE, as in 9:30";
    let (hour, minute) = text.split_once(':').ok_or(FORM)?;
    let read = |part: &str, most: i32| part.parse().ok().filter(|n| (0..=most).contains(n)).ok_or(FORM);
    Ok((read(hour, 23)?, read(minute, 59)?))
}

/// Asks at the terminal without showing what is typed.
pub(crate) fn hidden(prompt: &str) -> io::Result<SecretString> {
    let mut tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&tty)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    // Silent before anybody is asked, and nothing that was typed ahead is thrown away.
    tcsetattr(&tty, OptionalActions::Now, &silent)?;
    let mut typed = Zeroizing::new(String::new());
    let read = tty.write_all(prompt.as_bytes()).and_then(|()| io::BufReader::new(&tty).read_line(&mut typed));
    // The echo comes back whatever happened.
    tcsetattr(&tty, OptionalActions::Now, &before)?;
    tty.write_all(b"\n")?;
    read?;
    Ok(SecretString::from(typed.trim_end_matches(['\r', '\n'])))
}

/// The next line of standard input, as a secret; empty when there is none.
pub(crate) fn secret_from_stdin() -> io::Result<SecretString> {
    let mut typed = Zeroizing::new(String::new());
    io::stdin().lock().take(1024).read_line(&mut typed)?;
    Ok(SecretString::from(typed.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_typed_in_major_units() {
        assert_eq!(amount("12.50"), Ok(Money::new(Currency::CNY, 1250)));
        assert_eq!(amount("12.5"), Ok(Money::new(Currency::CNY, 1250)));
        assert_eq!(amount("1250 JPY").unwrap().minor, 1250);
        for bad in ["", "0", "-1", "12.505", "1,000", "12.50 cny", "12.50 XXX", "９", "1e3", "+5", "2000000000"] {
            assert!(amount(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn items_have_a_name_a_quantity_and_a_price() {
        let read = |text| priced(&item(text)?, Currency::CNY);
        let noodles = Item { name: "Beef noodles".to_owned(), quantity_milli: 1000, amount_minor: 2800 };
        assert_eq!(read("Beef noodles=28"), Ok(noodles));
        assert_eq!(read("Rice 5 kg*2=79.80").unwrap().quantity_milli, 2000);
        assert_eq!(read("Ham*0.25=4.10").unwrap().quantity_milli, 250);
        assert_eq!(read("Discount=-1.00").unwrap().amount_minor, -100);
        for bad in ["", "=1", "Tea", "Tea=", "Tea*=1", "Tea*0=1", "Tea*0.0001=1", "Tea=1.234"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn places_and_settings_have_their_form() {
        assert_eq!(location("31.2304, 121.4737"), Ok((31.2304, 121.4737)));
        for bad in ["", "31", "91,0", "0,181", "NaN,0", "a,b"] {
            assert!(location(bad).is_err(), "{bad:?}");
        }
        assert_eq!(setting("a.b=c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        assert!(setting("a").is_err() && setting("=a").is_err());
    }
}
