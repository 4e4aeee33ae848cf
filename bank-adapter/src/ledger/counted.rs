//! What came of the ledger's steps, in the metrics.

use domain::Reason;
use domain::ledger::Leg;

use super::steps::{Outcome, Step};

pub(super) fn count(step: &Step, outcome: &Outcome) {
    let name = match step {
        Step::Hold(_) => "hold",
        Step::Post(_) => "post",
        Step::Void(_) => "void",
        Step::Refund(_) => "refund",
        Step::Open(..) | Step::OpenChecked(_) | Step::OpenCredit(..) => "open",
        Step::CloseDays(..) => "close_days",
        Step::Deposit(..) => "deposit",
        Step::Freeze(..) => "freeze",
        Step::FollowHolders(_) => "follow_holders",
        Step::Complete(_) => "complete",
        Step::Offline(_) => "offline",
        Step::Report(_) => "report",
        Step::Inquire(..) => "inquire",
        Step::Issue(..) => "issue",
        Step::Change(..) => "change_card",
        Step::SetPin(..) => "set_pin",
        Step::Credit(step) => step.name(),
    };
    match outcome {
        Outcome::Held(legs) => legs.iter().for_each(|leg| counted(name, leg_result(leg))),
        Outcome::Leg(leg) => counted(name, leg_result(leg)),
        Outcome::Posted(results) => {
            for result in results {
                counted(name, result.refusal.map_or("POSTED", Reason::code));
            }
        }
        Outcome::Freezes(followed) => {
            followed.iter().for_each(|left| counted(name, left.as_ref().err().map_or("OK", |reason| reason.code())));
        }
        Outcome::Account(Ok(_)) | Outcome::Closed(Ok(_)) => counted(name, "OK"),
        Outcome::Account(Err(reason)) | Outcome::Closed(Err(reason)) => counted(name, reason.code()),
        Outcome::Card(card, _) => counted(name, card.as_ref().err().map_or("OK", |reason| reason.code())),
        // It is counted when it is asked for.
        Outcome::Alone(Ok(None)) => {}
        Outcome::Alone(Ok(Some(leg))) => counted(name, leg.state.refusal().map_or(leg.state.as_str(), Reason::code)),
        Outcome::Alone(Err(reason)) => counted(name, reason.code()),
        Outcome::Asked(Ok((leg, _))) => counted(name, leg.state.refusal().map_or(leg.state.as_str(), Reason::code)),
        Outcome::Reported(done) => counted(name, done.err().map_or("OK", Reason::code)),
        Outcome::Asked(Err(reason)) | Outcome::Pin(Err(reason)) => counted(name, reason.code()),
        Outcome::Pin(Ok((_, state))) => counted(name, state.as_str()),
        Outcome::Retold(retold) => {
            counted(name, retold.as_ref().map_or_else(|reason| reason.code(), |it| it.state.as_str()))
        }
        Outcome::Balance(balance) => counted(name, balance.as_ref().err().map_or("OK", |reason| reason.code())),
    }
}

fn leg_result(leg: &Result<Leg, Reason>) -> &'static str {
    match leg {
        Ok(leg) => leg.state.refusal().map_or(leg.state.as_str(), Reason::code),
        Err(reason) => reason.code(),
    }
}

fn counted(step: &'static str, result: &'static str) {
    metrics::counter!("bankhub_ledger_steps_total", "step" => step, "result" => result).increment(1);
}
