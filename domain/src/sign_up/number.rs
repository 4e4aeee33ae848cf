//! What a carrier's report does to a number (M5).

use crate::{CarrierId, Reason};

/// What has happened to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberChange {
    /// It is on another SIM card.
    SimChanged,
    /// It was reported as lost or stolen.
    Lost,
    /// It has gone to another carrier with its owner.
    PortedOut { to: CarrierId },
    /// It was given to somebody else.
    Recycled,
    /// Its owner has given it back, or pays with it no more.
    GivenBack,
}

impl NumberChange {
    /// The word that is logged.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SimChanged => "SIM_CHANGED",
            Self::Lost => "LOST",
            Self::PortedOut { .. } => "PORTED_OUT",
            Self::Recycled => "RECYCLED",
            Self::GivenBack => "GIVEN_BACK",
        }
    }

    /// Whether the person has the number no more.
    pub const fn ends(&self) -> bool {
        matches!(self, Self::Recycled | Self::GivenBack)
    }
}

/// A number that a carrier has signed up, for as long as its person has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// The carrier that speaks of it.
    pub carrier_id: CarrierId,
    /// How often it has changed.
    pub epoch: i64,
}

impl Number {
    /// Takes a report of `by` in. Whatever has happened, codes that were sent before are worth nothing: the epoch rises. `Err(NumberNotYours)`
    /// from any carrier but the one that the number is with; then nothing has changed.
    pub fn report(&mut self, by: &CarrierId, change: &NumberChange) -> Result<(), Reason> {
        if self.carrier_id != *by {
            return Err(Reason::NumberNotYours);
        }
        self.epoch = self.epoch.saturating_add(1);
        if let NumberChange::PortedOut { to } = change {
            self.carrier_id = to.clone();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrier(id: &str) -> CarrierId {
        CarrierId::parse(id).unwrap()
    }

    fn changes() -> [NumberChange; 5] {
        let ported = NumberChange::PortedOut { to: carrier("west") };
        [NumberChange::SimChanged, NumberChange::Lost, ported, NumberChange::Recycled, NumberChange::GivenBack]
    }

    #[test]
    fn m5_every_change_raises_the_epoch_and_a_port_gives_the_number_away() {
        for change in changes() {
            let mut number = Number { carrier_id: carrier("east"), epoch: 3 };
            assert_eq!(number.report(&carrier("east"), &change), Ok(()));
            assert_eq!(number.epoch, 4, "{change:?}");
            let with = if matches!(change, NumberChange::PortedOut { .. }) { "west" } else { "east" };
            assert_eq!(number.carrier_id, carrier(with), "{change:?}");
            assert_eq!(change.ends(), matches!(change, NumberChange::Recycled | NumberChange::GivenBack));
        }
    }

    #[test]
    fn m5_no_carrier_speaks_of_anothers_number() {
        for change in changes() {
            let mut number = Number { carrier_id: carrier("east"), epoch: 3 };
            assert_eq!(number.report(&carrier("west"), &change), Err(Reason::NumberNotYours));
            assert_eq!(number, Number { carrier_id: carrier("east"), epoch: 3 });
        }
    }
}
