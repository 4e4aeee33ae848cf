//! Orders of people who are known by their safety code: callers, and whoever sits at somebody else's PC (F2, F3).

use domain::freeze::{Channel, Seen};
use domain::payment::FrozenInstrument;
use domain::safety_code::SafetyCode;
use domain::{OrderId, PersonId, Reason};

use super::Freezes;
use super::order::{Order, Proof};
use super::sql::Bound;
use crate::safety_code::{Claim, NOBODY};
use crate::voice::{AtBank, InstrumentStanding};

/// Who wants something without a phone that is bound.
#[derive(Clone, Debug)]
pub(crate) struct AtDistance {
    /// None for a number that is not known, of which nobody is to learn.
    pub(crate) person_id: Option<PersonId>,
    pub(crate) channel: Channel,
    /// For the log: `call/` or `web/`, and the number masked.
    pub(crate) by: String,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Made by the channel: the same one again changes nothing.
    pub(crate) order_id: OrderId,
    pub(crate) frozen: bool,
    /// Empty for everything that the person has bound, or has ever frozen.
    pub(crate) instruments: Vec<FrozenInstrument>,
}

impl Freezes {
    /// Does it if the code is right, which is decided in the same transaction; gives how it stands bank by bank after two seconds at
    /// most. `Err` with `SafetyCodeRefused`, `IdTaken`, `AccountUnknown`, `CardUnknown`, or the machinery's.
    pub(crate) async fn by_code(&self, who: AtDistance, code: SafetyCode, wish: Wish) -> Result<Vec<AtBank>, Reason> {
        let AtDistance { person_id, channel, by } = who;
        let person_id = person_id.unwrap_or(NOBODY);
        let claim = Claim { person_id, code, by: by.clone() };
        let Wish { order_id, frozen, instruments } = wish;
        let order = Order { order_id, person_id, frozen, channel, instruments, proof: Proof::SafetyCode(claim), by };
        let bound = self.order(order).await;
        bound.map(at_banks).map_err(|status| proto::reason_of(&status).unwrap_or(Reason::Fault))
    }
}

/// The same bank by bank, in the order in which they come.
fn at_banks(bound: Vec<Bound>) -> Vec<AtBank> {
    let mut all: Vec<AtBank> = Vec::new();
    for bound in bound {
        let seen = bound.kept.as_ref().map_or(Seen::Free, |kept| kept.freezing.seen());
        let standing = InstrumentStanding { masked: bound.masked, seen };
        match all.iter_mut().find(|at| at.bank_id == bound.name.bank_id) {
            Some(at) => at.instruments.push(standing),
            None => all.push(AtBank {
                bank_id: bound.name.bank_id,
                bank_name: bound.bank_name,
                instruments: vec![standing],
            }),
        }
    }
    all
}
