//! `bankhub acquirer`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use domain::network::{Counted, Response, Sum, Totals};
use domain::{Currency, Money, OneTimeCode, PhoneNumber, Reason};
use hub::network::WorkingKey;
use hub::network::config::{DialectName, Framing};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use server_kit::config::SecretRef;
use server_kit::tls::{ClientTls, ClientTlsConfig};

use super::{Acquirer, AcquirerError, AcquirerOptions, Named};
use crate::error::CliError;
use crate::output::Output;
use crate::terminal::command::ProofArgs;
use crate::typed;

const EXAMPLES: &str = "\
Examples:
  bankhub acquirer echo --connect 127.0.0.1:8583 --pin-key file:/etc/bankhub/pin.hex
  bankhub acquirer pay +8613800138000 36.80 --connect 127.0.0.1:8583 --pin-key file:/etc/bankhub/pin.hex
  bankhub acquirer reverse 0200-000123-1122201530 36.80 --connect 127.0.0.1:8583 --pin-key file:/etc/bankhub/pin.hex
  bankhub acquirer totals --debits 1/3680 --connect 127.0.0.1:8583 --pin-key file:/etc/bankhub/pin.hex

It is for trying a link: it keeps no journal.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AcquirerArgs {
    /// Where the hub's link listens.
    #[arg(long, global = true, default_value = "127.0.0.1:8583")]
    pub connect: SocketAddr,
    /// The acquirer, field 32.
    #[arg(long, global = true, default_value = "66280000")]
    pub institution: String,
    /// The terminal, field 41.
    #[arg(long, global = true, default_value = "TILL-1")]
    pub terminal: String,
    /// How messages are written.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub dialect: DialectArg,
    /// Whether a message tells its length by four digits and not by two octets.
    #[arg(long, global = true)]
    pub ascii_length: bool,
    /// The key of authentication codes, 32 hexadecimal digits, as file:/path or env:NAME; none for a link without them.
    #[arg(long, global = true, value_parser = secret)]
    pub mac_key: Option<SecretRef>,
    /// The key of PIN blocks in the same way.
    #[arg(long, global = true, value_parser = secret)]
    pub pin_key: Option<SecretRef>,
    /// The authorities whose certificates the hub may show, in PEM form, for a link with TLS. Without it the link is in the clear.
    #[arg(long, global = true, value_name = "FILE", requires = "tls_certificate")]
    pub tls_ca: Option<PathBuf>,
    /// This side's certificate.
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// Its private key, as file:/path or env:NAME.
    #[arg(long, global = true, value_parser = secret)]
    pub tls_key: Option<SecretRef>,
    /// The host name of the hub's certificate. Default: the address.
    #[arg(long, global = true)]
    pub tls_name: Option<String>,
    #[command(subcommand)]
    pub command: AcquirerCommand,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum DialectArg {
    #[default]
    UnionPay,
    #[value(name = "iso-1987-ascii")]
    Ascii,
    #[value(name = "iso-1987-ascii-binary")]
    AsciiBinary,
    #[value(name = "iso-1987-ebcdic")]
    Ebcdic,
    #[value(name = "iso-1987-bcd")]
    Bcd,
}

impl From<DialectArg> for DialectName {
    fn from(typed: DialectArg) -> Self {
        match typed {
            DialectArg::UnionPay => Self::UnionPay,
            DialectArg::Ascii => Self::Ascii,
            DialectArg::AsciiBinary => Self::AsciiBinary,
            DialectArg::Ebcdic => Self::Ebcdic,
            DialectArg::Bcd => Self::Bcd,
        }
    }
}

#[derive(Clone, Debug, Subcommand)]
pub enum AcquirerCommand {
    /// Sign on and ask for an echo.
    Echo,
    /// Take a payment by phone number: the payer's phone gets a code, and code and password are typed here.
    Pay {
        #[arg(value_name = "PHONE", value_parser = typed::phone_number)]
        phone: PhoneNumber,
        /// How much, in major units.
        #[arg(value_parser = typed::amount)]
        amount: Money,
        #[command(flatten)]
        proof: ProofArgs,
    },
    /// Take a payment back whole.
    Reverse {
        /// The message as `pay` shows it: TYPE-NUMBER-TIME.
        message: Named,
        /// The amount of the payment, in major units.
        #[arg(value_parser = typed::amount)]
        amount: Money,
    },
    /// Tell what became of a payment whose card was named, for the network to charge.
    Advise {
        /// The first message as `pay` shows it: TYPE-NUMBER-TIME.
        message: Named,
        /// The amount of the payment, in major units.
        #[arg(value_parser = typed::amount)]
        amount: Money,
        /// The response code: 00 for charged.
        #[arg(long, default_value = "00")]
        code: String,
    },
    /// Have the hub compare a day's totals.
    Totals {
        /// The day, as MMDD; without it the day of the link.
        #[arg(long)]
        day: Option<u16>,
        /// The currency.
        #[arg(long, default_value = "CNY", value_parser = typed::currency)]
        currency: Currency,
        /// What was charged, as NUMBER/MINOR.
        #[arg(long, default_value = "0/0", value_parser = sum)]
        debits: Sum,
        /// What was taken back.
        #[arg(long, default_value = "0/0", value_parser = sum)]
        reversals: Sum,
        /// What was given back.
        #[arg(long, default_value = "0/0", value_parser = sum)]
        credits: Sum,
    },
}

fn secret(text: &str) -> Result<SecretRef, String> {
    SecretRef::from_str(text).map_err(|error| error.to_string())
}

fn sum(text: &str) -> Result<Sum, String> {
    let wrong = || "a sum is NUMBER/MINOR, as in 3/12050".to_owned();
    let (number, minor) = text.split_once('/').ok_or_else(wrong)?;
    let read = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0).ok_or_else(wrong);
    Ok(Sum { number: read(number)?, minor: read(minor)? })
}

impl AcquirerArgs {
    fn options(&self) -> Result<AcquirerOptions, CliError> {
        let key = |secret: &SecretRef| {
            let read = secret.read()?;
            WorkingKey::read(&read).ok_or_else(|| CliError::Usage("a key has 32 hexadecimal digits".to_owned()))
        };
        let pin_key = self.pin_key.as_ref().ok_or_else(|| CliError::Usage("--pin-key is needed".to_owned()))?;
        Ok(AcquirerOptions {
            address: self.connect,
            dialect: self.dialect.into(),
            framing: if self.ascii_length { Framing::Ascii4 } else { Framing::Binary2 },
            institution: self.institution.clone(),
            terminal: self.terminal.clone(),
            mac_key: self.mac_key.as_ref().map(key).transpose()?,
            pin_key: key(pin_key)?,
            tls: self.tls()?,
            answer_within: Duration::from_secs(20),
        })
    }

    fn tls(&self) -> Result<Option<(ClientTls, String)>, CliError> {
        let Some(server_ca) = self.tls_ca.clone() else { return Ok(None) };
        let name = self.tls_name.clone().unwrap_or_else(|| self.connect.ip().to_string());
        let files = ClientTlsConfig { server_ca, certificate: self.tls_certificate.clone(), key: self.tls_key.clone() };
        // The hub is known by its host name here, whatever the federation is called.
        let tls = ClientTls::load(&files, "acquirer").map_err(|error| CliError::Usage(error.to_string()))?;
        Ok(Some((tls, name)))
    }
}

pub async fn run(args: &AcquirerArgs, out: &Output) -> Result<(), CliError> {
    let acquirer = Acquirer::connect(args.options()?).await?;
    match &args.command {
        AcquirerCommand::Echo => {
            acquirer.echo().await?;
            out.record(&[("echo", "answered".to_owned())], &json!({ "echo": true }));
            Ok(())
        }
        AcquirerCommand::Pay { phone, amount, proof } => pay(&acquirer, (phone, *amount), proof, out).await,
        AcquirerCommand::Reverse { message, amount } => {
            let answer = acquirer.reverse(*message, *amount).await?;
            told(answer.response(), out, *message)
        }
        AcquirerCommand::Advise { message, amount, code } => {
            let answer = acquirer.advise(*message, *amount, code).await?;
            told(answer.response(), out, *message)
        }
        AcquirerCommand::Totals { day, currency, debits, reversals, credits } => {
            let theirs =
                Totals { debits: *debits, debit_reversals: *reversals, credits: *credits, ..Totals::default() };
            let (response, ours) = acquirer.totals(*day, *currency, &theirs).await?;
            print_totals(&ours, &theirs, out);
            match response {
                Response::Refused(Reason::TotalsDiffer) => Err(CliError::CheckFailed(Reason::TotalsDiffer.to_string())),
                Response::Refused(reason) => Err(AcquirerError::Refused(reason).into()),
                _ => Ok(()),
            }
        }
    }
}

async fn pay(
    acquirer: &Acquirer,
    (phone, amount): (&PhoneNumber, Money),
    proof: &ProofArgs,
    out: &Output,
) -> Result<(), CliError> {
    let asking = |source| CliError::System { what: "standard input".to_owned(), source };
    let first = acquirer.name("0200")?;
    let answer = acquirer.ask(first, &acquirer.first(phone, amount)).await?;
    if answer.response() != Response::CodeSent {
        return told(answer.response(), out, first);
    }
    out.note(&format!("message {first}: the payer was sent a code"));
    let password = if proof.password_stdin { Some(typed::secret_from_stdin().map_err(asking)?) } else { None };
    let code = match &proof.code {
        Some(code) => SecretString::from(code.as_str()),
        None => typed::hidden("code from the phone: ").map_err(asking)?,
    };
    let password = match password {
        Some(password) => password,
        None => typed::hidden("transaction password: ").map_err(asking)?,
    };
    let usage = |reason: Reason| CliError::Usage(reason.english().to_owned());
    let code = OneTimeCode::parse(code.expose_secret().trim()).map_err(usage)?;
    let fields = acquirer.second(first, (phone, amount), (&code, password.expose_secret().trim()))?;
    let answer = acquirer.ask(acquirer.name("0200")?, &fields).await?;
    told(answer.response(), out, first)
}

fn told(response: Response, out: &Output, message: Named) -> Result<(), CliError> {
    match response {
        Response::Refused(reason) => {
            Err(CliError::Declined { reason: Some(reason), words: reason.english().to_owned() })
        }
        Response::InProgress => Err(CliError::Unknown("the bank has not answered yet".to_owned())),
        Response::Route => {
            // The number itself is for the network, and never shown.
            let rows = [
                ("outcome", "named: charge it, and advise what became of it".to_owned()),
                ("message", message.to_string()),
            ];
            out.record(&rows, &json!({ "outcome": "named", "message": message.to_string() }));
            Ok(())
        }
        Response::Approved | Response::CodeSent => {
            let rows = [("outcome", "approved".to_owned()), ("message", message.to_string())];
            out.record(&rows, &json!({ "outcome": "approved", "message": message.to_string() }));
            Ok(())
        }
    }
}

fn print_totals(ours: &Totals, theirs: &Totals, out: &Output) {
    let row = |what: &Counted| {
        let (ours, theirs) = (ours.of(*what), theirs.of(*what));
        let differs = if ours == theirs { "" } else { "  differs" };
        let text = format!("hub {}/{}, here {}/{}{differs}", ours.number, ours.minor, theirs.number, theirs.minor);
        (what.as_str(), text)
    };
    let rows: Vec<_> = Counted::ALL.iter().map(row).collect();
    let value = |totals: &Totals| {
        let entry = |what: &Counted| {
            let sum = totals.of(*what);
            (what.as_str().replace(' ', "_"), json!({ "number": sum.number, "amount_minor": sum.minor }))
        };
        Counted::ALL.iter().map(entry).collect::<serde_json::Map<_, _>>()
    };
    out.record(&rows, &json!({ "hub": value(ours), "here": value(theirs), "net_minor": ours.net_minor() }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m7_a_message_and_a_sum_are_typed_as_they_are_shown() {
        let named = Named::from_str("0200-000123-1122201530").unwrap();
        assert_eq!(named.to_string(), "0200-000123-1122201530");
        for bad in ["", "0200", "0200-000000-1122201530", "0200-000123-1322201530", "9999-000123-1122201530"] {
            assert!(Named::from_str(bad).is_err(), "{bad}");
        }
        assert_eq!(sum("3/1250"), Ok(Sum { number: 3, minor: 1_250 }));
        for bad in ["", "3", "3/-1", "a/b"] {
            assert!(sum(bad).is_err(), "{bad}");
        }
    }
}
