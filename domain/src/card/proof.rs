//! What a card and its holder have to prove before money goes out.

use super::{Card, PinCheck};
use crate::ledger::{Flow, Nature};
use crate::{Money, Reason, Timestamp};

/// What the bank found of the card itself: of its expiry, and of the CVV2 or the CVV on its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardCheck {
    Right,
    Wrong,
    /// Neither was shown: the number alone, by which money can come in.
    NotShown,
}

/// What is known of a card and its holder when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Whoever asks has authenticated the holder, as the hub does by a code and a password. For an account by itself too.
    Given,
    /// The bank has checked what a terminal read and what the holder typed.
    Checked { card: CardCheck, pin: Option<PinCheck> },
}

impl Card {
    /// What a use of the card leaves of it, to be stored whatever comes of the use; and whether it is proved. A wrong PIN counts
    /// only with the right card: who knows the number alone cannot lock it. A wrong card counts too, and after too many of them
    /// only the right PIN with the right card proves anything for a while. `Err` with `CardNotVerified`, `CardLocked`,
    /// `CardValuesExhausted` or `HsmAway`.
    pub fn proved(self, proof: Proof, now: Timestamp) -> (Self, Result<(), Reason>) {
        let Proof::Checked { card: shown, pin } = proof else { return (self, Ok(())) };
        let before = self.cvv_tries;
        let (card, told) = match (shown, pin) {
            (CardCheck::Wrong, _) => (self, Err(Reason::CardNotVerified)),
            // The number alone lets money in, and a PIN beside it says nothing: who knows a number must not be able to try PINs.
            (CardCheck::NotShown, _) | (CardCheck::Right, None) => (self, Ok(())),
            (CardCheck::Right, Some(check)) => self.pin_checked(check),
        };
        if before.is_blocked(now) && shown != CardCheck::NotShown {
            // Nobody learns here whether a value was right, unless the PIN says that it is the holder.
            let is_holder = pin == Some(PinCheck::Right) && told.is_ok();
            let is_answered = told != Err(Reason::HsmAway);
            return (card, if is_holder || !is_answered { told } else { Err(Reason::CardValuesExhausted) });
        }
        match (shown, told) {
            (CardCheck::Wrong, _) | (_, Ok(())) => (Self { cvv_tries: before.after(shown, now), ..card }, told),
            _ => (card, told),
        }
    }
}

/// What a terminal sends of a card besides its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The three digits on its back: the card itself may be far away.
    pub cvv2: bool,
    /// Track 2, or its equivalent in the chip.
    pub track: bool,
    pub pin: bool,
}

/// Whether what is shown is enough for this. Money comes in by the number alone. Money goes out with the card, and with its PIN
/// unless it is a purchase of no more than `without_pin_minor`, or one by CVV2, where no PIN can be typed. `Err` with
/// `CardProofMissing` or `PinRequired`.
pub fn must_show(nature: Nature, amount: Money, shown: Shown, without_pin_minor: i64) -> Result<(), Reason> {
    match nature.flow() {
        Flow::In | Flow::Follows => return Ok(()),
        Flow::Out | Flow::Look => {}
    }
    let pin_needed = match nature {
        Nature::Purchase | Nature::PreAuthorisation => shown.track && amount.minor > without_pin_minor,
        _ => true,
    };
    if !shown.track && !shown.cvv2 {
        return Err(Reason::CardProofMissing);
    }
    if pin_needed && !shown.pin {
        return Err(Reason::PinRequired);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{CvvTries, Expiry, PinTries, Sides};
    use crate::{AccountId, CardId, Currency};

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn card(wrong: u8) -> Card {
        let id = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
        let sides = Sides::Debit(AccountId::parse(id).unwrap());
        let new = Card::issue(CardId::parse(id).unwrap(), Expiry::parse_yymm("3012").unwrap(), sides, String::new());
        Card { tries: PinTries::from_stored(wrong), ..new }
    }

    #[test]
    fn c5_the_card_is_proved_before_its_pin_and_who_has_the_number_alone_cannot_lock_it() {
        use CardCheck::{NotShown, Right, Wrong};
        let pin = |check| Some(check);
        let (right, wrong, away) = (pin(PinCheck::Right), pin(PinCheck::Wrong), pin(PinCheck::NotChecked));
        let table = [
            ("a right card", Right, None, 2, Ok(()), 2),
            ("a right card with its PIN", Right, right, 2, Ok(()), 0),
            ("a right card with a wrong PIN", Right, wrong, 1, Err(Reason::CardNotVerified), 2),
            ("the third wrong PIN", Right, wrong, 2, Err(Reason::CardNotVerified), 3),
            ("the right PIN of a card that is locked", Right, right, 3, Err(Reason::CardLocked), 3),
            ("a PIN that could not be checked", Right, away, 1, Err(Reason::HsmAway), 1),
            ("a wrong card", Wrong, None, 1, Err(Reason::CardNotVerified), 1),
            ("a wrong card with the right PIN", Wrong, right, 1, Err(Reason::CardNotVerified), 1),
            ("a wrong card with a wrong PIN", Wrong, wrong, 2, Err(Reason::CardNotVerified), 2),
            ("a wrong card that is locked", Wrong, right, 3, Err(Reason::CardNotVerified), 3),
            ("a number alone", NotShown, None, 1, Ok(()), 1),
            ("a number alone with a wrong PIN", NotShown, wrong, 1, Ok(()), 1),
        ];
        for (name, shown, pin, before, told, after) in table {
            let (left, proved) = card(before).proved(Proof::Checked { card: shown, pin }, NOW);
            assert_eq!((proved, left.tries.wrong()), (told, after), "{name}");
        }
        assert_eq!(card(3).proved(Proof::Given, NOW), (card(3), Ok(())));
    }

    #[test]
    fn c5_a_wrong_card_is_counted_and_after_five_only_the_pin_proves_anything_for_a_day() {
        use CardCheck::{NotShown, Right, Wrong};
        let pin = |check| Some(check);
        let (right, wrong, away) = (pin(PinCheck::Right), pin(PinCheck::Wrong), pin(PinCheck::NotChecked));
        let (not_verified, exhausted) = (Err(Reason::CardNotVerified), Err(Reason::CardValuesExhausted));
        let (over, not_over) = (NOW, NOW.plus(std::time::Duration::from_secs(1)));
        let (counted, blocked) = (|n| CvvTries::from_stored(n, None), CvvTries::from_stored(5, Some(not_over)));
        let (was_blocked, again) = (CvvTries::from_stored(5, Some(over)), Some(NOW.plus(CvvTries::BLOCK)));
        // Wrong PINs and wrong values before, what is shown; what is told, and wrong PINs and values afterwards.
        let table = [
            ("a right one", (0, counted(0)), Right, None, Ok(()), (0, counted(0))),
            ("a wrong one", (0, counted(0)), Wrong, None, not_verified, (0, counted(1))),
            ("a right one after four", (0, counted(4)), Right, None, Ok(()), (0, counted(0))),
            ("with a wrong PIN", (0, counted(4)), Right, wrong, not_verified, (1, counted(4))),
            ("the fifth", (0, counted(4)), Wrong, None, not_verified, (0, CvvTries::from_stored(5, again))),
            ("a number alone", (0, counted(4)), NotShown, None, Ok(()), (0, counted(4))),
            ("blocked, a right one", (0, blocked), Right, None, exhausted, (0, blocked)),
            ("blocked, a wrong one", (0, blocked), Wrong, right, exhausted, (0, blocked)),
            ("blocked, the right PIN", (2, blocked), Right, right, Ok(()), (0, blocked)),
            ("blocked, a wrong PIN", (0, blocked), Right, wrong, exhausted, (1, blocked)),
            ("blocked and locked", (3, blocked), Right, right, exhausted, (3, blocked)),
            ("blocked, a PIN that could not be checked", (0, blocked), Right, away, Err(Reason::HsmAway), (0, blocked)),
            ("blocked, a number alone", (0, blocked), NotShown, None, Ok(()), (0, blocked)),
            ("when it is over, a right one", (0, was_blocked), Right, None, Ok(()), (0, counted(0))),
            ("a wrong one", (0, was_blocked), Wrong, None, not_verified, (0, CvvTries::from_stored(5, again))),
        ];
        for (name, (pins, cvv_tries), shown, pin, told, after) in table {
            let before = Card { cvv_tries, ..card(pins) };
            let (left, proved) = before.proved(Proof::Checked { card: shown, pin }, NOW);
            assert_eq!((proved, (left.tries.wrong(), left.cvv_tries)), (told, after), "{name}");
        }
    }

    #[test]
    fn c2_what_has_to_be_shown_depends_on_where_the_money_goes() {
        let shown = |text: &str| Shown { cvv2: text.contains('c'), track: text.contains('t'), pin: text.contains('p') };
        let table = [
            (Nature::Purchase, 1_000, "t", Ok(())),
            (Nature::Purchase, 1_001, "t", Err(Reason::PinRequired)),
            (Nature::Purchase, 1_001, "tp", Ok(())),
            (Nature::Purchase, 1_001, "c", Ok(())),
            (Nature::Purchase, 1, "", Err(Reason::CardProofMissing)),
            (Nature::Purchase, 1, "p", Err(Reason::CardProofMissing)),
            (Nature::PreAuthorisation, 1_001, "t", Err(Reason::PinRequired)),
            (Nature::CashWithdrawal, 1, "t", Err(Reason::PinRequired)),
            (Nature::CashWithdrawal, 1, "cp", Ok(())),
            (Nature::TransferOut, 1, "t", Err(Reason::PinRequired)),
            (Nature::Savings, 1, "tp", Ok(())),
            (Nature::BalanceInquiry, 0, "t", Err(Reason::PinRequired)),
            (Nature::BalanceInquiry, 0, "tp", Ok(())),
            (Nature::Deposit, 1, "", Ok(())),
            (Nature::TopUp, 1, "", Ok(())),
            (Nature::Repayment, 1, "", Ok(())),
        ];
        for (nature, minor, what, wanted) in table {
            let told = must_show(nature, Money::new(Currency::CNY, minor), shown(what), 1_000);
            assert_eq!(told, wanted, "{nature:?} of {minor} with {what:?}");
        }
    }
}
