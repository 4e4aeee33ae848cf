//! Totals of a business day, as both sides of a link count them (ISO 8583:1987, elements 74 to 77 and 86 to 89).
//!
//! Debits are what payers were charged, credits what they were given back in refunds. A payment counts on the day of the link on which its
//! first message came, a reversal on the day on which the reversal came.

/// So many, and so much in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub number: i64,
    pub minor: i64,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Debits,
    DebitReversals,
    Credits,
    CreditReversals,
}

impl Counted {
    pub const ALL: [Self; 4] = [Self::Debits, Self::DebitReversals, Self::Credits, Self::CreditReversals];

    /// The fields of the number and of the amount.
    pub const fn fields(self) -> (u8, u8) {
        match self {
            Self::Credits => (74, 86),
            Self::CreditReversals => (75, 87),
            Self::Debits => (76, 88),
            Self::DebitReversals => (77, 89),
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debits => "debits",
            Self::DebitReversals => "debit reversals",
            Self::Credits => "credits",
            Self::CreditReversals => "credit reversals",
        }
    }
}

/// One side's totals of a day in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub debits: Sum,
    pub debit_reversals: Sum,
    pub credits: Sum,
    pub credit_reversals: Sum,
}

/// Where two sides do not count the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    pub what: Counted,
    pub ours: Sum,
    pub theirs: Sum,
}

impl Totals {
    pub const fn of(&self, what: Counted) -> Sum {
        match what {
            Counted::Debits => self.debits,
            Counted::DebitReversals => self.debit_reversals,
            Counted::Credits => self.credits,
            Counted::CreditReversals => self.credit_reversals,
        }
    }

    pub const fn set(&mut self, what: Counted, sum: Sum) {
        match what {
            Counted::Debits => self.debits = sum,
            Counted::DebitReversals => self.debit_reversals = sum,
            Counted::Credits => self.credits = sum,
            Counted::CreditReversals => self.credit_reversals = sum,
        }
    }

    /// What the acquirer is owed, in minor units; below zero what it owes.
    pub const fn net_minor(&self) -> i64 {
        let taken = self.debits.minor.saturating_sub(self.debit_reversals.minor);
        taken.saturating_sub(self.credits.minor).saturating_add(self.credit_reversals.minor)
    }

    /// Where the other side counts otherwise; nothing when the day is in balance.
    pub fn differences(&self, theirs: &Self) -> Vec<Difference> {
        let differs = |what: &Counted| self.of(*what) != theirs.of(*what);
        let list = Counted::ALL.into_iter().filter(differs);
        list.map(|what| Difference { what, ours: self.of(what), theirs: theirs.of(what) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m7_totals_net_out_and_every_difference_is_named() {
        let sum = |number, minor| Sum { number, minor };
        let ours = Totals {
            debits: sum(3, 900),
            debit_reversals: sum(1, 300),
            credits: sum(1, 50),
            credit_reversals: sum(0, 0),
        };
        assert_eq!(ours.net_minor(), 550);
        assert_eq!(ours.differences(&ours), []);
        let mut theirs = ours;
        theirs.set(Counted::Debits, sum(3, 901));
        theirs.set(Counted::Credits, sum(2, 50));
        let named: Vec<_> = ours.differences(&theirs).iter().map(|it| it.what.as_str()).collect();
        assert_eq!(named, ["debits", "credits"]);
        assert_eq!(Totals::default().net_minor(), 0);
    }
}
