//! A card's life: `ISSUED → ACTIVE → LOST | REPLACED | CLOSED`, and beside it frozen, locked and expired.
//!
//! All of it sits on the card and none of it on its accounts, so that activation, a loss report and a freeze hold for both
//! sides at once (C9). A transition consumes the card and gives the one that is to be stored; so already is fine.

use jiff::civil::Date;

use super::{CvvTries, Expiry, PinCheck, PinTries};
use crate::ledger::{Flow, Nature};
use crate::{AccountId, CardId, Reason};

/// Where a card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardState {
    /// Made but not activated: money can come in, none can go out.
    Issued,
    Active,
    /// Reported lost or stolen. It is never active again.
    Lost,
    /// Another card has taken over its accounts.
    Replaced,
    Closed,
}

impl CardState {
    const ALL: [Self; 5] = [Self::Issued, Self::Active, Self::Lost, Self::Replaced, Self::Closed];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "ISSUED",
            Self::Active => "ACTIVE",
            Self::Lost => "LOST",
            Self::Replaced => "REPLACED",
            Self::Closed => "CLOSED",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// Why nothing can be done with the card any more.
    const fn end(self) -> Option<Reason> {
        match self {
            Self::Issued | Self::Active | Self::Lost => None,
            Self::Replaced => Some(Reason::CardReplaced),
            Self::Closed => Some(Reason::CardClosed),
        }
    }
}

/// Which accounts a card leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    Debit(AccountId),
    Credit(AccountId),
    Both { debit: AccountId, credit: AccountId },
}

impl Sides {
    pub const fn debit(self) -> Option<AccountId> {
        match self {
            Self::Debit(debit) | Self::Both { debit, .. } => Some(debit),
            Self::Credit(_) => None,
        }
    }

    pub const fn credit(self) -> Option<AccountId> {
        match self {
            Self::Credit(credit) | Self::Both { credit, .. } => Some(credit),
            Self::Debit(_) => None,
        }
    }

    /// The debit account first.
    pub fn accounts(self) -> impl Iterator<Item = AccountId> {
        self.debit().into_iter().chain(self.credit())
    }
}

/// What of a card decides whether it may be used, on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub state: CardState,
    pub expired: bool,
    /// After too many wrong PINs.
    pub locked: bool,
    pub frozen: bool,
}

impl Standing {
    /// Whether the card may be used for this. The first rule that forbids it is the reason.
    ///
    /// Refunds and completions follow the transaction that they belong to, whatever became of the card since.
    pub const fn allows(self, nature: Nature) -> Result<(), Reason> {
        let flow = nature.flow();
        if matches!(flow, Flow::Follows) {
            return Ok(());
        }
        if let Some(reason) = self.state.end() {
            return Err(reason);
        }
        if matches!(flow, Flow::In) {
            return Ok(());
        }
        if matches!(self.state, CardState::Issued) {
            return Err(Reason::CardInactive);
        }
        if matches!(self.state, CardState::Lost) {
            return Err(Reason::CardLost);
        }
        if self.expired {
            return Err(Reason::CardExpired);
        }
        if self.locked {
            return Err(Reason::CardLocked);
        }
        if self.frozen && matches!(flow, Flow::Out) {
            return Err(Reason::CardFrozen);
        }
        Ok(())
    }
}

/// A card as its bank knows it. Its number and its verification values are kept elsewhere, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub id: CardId,
    pub state: CardState,
    /// By its bank.
    pub frozen: bool,
    /// By its holder.
    pub frozen_by_holder: bool,
    pub tries: PinTries,
    pub cvv_tries: CvvTries,
    pub expiry: Expiry,
    pub sides: Sides,
    /// The number as a receipt may show it: see [`Pan::masked`](super::Pan::masked).
    pub masked: String,
    /// The card that took over; set when it was replaced.
    pub replaced_by: Option<CardId>,
    /// The version of the stored row; 0 when it is not stored yet.
    pub version: i64,
}

impl Card {
    /// A new card, which its holder has yet to activate.
    pub fn issue(id: CardId, expiry: Expiry, sides: Sides, masked: String) -> Self {
        let (state, tries, cvv_tries) = (CardState::Issued, PinTries::default(), CvvTries::default());
        Self {
            id,
            state,
            frozen: false,
            frozen_by_holder: false,
            tries,
            cvv_tries,
            expiry,
            sides,
            masked,
            replaced_by: None,
            version: 0,
        }
    }

    /// What decides over its use on a day of the bank's time zone.
    pub fn standing(&self, on: Date) -> Standing {
        let (state, frozen) = (self.state, self.is_frozen());
        Standing { state, expired: self.expiry.is_past(on), locked: self.tries.is_locked(), frozen }
    }

    /// Its holder has it in hand: wrong verification values are forgotten. `Err` with `CardLost`, `CardReplaced`, `CardClosed` or `CardExpired`.
    pub fn activate(self, on: Date) -> Result<Self, Reason> {
        self.must_not_have_ended()?;
        if self.state == CardState::Lost {
            return Err(Reason::CardLost);
        }
        if self.expiry.is_past(on) {
            return Err(Reason::CardExpired);
        }
        Ok(Self { state: CardState::Active, cvv_tries: CvvTries::default(), ..self })
    }

    /// Lost or stolen, activated or not. `Err` with `CardReplaced` or `CardClosed`.
    pub fn report_lost(self) -> Result<Self, Reason> {
        self.must_not_have_ended()?;
        Ok(Self { state: CardState::Lost, ..self })
    }

    /// Another card takes over, because this one is lost, worn or about to expire. `Err` with `CardReplaced` (by yet another
    /// one) or `CardClosed`.
    pub fn replace(self, by: CardId) -> Result<Self, Reason> {
        if self.replaced_by == Some(by) {
            return Ok(self);
        }
        self.must_not_have_ended()?;
        Ok(Self { state: CardState::Replaced, replaced_by: Some(by), ..self })
    }

    /// The card that takes over: of the same accounts, and frozen by the bank if this one is frozen by anybody, since its holder's orders
    /// are about this one. Its holder sets a PIN and activates it.
    #[must_use]
    pub fn successor(&self, id: CardId, expiry: Expiry, masked: String) -> Self {
        Self { frozen: self.is_frozen(), ..Self::issue(id, expiry, self.sides, masked) }
    }

    /// No longer wanted. `Err` with `CardReplaced`, or `CardFrozen`: a freeze would outlive the card that could lift it. What is
    /// owed or kept is for the accounts to say.
    pub fn close(self) -> Result<Self, Reason> {
        if self.state == CardState::Replaced {
            return Err(Reason::CardReplaced);
        }
        if self.is_frozen() {
            return Err(Reason::CardFrozen);
        }
        Ok(Self { state: CardState::Closed, ..self })
    }

    /// Whether money is stopped from going out, by the bank or by its holder.
    pub const fn is_frozen(&self) -> bool {
        self.frozen || self.frozen_by_holder
    }

    /// By its holder, whatever its bank has done. `Err` with `CardReplaced` or `CardClosed`.
    pub fn set_frozen_by_holder(self, frozen_by_holder: bool) -> Result<Self, Reason> {
        self.must_not_have_ended()?;
        Ok(Self { frozen_by_holder, ..self })
    }

    /// By the bank: money can come in, none can go out (F4); or as before, and wrong verification values are forgotten. What its holder
    /// has frozen stays so. `Err` with `CardReplaced` or `CardClosed`.
    pub fn set_frozen(self, frozen: bool) -> Result<Self, Reason> {
        self.must_not_have_ended()?;
        let cvv_tries = if frozen { self.cvv_tries } else { CvvTries::default() };
        Ok(Self { frozen, cvv_tries, ..self })
    }

    /// What a check of the PIN leaves: store the card before anything is answered. The result is what the caller is told, in
    /// which a wrong PIN is not told from a wrong verification value.
    pub fn pin_checked(self, check: PinCheck) -> (Self, Result<(), Reason>) {
        if self.tries.is_locked() {
            return (self, Err(Reason::CardLocked));
        }
        let told = match check {
            PinCheck::Right => Ok(()),
            PinCheck::Wrong => Err(Reason::CardNotVerified),
            PinCheck::NotChecked => Err(Reason::HsmAway),
        };
        (Self { tries: self.tries.after(check), ..self }, told)
    }

    /// A new PIN was set in both systems, after the holder was identified: wrong tries are forgotten. `Err` with `CardLost`,
    /// `CardReplaced` or `CardClosed`.
    pub fn pin_set(self) -> Result<Self, Reason> {
        self.must_not_have_ended()?;
        if self.state == CardState::Lost {
            return Err(Reason::CardLost);
        }
        Ok(Self { tries: PinTries::default(), ..self })
    }

    /// Whether nothing can be paid with it ever again, so that another card may lead to its accounts.
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, CardState::Lost | CardState::Replaced | CardState::Closed)
    }

    fn must_not_have_ended(&self) -> Result<(), Reason> {
        self.state.end().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;

    const ON: Date = date(2026, 11, 10);

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0000 | n)
    }

    fn card(state: CardState) -> Card {
        let sides = Sides::Both { debit: AccountId::from_uuid(id(1)), credit: AccountId::from_uuid(id(2)) };
        let expiry = Expiry::parse_yymm("2711").unwrap();
        let card = Card::issue(CardId::from_uuid(id(9)), expiry, sides, "622848******0015".into());
        let replaced_by = (state == CardState::Replaced).then(|| CardId::from_uuid(id(8)));
        Card { state, replaced_by, ..card }
    }

    #[test]
    fn c9_a_card_lives_by_this_table() {
        use CardState::{Active, Closed, Issued, Lost, Replaced};
        use Reason::{CardClosed, CardLost, CardReplaced};
        type Row = (CardState, [Result<CardState, Reason>; 4]);
        // From, and what becomes of it when it is activated, reported lost, replaced, closed.
        let table: [Row; 5] = [
            (Issued, [Ok(Active), Ok(Lost), Ok(Replaced), Ok(Closed)]),
            (Active, [Ok(Active), Ok(Lost), Ok(Replaced), Ok(Closed)]),
            (Lost, [Err(CardLost), Ok(Lost), Ok(Replaced), Ok(Closed)]),
            (Replaced, [Err(CardReplaced), Err(CardReplaced), Err(CardReplaced), Err(CardReplaced)]),
            (Closed, [Err(CardClosed), Err(CardClosed), Err(CardClosed), Ok(Closed)]),
        ];
        for (from, wanted) in table {
            let got = [
                card(from).activate(ON),
                card(from).report_lost(),
                card(from).replace(CardId::from_uuid(id(7))),
                card(from).close(),
            ];
            assert_eq!(got.map(|card| card.map(|card| card.state)), wanted, "{from:?}");
            assert_eq!(CardState::parse(from.as_str()), Ok(from));
        }
        let again = card(Replaced).replace(CardId::from_uuid(id(8)));
        assert_eq!(again.map(|card| card.state), Ok(Replaced), "by the same card again");
        assert_eq!(card(Issued).activate(date(2027, 12, 1)), Err(Reason::CardExpired));
    }

    #[test]
    fn c9_f4_what_a_card_may_be_used_for_by_where_it_stands() {
        use Reason::{CardClosed, CardExpired, CardFrozen, CardInactive, CardLocked, CardLost, CardReplaced};
        let active = card(CardState::Active).standing(ON);
        let at = |state| Standing { state, ..active };
        type Told = Result<(), Reason>;
        // Money out, money in, a balance inquiry, a refund or completion.
        let table: [(&str, Standing, [Told; 4]); 9] = [
            ("active", active, [Ok(()), Ok(()), Ok(()), Ok(())]),
            ("frozen", Standing { frozen: true, ..active }, [Err(CardFrozen), Ok(()), Ok(()), Ok(())]),
            ("locked", Standing { locked: true, ..active }, [Err(CardLocked), Ok(()), Err(CardLocked), Ok(())]),
            ("expired", Standing { expired: true, ..active }, [Err(CardExpired), Ok(()), Err(CardExpired), Ok(())]),
            ("issued", at(CardState::Issued), [Err(CardInactive), Ok(()), Err(CardInactive), Ok(())]),
            ("lost", at(CardState::Lost), [Err(CardLost), Ok(()), Err(CardLost), Ok(())]),
            ("replaced", at(CardState::Replaced), [Err(CardReplaced), Err(CardReplaced), Err(CardReplaced), Ok(())]),
            ("closed", at(CardState::Closed), [Err(CardClosed), Err(CardClosed), Err(CardClosed), Ok(())]),
            (
                "lost, expired, locked and frozen",
                Standing { state: CardState::Lost, expired: true, locked: true, frozen: true },
                [Err(CardLost), Ok(()), Err(CardLost), Ok(())],
            ),
        ];
        for (name, standing, [out, into, look, follows]) in table {
            for nature in Nature::ALL {
                let wanted = match nature.flow() {
                    Flow::Out => out,
                    Flow::In => into,
                    Flow::Look => look,
                    Flow::Follows => follows,
                };
                assert_eq!(standing.allows(nature), wanted, "{name}: {nature:?}");
            }
        }
    }

    #[test]
    fn c9_a_freeze_is_one_mark_on_the_card_and_outlives_a_replacement() {
        let frozen = card(CardState::Active).set_frozen(true).unwrap();
        let next = frozen.successor(CardId::from_uuid(id(7)), Expiry::parse_yymm("3111").unwrap(), String::new());
        assert!(next.frozen && next.state == CardState::Issued && next.sides == frozen.sides);
        assert!(!frozen.set_frozen(false).unwrap().frozen);
        for (state, reason) in [(CardState::Closed, Reason::CardClosed), (CardState::Replaced, Reason::CardReplaced)] {
            assert_eq!(card(state).set_frozen(true), Err(reason));
        }
        assert!(card(CardState::Lost).set_frozen(true).is_ok());
        let cvv_tries = CvvTries::from_stored(5, Some(crate::Timestamp::from_micros(1)));
        let blocked = Card { cvv_tries, ..card(CardState::Active) };
        let forgets = |card: Result<Card, Reason>| card.unwrap().cvv_tries == CvvTries::default();
        assert!(!forgets(blocked.clone().set_frozen(true)) && !forgets(blocked.clone().report_lost()));
        assert!(forgets(blocked.clone().set_frozen(false)) && forgets(blocked.activate(ON)));
    }

    #[test]
    fn c1_a_wrong_pin_is_counted_and_told_as_anything_that_could_not_be_verified() {
        let mut card = card(CardState::Active);
        let table = [
            (PinCheck::Wrong, Err(Reason::CardNotVerified)),
            (PinCheck::NotChecked, Err(Reason::HsmAway)),
            (PinCheck::Wrong, Err(Reason::CardNotVerified)),
            (PinCheck::Wrong, Err(Reason::CardNotVerified)),
            (PinCheck::Right, Err(Reason::CardLocked)),
        ];
        for (check, wanted) in table {
            let (next, told) = card.pin_checked(check);
            assert_eq!(told, wanted);
            card = next;
        }
        assert!(card.standing(ON).locked);
        assert!(!card.pin_set().unwrap().standing(ON).locked);
    }
}
