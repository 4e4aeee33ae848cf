//! Which bank a sign-up goes to.

use crate::{BankId, Reason};

/// The bank of a sign-up: the one that was chosen, or the next of the carrier's in turn at which the number has no account yet. `turn` is how many
/// sign-ups were given out in turn before. Gives whether a turn was used, too. `Err` with `BankNotOffered` or `AlreadySignedUp`.
///
/// `offered` are the banks of the carrier that take part now, in its order; `there` those at which the number pays from an account
/// already.
pub fn choose_bank(
    asked: Option<&BankId>,
    offered: &[BankId],
    there: &[BankId],
    turn: u64,
) -> Result<(BankId, bool), Reason> {
    if let Some(asked) = asked {
        if !offered.contains(asked) {
            return Err(Reason::BankNotOffered);
        }
        return if there.contains(asked) { Err(Reason::AlreadySignedUp) } else { Ok((asked.clone(), false)) };
    }
    let count = u64::try_from(offered.len()).unwrap_or(u64::MAX);
    let first = usize::try_from(turn.checked_rem(count).ok_or(Reason::BankNotOffered)?).unwrap_or(0);
    let in_turn = offered.iter().cycle().skip(first).take(offered.len());
    let next = in_turn.into_iter().find(|bank| !there.contains(bank));
    next.map(|bank| (bank.clone(), true)).ok_or(Reason::AlreadySignedUp)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    #[test]
    fn m1_the_bank_is_the_chosen_one_or_the_next_in_turn() {
        let bank = |id: &str| BankId::parse(id).unwrap();
        let (a, b, c) = (bank("bank-a"), bank("bank-b"), bank("bank-c"));
        let offered = [a.clone(), b.clone(), c.clone()];
        for (asked, offered, there, turn, wanted) in [
            (Some(&b), &offered[..], &[][..], 7, Ok((&b, false))),
            (Some(&b), &offered[..1], &[], 0, Err(Reason::BankNotOffered)),
            (Some(&b), &offered[..], from_ref(&b), 0, Err(Reason::AlreadySignedUp)),
            (Some(&a), &offered[..], from_ref(&b), 0, Ok((&a, false))),
            (None, &offered[..], &[], 0, Ok((&a, true))),
            (None, &offered[..], &[], 4, Ok((&b, true))),
            (None, &offered[..], from_ref(&b), 4, Ok((&c, true))),
            (None, &offered[..], from_ref(&c), 2, Ok((&a, true))),
            (None, &offered[..], &offered[..], 2, Err(Reason::AlreadySignedUp)),
            (None, &[], &[], 2, Err(Reason::BankNotOffered)),
        ] {
            let chosen = choose_bank(asked, offered, there, turn);
            assert_eq!(chosen, wanted.map(|(bank, used)| (bank.clone(), used)), "{asked:?} {there:?} {turn}");
        }
    }
}
