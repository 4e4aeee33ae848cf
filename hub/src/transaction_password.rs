//! The transaction password outside of payments: what a phone has signed counts with it alone. A wrong one counts as one at a terminal, in
//! the transaction of what it was typed for.

use domain::payment::Policy;
use domain::{PersonId, Reason, TransactionPassword};
use server_kit::keystore::KeyStore;
use server_kit::store::{StoreError, Tx};

use crate::directory::password_matches;
use crate::freeze::{count_tries, load_guard};

/// Why what was typed is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotProved {
    /// `AttemptsExhausted` or `VerificationFailed`.
    pub(crate) reason: Reason,
    /// How many were wrong in a row, this one included; none when it was not looked at.
    pub(crate) wrong_tries: Option<u32>,
}

/// Compares it, and counts and stores the try.
pub(crate) async fn prove(
    tx: &mut Tx,
    (keys, policy): (&dyn KeyStore, &Policy),
    person_id: PersonId,
    password: &TransactionPassword,
) -> Result<Result<(), NotProved>, StoreError> {
    let now = tx.now();
    let Some((mut guard, stored)) = load_guard(tx, person_id).await? else {
        return Ok(Err(NotProved { reason: Reason::VerificationFailed, wrong_tries: None }));
    };
    if guard.is_blocked(now) {
        return Ok(Err(NotProved { reason: Reason::AttemptsExhausted, wrong_tries: None }));
    }
    let right = password_matches(keys, &person_id, password.reveal(), &stored)
        .map_err(|error| StoreError::Refused(format!("a password cannot be compared: {error}")))?;
    let before = guard.clone();
    if right {
        guard.succeeded();
    } else {
        guard.failed(now, policy);
    }
    if guard != before {
        count_tries(tx, &guard).await?;
    }
    let wrong_tries = Some(guard.failures);
    Ok(if right { Ok(()) } else { Err(NotProved { reason: Reason::VerificationFailed, wrong_tries }) })
}
