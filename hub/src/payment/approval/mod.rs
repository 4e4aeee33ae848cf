//! Payments that wait for their code, approved or declined on the payer's phone (S2, ADR 25).
//!
//! `phone` is what phones call; `steps` are the durable ones, in the set of the other steps of payments, so that a yes on the phone and a
//! code at the terminal come one after the other; `sql` finds what waits.

mod phone;
mod sql;
mod steps;
mod wire;

pub(super) use sql::load_phones;
pub(super) use steps::{Approve, Decline};

use super::desk::Desk;

/// What waits at terminals for the answers of people. Cheap to clone; it keeps no state.
#[derive(Clone, Debug)]
pub struct Approvals {
    desk: Desk,
}

impl Approvals {
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }
}
