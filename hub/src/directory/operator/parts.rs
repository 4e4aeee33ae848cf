//! What stands behind the calls, put together piece by piece. A whole hub has all of it; a test of the directory alone has not.

use std::fmt;
use std::sync::Arc;

use domain::Reason;
use server_kit::rotation::Rotation;
use tonic::Status;

use super::super::{BankInstruments, Directory};
use super::OperatorApi;
use crate::clearing::Clearing;
use crate::credit_history::CreditHistory;
use crate::fees::Fees;
use crate::freeze::Freezes;
use crate::limits::PaymentLimits;
use crate::network::Routing;
use crate::notify::Notices;
use crate::offers::Offers;
use crate::operators::Operators;
use crate::people::People;
use crate::safety_code::SafetyCodes;
use crate::sign_up::SignUps;

/// What a call stands on, where it is there.
fn there<T>(part: Option<&T>) -> Result<&T, Status> {
    part.ok_or_else(|| proto::status(Reason::Fault))
}

impl fmt::Debug for OperatorApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorApi").finish_non_exhaustive()
    }
}

impl OperatorApi {
    /// Serves the directory; accounts and cards are looked up at their banks through `instruments`, and `notices` has the dead letters.
    pub fn new(directory: Directory, instruments: Arc<dyn BankInstruments>, notices: Notices) -> Self {
        Self {
            directory,
            instruments,
            notices,
            served: None,
            lost: None,
            sign_ups: None,
            operators: None,
            limits: None,
            clearing: None,
            fees: None,
            people: None,
            routing: None,
            keys: None,
        }
    }

    /// Serves offers and inquiries, too.
    #[must_use]
    pub fn serving(self, offers: Offers, inquiries: CreditHistory) -> Self {
        Self { served: Some((offers, inquiries)), ..self }
    }

    pub(super) fn offers(&self) -> Result<&Offers, Status> {
        there(self.served.as_ref()).map(|(offers, _)| offers)
    }

    pub(super) fn inquiries(&self) -> Result<&CreditHistory, Status> {
        there(self.served.as_ref()).map(|(_, inquiries)| inquiries)
    }

    /// Helps people who have lost something, too.
    #[must_use]
    pub fn helping(self, freezes: Freezes, safety_codes: SafetyCodes) -> Self {
        Self { lost: Some((freezes, safety_codes)), ..self }
    }

    pub(super) fn freezes(&self) -> Result<&Freezes, Status> {
        there(self.lost.as_ref()).map(|(freezes, _)| freezes)
    }

    pub(super) fn safety_codes(&self) -> Result<&SafetyCodes, Status> {
        there(self.lost.as_ref()).map(|(_, safety_codes)| safety_codes)
    }

    /// Registers carriers, too.
    #[must_use]
    pub fn registering(self, sign_ups: SignUps) -> Self {
        Self { sign_ups: Some(sign_ups), ..self }
    }

    pub(super) fn sign_ups(&self) -> Result<&SignUps, Status> {
        there(self.sign_ups.as_ref())
    }

    /// Serves what operators ask about themselves, too.
    #[must_use]
    pub fn run_by(self, operators: Operators) -> Self {
        Self { operators: Some(operators), ..self }
    }

    pub(super) fn operators(&self) -> Result<&Operators, Status> {
        there(self.operators.as_ref())
    }

    /// Sets limits on payments, too.
    #[must_use]
    pub fn limiting(self, limits: PaymentLimits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    pub(crate) fn limits(&self) -> Result<&PaymentLimits, Status> {
        there(self.limits.as_ref())
    }

    /// Hands out files of what banks owe each other, too.
    #[must_use]
    pub fn clearing_with(self, clearing: Clearing) -> Self {
        Self { clearing: Some(clearing), ..self }
    }

    pub(super) fn clearing(&self) -> Result<&Clearing, Status> {
        there(self.clearing.as_ref())
    }

    /// Sets what merchants are charged, too.
    #[must_use]
    pub fn charging(self, fees: Fees) -> Self {
        Self { fees: Some(fees), ..self }
    }

    pub(crate) fn fees(&self) -> Result<&Fees, Status> {
        there(self.fees.as_ref())
    }

    /// Looks people up, too.
    #[must_use]
    pub fn finding(self, people: People) -> Self {
        Self { people: Some(people), ..self }
    }

    pub(super) fn people(&self) -> Result<&People, Status> {
        there(self.people.as_ref())
    }

    /// Says which links route by themselves, too.
    #[must_use]
    pub fn routing(self, routing: Routing) -> Self {
        Self { routing: Some(routing), ..self }
    }

    pub(crate) fn routes(&self) -> Result<&Routing, Status> {
        there(self.routing.as_ref())
    }

    /// Rotates keys, too.
    #[must_use]
    pub fn rotating(self, keys: Rotation) -> Self {
        Self { keys: Some(keys), ..self }
    }

    pub(super) fn rotation(&self) -> Result<&Rotation, Status> {
        there(self.keys.as_ref())
    }
}
