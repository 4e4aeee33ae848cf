//! How much browsers may ask. It keeps the work bounded; what stops guessing is the tries of a sign-in.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::{PhoneNumber, Reason};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::WebConfig;

/// Idle addresses are forgotten every so many requests.
const TIDY_EVERY: u32 = 4096;

pub(super) struct Limits {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    in_all: DefaultDirectRateLimiter,
    sign_ins_by_address: DefaultKeyedRateLimiter<IpAddr>,
    sign_ins_by_number: DefaultKeyedRateLimiter<String>,
    sign_ins_in_all: DefaultDirectRateLimiter,
    requests: AtomicU32,
}

impl Limits {
    pub(super) fn new(config: &WebConfig) -> Self {
        Self {
            by_address: RateLimiter::keyed(Quota::per_minute(config.requests_per_address_per_minute)),
            in_all: RateLimiter::direct(Quota::per_minute(config.requests_in_all_per_minute)),
            sign_ins_by_address: RateLimiter::keyed(Quota::per_minute(config.sign_ins_per_address_per_minute)),
            sign_ins_by_number: RateLimiter::keyed(Quota::per_minute(config.sign_ins_per_number_per_minute)),
            sign_ins_in_all: RateLimiter::direct(Quota::per_minute(config.sign_ins_in_all_per_minute)),
            requests: AtomicU32::new(0),
        }
    }

    /// Lets a request pass. `Err(TooBusy)`.
    pub(super) fn request(&self, from: IpAddr) -> Result<(), Reason> {
        if self.requests.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.by_address.retain_recent();
            self.sign_ins_by_address.retain_recent();
            self.sign_ins_by_number.retain_recent();
        }
        // The address first, so that one that asks too much takes nothing from the others.
        let fine = self.by_address.check_key(&from).is_ok() && self.in_all.check().is_ok();
        if fine { Ok(()) } else { Err(Reason::TooBusy) }
    }

    /// Lets a sign-in be begun or tried; the same for every number, known or not. `Err(TooBusy)`.
    pub(super) fn sign_in(&self, from: IpAddr, phone: Option<&PhoneNumber>) -> Result<(), Reason> {
        let by_number = |phone: &PhoneNumber| self.sign_ins_by_number.check_key(&phone.as_e164().to_owned()).is_ok();
        let fine = self.sign_ins_by_address.check_key(&from).is_ok()
            && phone.is_none_or(by_number)
            && self.sign_ins_in_all.check().is_ok();
        if fine { Ok(()) } else { Err(Reason::TooBusy) }
    }
}
