//! What merchants are charged, and what they are paid for a day: `operator fees`, `operator settlements`.

use clap::{Args, Subcommand, ValueEnum};
use domain::fee::parse_percent;
use domain::{Currency, FeeScheduleId, MerchantId, Money, Reason, Timestamp};
use proto::operator as pb;
use proto::operator::proposed_act::Act;
use serde_json::{Value, json};

use super::operators::{at, print_proposals, word};
use super::{Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

/// The most merchants that the hub gives on one page.
const PAGE: i32 = 200;

#[derive(Clone, Debug, Subcommand)]
pub enum FeesCommand {
    /// List what is charged, now and later.
    List {
        /// What was charged before, and what was withdrawn, too.
        #[arg(long)]
        all: bool,
    },
    /// Set what is charged from a moment on. Where second persons are asked for, this proposes it.
    Set {
        #[command(flatten)]
        of: FeeOf,
        /// Of the amount, in per cent, as 0.38; four decimals at most.
        #[arg(value_parser = percent)]
        rate: i64,
        #[command(flatten)]
        terms: FeeTerms,
        #[command(flatten)]
        when: FeeWhen,
    },
    /// Let a wider schedule hold from a moment on. Where second persons are asked for, this proposes it.
    End {
        #[command(flatten)]
        of: FeeOf,
        #[command(flatten)]
        when: FeeWhen,
    },
    /// Withdraw a schedule that does not hold yet.
    Withdraw {
        /// The schedule, as the list shows it.
        #[arg(value_parser = schedule_id)]
        schedule: FeeScheduleId,
    },
}

/// What a schedule is about.
#[derive(Clone, Debug, Args)]
pub struct FeeOf {
    /// One merchant; every one when it is not given.
    #[arg(long, value_parser = typed::merchant_id)]
    merchant: Option<MerchantId>,
    /// One merchant category of ISO 18245; every one when it is not given.
    #[arg(long, default_value = "")]
    category: String,
    /// One way of paying; every one when it is not given.
    #[arg(long, value_enum)]
    way: Option<WayWord>,
    #[arg(long, value_parser = typed::currency, default_value = "CNY")]
    currency: Currency,
}

/// What is charged beside the rate.
#[derive(Clone, Debug, Args)]
pub struct FeeTerms {
    /// On top of the rate, in major units, as 0.20.
    #[arg(long, default_value = "0")]
    fixed: String,
    /// At least so much.
    #[arg(long, default_value = "0")]
    floor: String,
    /// At most so much.
    #[arg(long)]
    cap: Option<String>,
    /// Of the fee what the issuing bank gets, in per cent.
    #[arg(long, value_parser = percent, default_value = "0")]
    issuer: i64,
    /// Of the fee what the hub gets, in per cent; the rest is the acquirer's.
    #[arg(long, value_parser = percent, default_value = "0")]
    hub: i64,
    /// The fee stays when goods come back; otherwise it is given back in the same proportion.
    #[arg(long)]
    kept: bool,
}

/// From when on, and why.
#[derive(Clone, Debug, Args)]
pub struct FeeWhen {
    /// From when on, as 2026-12-01T00:00:00+08:00; as soon as every replica has heard of it when it is not given.
    #[arg(long, value_parser = moment)]
    from: Option<Timestamp>,
    /// Why, for the log.
    #[arg(long, default_value = "asked for at the command line")]
    why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WayWord {
    Phone,
    CardDebit,
    CardCredit,
    CardOther,
}

/// What merchants are paid for a day.
#[derive(Clone, Debug, Args)]
pub struct SettlementsArgs {
    /// The business day in the hub's time zone, as 2026-11-23; the one that it is when it is not given.
    #[arg(long, default_value = "")]
    pub day: String,
    /// One merchant.
    #[arg(long, value_parser = typed::merchant_id)]
    pub merchant: Option<MerchantId>,
    /// As comma-separated values, for a spreadsheet or a bank.
    #[arg(long)]
    pub csv: bool,
}

fn percent(text: &str) -> Result<i64, String> {
    parse_percent(text).map_err(|reason| reason.english().to_owned())
}

fn schedule_id(text: &str) -> Result<FeeScheduleId, String> {
    FeeScheduleId::parse(text).map_err(|reason| reason.english().to_owned())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let at: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Ok(Timestamp::from_micros(at.as_microsecond()))
}

impl FeeOf {
    fn schedule(&self, id: String, when: &FeeWhen) -> pb::FeeSchedule {
        let way = match self.way {
            None => pb::FeeWay::Unspecified,
            Some(WayWord::Phone) => pb::FeeWay::Phone,
            Some(WayWord::CardDebit) => pb::FeeWay::CardDebit,
            Some(WayWord::CardCredit) => pb::FeeWay::CardCredit,
            Some(WayWord::CardOther) => pb::FeeWay::CardOther,
        };
        pb::FeeSchedule {
            schedule_id: id,
            merchant_id: self.merchant.as_ref().map(ToString::to_string).unwrap_or_default(),
            category_code: self.category.clone(),
            way: way.into(),
            currency_code: self.currency.code().to_owned(),
            valid_from: when.from.map(proto::to_timestamp),
            ..pb::FeeSchedule::default()
        }
    }
}

impl FeeTerms {
    fn add_to(
        &self,
        schedule: pb::FeeSchedule,
        (rate_ppm, currency): (i64, Currency),
    ) -> Result<pb::FeeSchedule, Reason> {
        let money = |text: &str| Money::parse_major(currency, text).map(proto::to_money);
        let returns = if self.kept { pb::FeeReturns::Nothing } else { pb::FeeReturns::Proportional };
        Ok(pb::FeeSchedule {
            rate_ppm,
            fixed: Some(money(&self.fixed)?),
            floor: Some(money(&self.floor)?),
            cap: self.cap.as_deref().map(money).transpose()?,
            issuer_share_ppm: self.issuer,
            hub_share_ppm: self.hub,
            returns: returns.into(),
            ..schedule
        })
    }
}

impl Operator {
    pub async fn fee_schedules(&self, with_past: bool) -> Result<Vec<pb::FeeSchedule>, OperatorError> {
        let request = bounded(pb::ListFeeSchedulesRequest { with_past });
        Ok(answer(self.hub.clone().list_fee_schedules(request)).await?.schedules)
    }

    /// Sets what is charged from a moment on; gives it as it stands.
    pub async fn set_fee_schedule(&self, schedule: pb::FeeSchedule) -> Result<pb::FeeSchedule, OperatorError> {
        let request = bounded(pb::SetFeeScheduleRequest { schedule: Some(schedule) });
        let set = answer(self.hub.clone().set_fee_schedule(request)).await?;
        set.schedule.ok_or(OperatorError::Incomplete("the fee schedule"))
    }

    /// Withdraws a schedule that does not hold yet.
    pub async fn withdraw_fee_schedule(&self, id: FeeScheduleId) -> Result<pb::FeeSchedule, OperatorError> {
        let request = bounded(pb::WithdrawFeeScheduleRequest { schedule_id: id.to_string() });
        let withdrawn = answer(self.hub.clone().withdraw_fee_schedule(request)).await?;
        withdrawn.schedule.ok_or(OperatorError::Incomplete("the fee schedule"))
    }

    /// What merchants are paid for a day, and whether the day is closed. An empty day is the one that it is.
    pub async fn settlements(
        &self,
        day: &str,
        merchant: Option<&MerchantId>,
    ) -> Result<(Vec<pb::Settlement>, bool), OperatorError> {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = bounded(pb::ListSettlementsRequest {
                day: day.to_owned(),
                merchant_id: merchant.map(ToString::to_string).unwrap_or_default(),
                page_size: PAGE,
                page_token,
            });
            let page = answer(self.hub.clone().list_settlements(request)).await?;
            found.extend(page.settlements);
            if page.next_page_token.is_empty() {
                return Ok((found, page.closed));
            }
            page_token = page.next_page_token;
        }
    }
}

pub async fn fees(operator: &Operator, command: &FeesCommand, out: &Output) -> Result<(), CliError> {
    let id = || operator.ids.uuid().map(|id| id.to_string()).map_err(OperatorError::from);
    match command {
        FeesCommand::List { all } => print(&operator.fee_schedules(*all).await?, out),
        FeesCommand::Set { of, rate, terms, when } => {
            let schedule = terms.add_to(of.schedule(id()?, when), (*rate, of.currency));
            let schedule = schedule.map_err(|reason| OperatorError::Refused {
                reason: Some(reason),
                message: reason.english().to_owned(),
            })?;
            set(operator, schedule, &when.why, out).await?;
        }
        FeesCommand::End { of, when } => {
            let schedule = pb::FeeSchedule { ends: true, ..of.schedule(id()?, when) };
            set(operator, schedule, &when.why, out).await?;
        }
        FeesCommand::Withdraw { schedule } => print(&[operator.withdraw_fee_schedule(*schedule).await?], out),
    }
    Ok(())
}

async fn set(operator: &Operator, schedule: pb::FeeSchedule, why: &str, out: &Output) -> Result<(), CliError> {
    match operator.set_fee_schedule(schedule.clone()).await {
        Ok(schedule) => print(&[schedule], out),
        Err(error) if error.reason() == Some(Reason::SecondPersonNeeded) => {
            let request = pb::SetFeeScheduleRequest { schedule: Some(schedule) };
            print_proposals(&[operator.propose(Act::SetFeeSchedule(request), why).await?], out);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn minor(money: Option<&proto::common::Money>) -> String {
    money.map(|money| money.minor_units.to_string()).unwrap_or_default()
}

fn print(schedules: &[pb::FeeSchedule], out: &Output) {
    let every = |text: &str| if text.is_empty() { "*".to_owned() } else { text.to_owned() };
    let way = |it: &pb::FeeSchedule| match it.way() {
        pb::FeeWay::Unspecified => "*".to_owned(),
        way => word(way.as_str_name(), "FEE_WAY_"),
    };
    let row = |it: &pb::FeeSchedule| {
        let kept = if it.ends { String::new() } else { word(it.returns().as_str_name(), "FEE_RETURNS_") };
        vec![
            it.schedule_id.clone(),
            every(&it.merchant_id),
            every(&it.category_code),
            way(it),
            it.currency_code.clone(),
            if it.ends { "ends".to_owned() } else { it.rate_ppm.to_string() },
            minor(it.fixed.as_ref()),
            minor(it.floor.as_ref()),
            minor(it.cap.as_ref()),
            format!("{}/{}", it.issuer_share_ppm, it.hub_share_ppm),
            kept,
            at(it.valid_from.as_ref()),
            it.set_by.clone(),
            it.withdrawn_by.clone(),
        ]
    };
    let value = |it: &pb::FeeSchedule| {
        json!({
            "schedule_id": it.schedule_id, "merchant_id": it.merchant_id, "category_code": it.category_code,
            "way": it.way().as_str_name(), "currency_code": it.currency_code, "rate_ppm": it.rate_ppm,
            "fixed_minor": it.fixed.as_ref().map(|money| money.minor_units),
            "floor_minor": it.floor.as_ref().map(|money| money.minor_units),
            "cap_minor": it.cap.as_ref().map(|money| money.minor_units),
            "issuer_share_ppm": it.issuer_share_ppm, "hub_share_ppm": it.hub_share_ppm,
            "returns": it.returns().as_str_name(), "ends": it.ends, "number": it.number,
            "valid_from": at(it.valid_from.as_ref()), "set_at": at(it.set_at.as_ref()), "set_by": it.set_by,
            "withdrawn_at": it.withdrawn_at.as_ref().map(|when| at(Some(when))), "withdrawn_by": it.withdrawn_by,
        })
    };
    let head = [
        "schedule",
        "merchant",
        "category",
        "way",
        "currency",
        "millionths",
        "fixed",
        "floor",
        "cap",
        "issuer/hub",
        "refunds",
        "from",
        "by",
        "withdrawn by",
    ];
    let rows: Vec<_> = schedules.iter().map(row).collect();
    out.table(&head, &rows, &schedules.iter().map(value).collect::<Value>());
}

/// The columns of a settlement, for people and for files.
const COLUMNS: [&str; 14] = [
    "day",
    "merchant_id",
    "currency_code",
    "sale_count",
    "gross_minor",
    "refund_count",
    "refunds_minor",
    "reversal_count",
    "reversals_minor",
    "fees_minor",
    "issuer_minor",
    "hub_minor",
    "acquirer_minor",
    "net_minor",
];

fn cells(it: &pb::Settlement) -> [Value; 14] {
    [
        json!(it.day),
        json!(it.merchant_id),
        json!(it.currency_code),
        json!(it.sale_count),
        json!(it.gross_minor),
        json!(it.refund_count),
        json!(it.refunds_minor),
        json!(it.reversal_count),
        json!(it.reversals_minor),
        json!(it.fees_minor),
        json!(it.issuer_minor),
        json!(it.hub_minor),
        json!(it.acquirer_minor),
        json!(it.net_minor),
    ]
}

fn text(value: Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub async fn settlements(operator: &Operator, asked: &SettlementsArgs, out: &Output) -> Result<(), CliError> {
    let (found, closed) = operator.settlements(&asked.day, asked.merchant.as_ref()).await?;
    let rows: Vec<Vec<String>> = found.iter().map(|it| cells(it).map(text).to_vec()).collect();
    if asked.csv {
        // Days, names, codes and whole numbers: nothing in them is to be quoted, and nothing is a formula.
        let lines = std::iter::once(COLUMNS.join(",")).chain(rows.iter().map(|row| row.join(",")));
        out.raw(&lines.map(|line| line + "\r\n").collect::<String>());
        return Ok(());
    }
    let object = |it: &pb::Settlement| -> Value {
        let pairs = COLUMNS.iter().zip(cells(it));
        pairs.map(|(key, cell)| ((*key).to_owned(), cell)).collect::<serde_json::Map<_, _>>().into()
    };
    let value = json!({ "settlements": found.iter().map(object).collect::<Value>(), "closed": closed });
    out.table(&COLUMNS, &rows, &value);
    if !closed {
        out.note("the day is not over for good; what it comes to may change");
    }
    Ok(())
}
