//! A federation of real processes, seen from outside. One program, so that all tests share one bound on how many federations
//! run at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails loudly"
)]

/// Tests that run `killed_at` of their file on each engine: name, and what it is given besides.
macro_rules! kill {
    ($($name:ident: $($given:literal)at+;)*) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                killed_at(Engine::Sqlite, $($given),+).await;
            })*
        }
        mod postgres {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                killed_at(Engine::Postgres, $($given),+).await;
            })*
        }
    };
}

mod any_moment;
mod approvals;
mod bench;
mod callers;
mod calls;
mod cards;
mod channels_killed;
mod clearing;
mod configuration;
mod credit;
mod cut_links;
mod day_totals;
mod draining;
mod enrolling;
mod errands;
mod exactly_once;
mod feed;
mod fees_killed;
mod freezes;
mod giving_back;
mod guesses;
mod independent_client;
mod issuers;
mod issuers_killed;
mod issuers_misused;
mod known_elsewhere_killed;
mod lookups;
mod metrics;
mod network;
mod network_cards;
mod network_killed;
mod network_misused;
mod network_peers;
mod offers;
mod operators;
mod phone_killed;
mod records_killed;
mod reflection;
mod repayments;
mod reports;
mod requests;
mod rotation;
mod routed;
mod safety_code;
mod sdk;
mod sdk_misused;
mod secrets;
mod secrets_of_records;
mod sign_up;
mod sign_up_killed;
mod terminal;
mod top_up;
mod traces;
mod two_hubs;
mod words;

use domain::Reason;
use tonic::Status;

/// The reason of a call that is to be refused.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> Reason {
    let status = answer.expect_err("the call was to be refused");
    proto::reason_of(&status).unwrap_or_else(|| panic!("refused without a reason: {status:?}"))
}

/// The reason of an answer, or nothing.
fn reason(payment: &proto::terminal::Payment) -> &str {
    payment.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str())
}
