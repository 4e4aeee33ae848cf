//! How much strangers may ask, by address and in all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use domain::Reason;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use server_kit::tls;
use tonic::{Request, Status};

/// Calls a second that phones without a session may make. Many phones share an address behind a carrier's NAT, so
/// what stops guessing is the tries of a code, and this only keeps the work bounded.
#[derive(Clone, Copy, Debug)]
pub struct StrangerLimits {
    /// From one address (IPv6: one /64), a second.
    pub per_address: u32,
    /// From one address, at once.
    pub per_address_burst: u32,
    /// From everywhere, a second.
    pub in_all: u32,
    /// From everywhere, at once.
    pub in_all_burst: u32,
    /// Enrolment codes that may be asked for from one address in a minute; each may cost an SMS, and disturbs somebody.
    pub codes_per_address: u32,
    /// The same from everywhere.
    pub codes_in_all: u32,
}

impl Default for StrangerLimits {
    fn default() -> Self {
        Self {
            per_address: 50,
            per_address_burst: 500,
            in_all: 2_000,
            in_all_burst: 10_000,
            codes_per_address: 30,
            codes_in_all: 1_200,
        }
    }
}

#[derive(Debug)]
pub(super) struct Limits {
    calls: Pair,
    /// Tokens that are not in the cache cost a query, whoever sends them; phones with a session come here now and
    /// then too, so it is wider.
    look_ups: Pair,
    codes: Pair,
}

#[derive(Debug)]
struct Pair {
    in_all: DefaultDirectRateLimiter,
    by_address: DefaultKeyedRateLimiter<IpAddr>,
}

impl Pair {
    fn new(limits: StrangerLimits, times: u32) -> Self {
        Self {
            in_all: RateLimiter::direct(quota(limits.in_all, limits.in_all_burst, times)),
            by_address: RateLimiter::keyed(quota(limits.per_address, limits.per_address_burst, times)),
        }
    }

    /// So many in a minute, and at once.
    fn a_minute(per_address: u32, in_all: u32) -> Self {
        let quota = |n: u32| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        Self { in_all: RateLimiter::direct(quota(in_all)), by_address: RateLimiter::keyed(quota(per_address)) }
    }

    fn check(&self, address: IpAddr) -> Result<(), Status> {
        // The address first, so that one address that asks too much takes nothing from the others.
        let fine = self.by_address.check_key(&address).is_ok() && self.in_all.check().is_ok();
        if fine { Ok(()) } else { Err(proto::status(Reason::TooBusy)) }
    }

    fn forget_idle(&self) {
        self.by_address.retain_recent();
        self.by_address.shrink_to_fit();
    }
}

fn quota(per_second: u32, burst: u32, times: u32) -> Quota {
    let positive = |n: u32| NonZeroU32::new(n.saturating_mul(times)).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(positive(per_second)).allow_burst(positive(burst))
}

impl Limits {
    pub(super) fn new(limits: StrangerLimits) -> Self {
        let codes = Pair::a_minute(limits.codes_per_address, limits.codes_in_all);
        Self { calls: Pair::new(limits, 1), look_ups: Pair::new(limits, 4), codes }
    }

    /// Lets a call of a stranger pass, or says that there are too many.
    pub(super) fn call<T>(&self, request: &Request<T>) -> Result<(), Status> {
        self.calls.check(address(request))
    }

    /// Lets an enrolment code be asked for, or says that there were too many.
    pub(super) fn code<T>(&self, request: &Request<T>) -> Result<(), Status> {
        self.codes.check(address(request))
    }

    /// Lets a token be looked up, or says that there are too many.
    pub(super) fn look_up(&self, address: IpAddr) -> Result<(), Status> {
        self.look_ups.check(address)
    }

    /// Forgets addresses that have been quiet, so that the memory is bounded by what comes in a while.
    pub(super) fn forget_idle(&self) {
        self.calls.forget_idle();
        self.look_ups.forget_idle();
        self.codes.forget_idle();
    }
}

/// Where a call comes from, as far as limits tell addresses apart.
pub(super) fn address<T>(request: &Request<T>) -> IpAddr {
    let address = tls::peer(request).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.addr.ip());
    match address.to_canonical() {
        // A subscriber has a /64 at least, and can change the rest at will.
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: StrangerLimits = StrangerLimits {
        per_address: 1,
        per_address_burst: 3,
        in_all: 1,
        in_all_burst: 5,
        codes_per_address: 2,
        codes_in_all: 3,
    };

    #[test]
    fn one_address_runs_out_before_the_others_do() {
        let limits = Limits::new(FEW);
        let address = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let passed = |last| (0..10).filter(|_| limits.calls.check(address(last)).is_ok()).count();
        assert_eq!(passed(1), 3);
        assert_eq!(passed(2), 2);
        assert_eq!(passed(3), 0);
        let codes = |last| (0..10).filter(|_| limits.codes.check(address(last)).is_ok()).count();
        assert_eq!((codes(1), codes(2), codes(3)), (2, 1, 0));
    }
}
