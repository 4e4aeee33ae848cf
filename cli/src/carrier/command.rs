//! `bankhub carrier`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use domain::sign_up::{CitizenNumber, PersonName};
use domain::{BankId, CarrierId, PhoneNumber, SignUpId};
use proto::carrier as pb;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Applicant, Carrier, CarrierError};
use crate::error::CliError;
use crate::output::Output;
use crate::profile::CarrierProfile;
use crate::typed;

const EXAMPLES: &str = "\
Examples:
  bankhub carrier sign-up +8613800138000 王小明 --bank bank-a
  bankhub carrier report +8613800138000 sim-changed
  bankhub carrier report +8613800138000 ported-out --to west
  bankhub carrier watch";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CarrierArgs {
    /// The carrier's profile, as `bankhub init carrier` writes it.
    #[arg(long = "as", global = true, value_name = "FILE", default_value = "carrier.toml")]
    pub profile: PathBuf,
    #[command(subcommand)]
    pub command: CarrierCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum CarrierCommand {
    /// Ask for an account for a number; the citizen identity number is asked for and not shown.
    SignUp(SignUpArgs),
    /// Where a sign-up stands.
    Show {
        #[arg(value_name = "SIGN-UP", value_parser = typed::sign_up_id)]
        id: SignUpId,
    },
    /// Say what has happened to a number.
    Report {
        #[arg(value_parser = typed::phone_number)]
        phone: PhoneNumber,
        #[arg(value_enum)]
        change: Change,
        /// The carrier that has the number, for one that was ported out.
        #[arg(long, value_name = "CARRIER", value_parser = typed::carrier_id)]
        to: Option<CarrierId>,
        /// The report's id, to say the same once more.
        #[arg(long, value_name = "REPORT", value_parser = typed::sign_up_id)]
        id: Option<SignUpId>,
    },
    /// What has become of sign-ups, as it is decided.
    Watch {
        /// After this answer.
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// Only what is there, without waiting for more.
        #[arg(long)]
        once: bool,
    },
}

#[derive(Clone, Debug, Args)]
pub struct SignUpArgs {
    #[arg(value_parser = typed::phone_number)]
    pub phone: PhoneNumber,
    /// As it stands on the identity card.
    #[arg(value_parser = typed::person_name)]
    pub name: PersonName,
    /// The bank; one of the carrier's in turn when it is not given.
    #[arg(long, value_parser = typed::bank_id)]
    pub bank: Option<BankId>,
    /// The version of the terms that the person has agreed to.
    #[arg(long, default_value = "1")]
    pub terms: String,
    /// Where and how the person has agreed.
    #[arg(long, default_value = "at the command line")]
    pub how: String,
    /// Read the citizen identity number from standard input.
    #[arg(long)]
    pub number_stdin: bool,
    /// The sign-up's id, to ask the same once more.
    #[arg(long, value_name = "SIGN-UP", value_parser = typed::sign_up_id)]
    pub id: Option<SignUpId>,
}

/// What has happened to a number.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Change {
    SimChanged,
    Lost,
    PortedOut,
    Recycled,
    GivenBack,
}

impl From<Change> for pb::NumberChange {
    fn from(change: Change) -> Self {
        match change {
            Change::SimChanged => Self::SimChanged,
            Change::Lost => Self::Lost,
            Change::PortedOut => Self::PortedOut,
            Change::Recycled => Self::Recycled,
            Change::GivenBack => Self::GivenBack,
        }
    }
}

pub async fn run(args: &CarrierArgs, out: &Output) -> Result<(), CliError> {
    let carrier = Carrier::connect(&CarrierProfile::load(&args.profile, &[])?)?;
    match &args.command {
        CarrierCommand::SignUp(asked) => sign_up(&carrier, asked, out).await,
        CarrierCommand::Show { id } => {
            print(&carrier.get(*id).await?, out);
            Ok(())
        }
        CarrierCommand::Report { phone, change, to, id } => {
            let id = id.map_or_else(|| carrier.new_id(), |id| Ok(id.uuid()))?;
            let epoch = carrier.report(id, phone, (*change).into(), to.as_ref()).await?;
            let fields = [("report", id.to_string()), ("the number has changed", format!("{epoch} times"))];
            out.record(&fields, &json!({ "report_id": id.to_string(), "number_epoch": epoch }));
            Ok(())
        }
        CarrierCommand::Watch { after, once: true } => {
            carrier.answers(*after).await?.iter().for_each(|answer| tell(answer, out));
            Ok(())
        }
        CarrierCommand::Watch { after, once: false } => {
            let mut answers = carrier.watch(*after).await?;
            while let Some(answer) = answers.message().await.map_err(CarrierError::from)? {
                answer.answer.iter().for_each(|answer| tell(answer, out));
            }
            Ok(())
        }
    }
}

async fn sign_up(carrier: &Carrier, asked: &SignUpArgs, out: &Output) -> Result<(), CliError> {
    let read = if asked.number_stdin { typed::secret_from_stdin() } else { typed::hidden("Citizen identity number: ") };
    let number = read.map_err(|source| CliError::System { what: "the identity number".to_owned(), source })?;
    // Whether the date of birth is over is the hub's to say, which knows the day.
    let citizen =
        CitizenNumber::stored(number.expose_secret()).map_err(|reason| CliError::Usage(reason.english().to_owned()))?;
    let applicant = Applicant {
        phone: asked.phone.clone(),
        name: asked.name.clone(),
        citizen,
        bank: asked.bank.clone(),
        terms: asked.terms.clone(),
        how: asked.how.clone(),
    };
    let id = asked.id.map_or_else(|| carrier.new_id().map(SignUpId::from_uuid), Ok)?;
    print(&carrier.sign_up(applicant.request(id)).await?, out);
    Ok(())
}

fn word(sign_up: &pb::SignUp) -> &'static str {
    match sign_up.state() {
        pb::SignUpState::Unspecified => "unknown",
        pb::SignUpState::Pending => "pending",
        pb::SignUpState::SignedUp => "signed up",
        pb::SignUpState::Refused => "refused",
    }
}

fn reason(sign_up: &pb::SignUp) -> &str {
    sign_up.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str())
}

fn value(sign_up: &pb::SignUp) -> Value {
    json!({
        "sign_up_id": sign_up.sign_up_id,
        "state": word(sign_up),
        "bank_id": sign_up.bank_id,
        "account_masked": sign_up.account_masked,
        "reason": reason(sign_up),
    })
}

fn print(sign_up: &pb::SignUp, out: &Output) {
    let fields = [
        ("sign-up", sign_up.sign_up_id.clone()),
        ("state", word(sign_up).to_owned()),
        ("bank", sign_up.bank_id.clone()),
        ("account", sign_up.account_masked.clone()),
        ("reason", reason(sign_up).to_owned()),
    ];
    out.record(&fields, &value(sign_up));
}

fn tell(answer: &pb::Answer, out: &Output) {
    let Some(sign_up) = &answer.sign_up else { return };
    let what = format!("{} {} {}", sign_up.bank_id, sign_up.account_masked, reason(sign_up));
    let text = format!("{:>4}  {}  {:<9}  {}", answer.sequence, sign_up.sign_up_id, word(sign_up), what.trim());
    out.event(&text, &json!({ "sequence": answer.sequence, "sign_up": value(sign_up) }));
}
