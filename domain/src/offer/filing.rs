//! An offer as a bank files it, and what becomes of it.

use super::Rule;
use crate::text::Line;
use crate::{BankId, OfferId, Reason, Timestamp};

/// The most deliveries of one offer.
const MOST_BUDGET: u32 = 10_000_000;

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    /// For people who read English.
    pub english: Line,
    /// For people who read Chinese (zh-CN).
    pub chinese: Line,
}

impl Wording {
    /// Reads both. `Err(TextMalformed)` when one is empty, too long or plays tricks, as [`Line::parse`] has it.
    pub fn parse(english: &str, chinese: &str) -> Result<Self, Reason> {
        Ok(Self { english: Line::parse(english)?, chinese: Line::parse(chinese)? })
    }
}

/// What a bank files. It does not change afterwards: who wants another text or rule files another offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filing {
    /// Made by the bank: the same one filed twice is one offer.
    pub id: OfferId,
    /// Whose offer it is.
    pub bank_id: BankId,
    /// What it is called.
    pub title: Wording,
    /// What it says.
    pub text: Wording,
    /// Whom it is for.
    pub rule: Rule,
    /// From when on it is delivered.
    pub valid_from: Timestamp,
    /// From when on it is neither delivered nor accepted any more.
    pub valid_until: Timestamp,
    /// To how many people at most it is delivered, to each once: 1 to 10,000,000.
    pub budget: u32,
}

impl Filing {
    fn check(&self, now: Timestamp) -> Result<(), Reason> {
        self.rule.check()?;
        if self.valid_until <= self.valid_from || self.valid_until <= now {
            return Err(Reason::OfferTimesMalformed);
        }
        if !(1..=MOST_BUDGET).contains(&self.budget) {
            return Err(Reason::OfferBudgetMalformed);
        }
        Ok(())
    }
}

/// Where an offer is in its life: `FILED → RUNNING → USED_UP`, and `WITHDRAWN` from any of them. Whether it has begun or is
/// over is not a state but a question of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for somebody at the hub to look at it.
    Filed,
    /// It is delivered to whom it is for.
    Running,
    /// The bank took it back: nobody gets or accepts it any more.
    Withdrawn,
    /// Its budget is spent: nobody gets it any more, and who has it may accept it.
    UsedUp,
}

impl State {
    const ALL: [Self; 4] = [Self::Filed, Self::Running, Self::Withdrawn, Self::UsedUp];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filed => "FILED",
            Self::Running => "RUNNING",
            Self::Withdrawn => "WITHDRAWN",
            Self::UsedUp => "USED_UP",
        }
    }

    /// Reads the word that is stored. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// An offer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What the bank filed.
    pub filing: Filing,
    /// Where it is in its life.
    pub state: State,
    /// To how many people it was delivered.
    pub delivered: u32,
}

impl Offer {
    /// Takes an offer in. `known` is what is kept under its id: the same filing again gives that, another one is refused.
    /// `Err` with `IdTaken`, `OfferTimesMalformed`, `OfferBudgetMalformed` or what [`Rule::check`] says.
    pub fn file(filing: Filing, known: Option<&Self>, now: Timestamp) -> Result<Self, Reason> {
        match known {
            Some(known) if known.filing == filing => return Ok(known.clone()),
            Some(_) => return Err(Reason::IdTaken),
            None => filing.check(now)?,
        }
        Ok(Self { filing, state: State::Filed, delivered: 0 })
    }

    /// Lets it run. Running it already, it stays so. `Err(OfferNotOpen)` when it is withdrawn, used up or over.
    pub fn start(self, now: Timestamp) -> Result<Self, Reason> {
        match self.state {
            State::Running => Ok(self),
            State::Filed if !self.is_over(now) => Ok(Self { state: State::Running, ..self }),
            State::Filed | State::Withdrawn | State::UsedUp => Err(Reason::OfferNotOpen),
        }
    }

    /// Takes it back, whatever its state.
    #[must_use]
    pub fn withdraw(self) -> Self {
        Self { state: State::Withdrawn, ..self }
    }

    /// Whether its time has passed.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.filing.valid_until
    }
}
