//! How often a wrong PIN may be tried.

/// What the HSM said of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinCheck {
    Right,
    Wrong,
    /// The HSM is away or answered with a fault: nothing is known of the PIN. The card is not served, and no try is counted.
    NotChecked,
}

/// Wrong PINs since the last right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PinTries {
    wrong: u8,
}

impl PinTries {
    /// Wrong tries in a row that lock a card.
    pub const MOST: u8 = 3;

    /// As many as are stored; more than lock a card lock it.
    pub const fn from_stored(wrong: u8) -> Self {
        Self { wrong }
    }

    pub const fn wrong(self) -> u8 {
        self.wrong
    }

    pub const fn is_locked(self) -> bool {
        self.wrong >= Self::MOST
    }

    /// The tries after one more check. A right PIN opens no lock: that takes the counter and a new PIN.
    #[must_use]
    pub const fn after(self, check: PinCheck) -> Self {
        match check {
            PinCheck::Wrong if self.wrong < Self::MOST => Self { wrong: self.wrong.saturating_add(1) },
            PinCheck::Right if !self.is_locked() => Self { wrong: 0 },
            PinCheck::Right | PinCheck::Wrong | PinCheck::NotChecked => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_three_wrong_pins_in_a_row_lock_the_card_and_a_fault_of_the_hsm_does_not_count() {
        use PinCheck::{NotChecked, Right, Wrong};
        let table: [(&str, &[PinCheck], u8, bool); 7] = [
            ("none", &[], 0, false),
            ("two wrong", &[Wrong, Wrong], 2, false),
            ("three wrong", &[Wrong, Wrong, Wrong], 3, true),
            ("a right one between", &[Wrong, Wrong, Right, Wrong, Wrong], 2, false),
            ("faults between", &[Wrong, NotChecked, NotChecked, NotChecked, Wrong, NotChecked], 2, false),
            ("a right one after the lock", &[Wrong, Wrong, Wrong, Right], 3, true),
            ("many more", &[Wrong; 300], 3, true),
        ];
        for (name, checks, wrong, locked) in table {
            let tries = checks.iter().fold(PinTries::default(), |tries, check| tries.after(*check));
            assert_eq!((tries.wrong(), tries.is_locked()), (wrong, locked), "{name}");
        }
        assert!(PinTries::from_stored(u8::MAX).is_locked());
    }
}
