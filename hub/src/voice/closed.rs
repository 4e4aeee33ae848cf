//! A desk that nobody sits at: callers hear that nothing can be done right now.

use domain::card::{Pan, Pin};
use domain::safety_code::SafetyCode;
use domain::{OrderId, PhoneNumber, Reason};

use super::{AtBank, BoxFuture, Desk, SpokenPurchase};

/// Knows nobody and does nothing.
#[derive(Debug)]
pub struct ClosedDesk;

impl Desk for ClosedDesk {
    fn identify<'a>(&'a self, _: &'a PhoneNumber) -> BoxFuture<'a, Result<(), Reason>> {
        Box::pin(async { Ok(()) })
    }

    fn set_safety_code<'a>(
        &'a self,
        _: &'a PhoneNumber,
        _: &'a Pan,
        _: &'a Pin,
        _: &'a SafetyCode,
    ) -> BoxFuture<'a, Result<(), Reason>> {
        Box::pin(async { Err(Reason::SafetyCodeNotSetByCard) })
    }

    fn freeze<'a>(
        &'a self,
        _: &'a PhoneNumber,
        _: &'a SafetyCode,
        _: OrderId,
    ) -> BoxFuture<'a, Result<Vec<AtBank>, Reason>> {
        Box::pin(async { Err(Reason::ShuttingDown) })
    }

    fn unfreeze<'a>(
        &'a self,
        _: &'a PhoneNumber,
        _: &'a SafetyCode,
        _: OrderId,
    ) -> BoxFuture<'a, Result<Vec<AtBank>, Reason>> {
        Box::pin(async { Err(Reason::ShuttingDown) })
    }

    fn last_purchases<'a>(
        &'a self,
        _: &'a PhoneNumber,
        _: &'a SafetyCode,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<SpokenPurchase>, Reason>> {
        Box::pin(async { Err(Reason::ShuttingDown) })
    }
}
