//! What was charged for one payment, and how much of it has come back.

use super::terms::{Returns, down, half_even};
use crate::{FeeScheduleId, Reason};

/// A charge and whose it is, in minor units. What is neither the issuer's nor the hub's is the acquirer's, so that the parts are always the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Parts {
    pub minor: i64,
    pub issuer_minor: i64,
    pub hub_minor: i64,
}

impl Parts {
    pub const fn acquirer_minor(self) -> i64 {
        self.minor.saturating_sub(self.issuer_minor).saturating_sub(self.hub_minor)
    }

    /// The same going the other way.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self {
            minor: self.minor.saturating_neg(),
            issuer_minor: self.issuer_minor.saturating_neg(),
            hub_minor: self.hub_minor.saturating_neg(),
        }
    }

    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            minor: self.minor.saturating_sub(other.minor),
            issuer_minor: self.issuer_minor.saturating_sub(other.issuer_minor),
            hub_minor: self.hub_minor.saturating_sub(other.hub_minor),
        }
    }

    /// Of these the parts of so much of the whole. Each is at most what it is here, and for the whole each is all of it: the issuer's is rounded down, of the rest the hub's,
    /// and what is left can never be more than the acquirer has.
    fn part(self, minor: i64) -> Self {
        let share = |of: i64, wanted: i64, whole: i64| match whole {
            ..=0 => 0,
            _ => down(i128::from(of) * i128::from(wanted), i128::from(whole)),
        };
        let issuer_minor = share(self.issuer_minor, minor, self.minor);
        let rest = self.minor.saturating_sub(self.issuer_minor);
        let hub_minor = share(self.hub_minor, minor.saturating_sub(issuer_minor), rest);
        Self { minor, issuer_minor, hub_minor }
    }
}

/// What a payment bears, fixed when it was committed; or, of a refund, what it gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fee {
    /// By which version of which schedule; by none where none fits, and then it is nothing.
    pub schedule: Option<FeeScheduleId>,
    pub parts: Parts,
    pub returns: Returns,
}

impl Fee {
    /// What a payment bears for which there is no schedule.
    pub const NONE: Self = Self {
        schedule: None,
        parts: Parts { minor: 0, issuer_minor: 0, hub_minor: 0 },
        returns: Returns::Proportional,
    };

    /// What of it is given back once so much of what was charged to the payer has been refunded, all refunds together. It grows with that, and with all of it is the whole.
    pub fn returned(&self, refunded_minor: i64, charged_minor: i64) -> Parts {
        if self.returns == Returns::Nothing || refunded_minor <= 0 || charged_minor <= 0 {
            return Parts::default();
        }
        let refunded = refunded_minor.min(charged_minor);
        let product = i128::from(self.parts.minor) * i128::from(refunded);
        self.parts.part(half_even(product, i128::from(charged_minor)))
    }

    /// The same for a refund by which all refunds together go from `before` to `after`.
    #[must_use]
    pub fn given_back(&self, (before, after): (i64, i64), charged_minor: i64) -> Self {
        let parts = self.returned(after, charged_minor).minus(self.returned(before, charged_minor));
        Self { parts, ..*self }
    }

    /// As it is stored beside the amount: schedule, what becomes of it, the issuer's part and the hub's.
    pub fn words(&self) -> String {
        let schedule = self.schedule.map_or_else(|| "-".to_owned(), |id| id.to_string());
        format!("{schedule} {} {} {}", self.returns.as_str(), self.parts.issuer_minor, self.parts.hub_minor)
    }

    /// Reads what [`Fee::words`] wrote. `Err(FieldUnknown)`.
    pub fn parse(minor: i64, text: &str) -> Result<Self, Reason> {
        let words: Vec<&str> = text.split(' ').collect();
        let [schedule, returns, issuer, hub] = words.as_slice() else { return Err(Reason::FieldUnknown) };
        let number = |word: &str| word.parse::<i64>().map_err(|_| Reason::FieldUnknown);
        let schedule = match *schedule {
            "-" => None,
            id => Some(FeeScheduleId::parse(id).map_err(|_| Reason::FieldUnknown)?),
        };
        let parts = Parts { minor, issuer_minor: number(issuer)?, hub_minor: number(hub)? };
        let whole = [parts.issuer_minor, parts.hub_minor, parts.acquirer_minor()].iter().all(|part| *part >= 0);
        if !whole {
            return Err(Reason::FieldUnknown);
        }
        Ok(Self { schedule, parts, returns: Returns::parse(returns)? })
    }
}
