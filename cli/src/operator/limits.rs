//! Limits on payments: `operator limits`.

use clap::{Args, Subcommand, ValueEnum};
use domain::{Currency, Reason};
use proto::operator as pb;
use proto::operator::proposed_act::Act;
use serde_json::{Value, json};

use super::operators::{at, print_proposals, word};
use super::{Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Subcommand)]
pub enum LimitsCommand {
    /// List the limits that stand.
    List,
    /// Set a limit. One that allows more than before is proposed where second persons are asked for.
    Set {
        #[command(flatten)]
        of: LimitOf,
        /// The most: minor units, or a number of payments.
        most: i64,
        /// Why, for the log.
        #[arg(long, default_value = "asked for at the command line")]
        why: String,
    },
    /// Remove a limit; this is proposed where second persons are asked for.
    Remove {
        #[command(flatten)]
        of: LimitOf,
        /// Why, for the log.
        #[arg(long, default_value = "asked for at the command line")]
        why: String,
    },
}

/// What a limit is of.
#[derive(Clone, Debug, Args)]
pub struct LimitOf {
    /// Whose payments.
    #[arg(value_enum)]
    subject: SubjectWord,
    /// What is bounded: each payment, their sum, or their number.
    #[arg(value_enum)]
    measure: MeasureWord,
    /// One person or terminal; every one that has no limit of its own when it is not given.
    #[arg(long, default_value = "")]
    of: String,
    /// The window in seconds, for sums and numbers; a day when it is not given.
    #[arg(long, default_value_t = 86_400)]
    window: i64,
    #[arg(long, value_parser = typed::currency, default_value = "CNY")]
    currency: Currency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SubjectWord {
    Person,
    Terminal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MeasureWord {
    Each,
    Sum,
    Count,
}

impl LimitOf {
    fn limit(&self, most: i64) -> pb::Limit {
        let subject = match self.subject {
            SubjectWord::Person => pb::LimitSubject::Person,
            SubjectWord::Terminal => pb::LimitSubject::Terminal,
        };
        let (measure, window_seconds) = match self.measure {
            MeasureWord::Each => (pb::LimitMeasure::Each, 0),
            MeasureWord::Sum => (pb::LimitMeasure::Sum, self.window),
            MeasureWord::Count => (pb::LimitMeasure::Count, self.window),
        };
        pb::Limit {
            subject: subject.into(),
            of: self.of.clone(),
            currency_code: self.currency.code().to_owned(),
            measure: measure.into(),
            window_seconds,
            most,
            ..pb::Limit::default()
        }
    }
}

impl Operator {
    pub async fn limits(&self) -> Result<Vec<pb::Limit>, OperatorError> {
        Ok(answer(self.hub.clone().list_limits(bounded(pb::ListLimitsRequest {}))).await?.limits)
    }

    /// Sets a limit that allows no more than before.
    pub async fn lower_limit(&self, limit: pb::Limit) -> Result<pb::Limit, OperatorError> {
        let request = bounded(pb::LowerLimitRequest { limit: Some(limit) });
        answer(self.hub.clone().lower_limit(request)).await?.limit.ok_or(OperatorError::Incomplete("the limit"))
    }

    /// Sets a limit whatever was allowed before, or removes it; gives it as it stands.
    pub async fn raise_limit(&self, request: pb::RaiseLimitRequest) -> Result<Option<pb::Limit>, OperatorError> {
        Ok(answer(self.hub.clone().raise_limit(bounded(request))).await?.limit)
    }
}

pub async fn limits(operator: &Operator, command: &LimitsCommand, out: &Output) -> Result<(), CliError> {
    match command {
        LimitsCommand::List => print(&operator.limits().await?, out),
        LimitsCommand::Set { of, most, why } => match operator.lower_limit(of.limit(*most)).await {
            Ok(limit) => print(&[limit], out),
            Err(error) if error.reason() == Some(Reason::LimitNotLower) => {
                raise(operator, (of.limit(*most), false), why, out).await?;
            }
            Err(error) => return Err(error.into()),
        },
        LimitsCommand::Remove { of, why } => raise(operator, (of.limit(0), true), why, out).await?,
    }
    Ok(())
}

async fn raise(
    operator: &Operator,
    (limit, remove): (pb::Limit, bool),
    why: &str,
    out: &Output,
) -> Result<(), CliError> {
    let request = pb::RaiseLimitRequest { limit: Some(limit), remove };
    match operator.raise_limit(request.clone()).await {
        Ok(limit) => print(limit.as_slice(), out),
        Err(error) if error.reason() == Some(Reason::SecondPersonNeeded) => {
            print_proposals(&[operator.propose(Act::RaiseLimit(request), why).await?], out);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn print(limits: &[pb::Limit], out: &Output) {
    let row = |it: &pb::Limit| {
        let of = if it.of.is_empty() { "*" } else { &it.of };
        vec![
            word(it.subject().as_str_name(), "LIMIT_SUBJECT_"),
            of.to_owned(),
            it.currency_code.clone(),
            word(it.measure().as_str_name(), "LIMIT_MEASURE_"),
            it.window_seconds.to_string(),
            it.most.to_string(),
            if it.above_everybody { "yes" } else { "no" }.to_owned(),
            it.changed_by.clone(),
            at(it.changed_at.as_ref()),
        ]
    };
    let value = |it: &pb::Limit| {
        json!({
            "subject": it.subject().as_str_name(),
            "of": it.of,
            "currency_code": it.currency_code,
            "measure": it.measure().as_str_name(),
            "window_seconds": it.window_seconds,
            "most": it.most,
            "set_at": at(it.set_at.as_ref()),
            "changed_at": at(it.changed_at.as_ref()),
            "above_everybody": it.above_everybody,
            "changed_by": it.changed_by,
        })
    };
    let rows: Vec<_> = limits.iter().map(row).collect();
    let head = ["whose", "of", "currency", "what", "seconds", "at most", "above everybody's", "by", "set"];
    out.table(&head, &rows, &limits.iter().map(value).collect::<Value>());
}
