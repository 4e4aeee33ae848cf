//! A sign-up gets its bank; and what the bank has opened is bound.

use domain::sign_up::{Joining, Number, SignUp, State, choose_bank, join};
use domain::{AccountId, BankId, PersonId, Reason, SignUpId};
use server_kit::audit::Entry;
use server_kit::keystore::KeyName;
use server_kit::rotation;
use server_kit::store::StoreError;

use super::ask::{found, who_of};
use super::number_sql::{self, StoredNumber};
use super::sealed::{Who, citizen_hashes, seal_citizen};
use super::sql::{self, Stored};
use super::steps::Work;
use crate::directory::join::{self as people, Opened};
use crate::directory::{phone_hashes, pinned_phone_hashes, seal_phone};

/// Chooses the bank and keeps the id of the account, or refuses.
pub(super) async fn choose(
    work: &mut Work<'_>,
    id: SignUpId,
    account_id: AccountId,
) -> Result<Result<SignUp, Reason>, StoreError> {
    let Some(mut stored) = sql::load(work.tx, id).await? else { return Ok(Err(Reason::SignUpUnknown)) };
    if stored.sign_up.state != State::Asked {
        return Ok(Ok(stored.sign_up));
    }
    let Some(mut carrier) = sql::load_carrier(work.tx, &stored.sign_up.carrier_id).await? else {
        return Ok(Err(Reason::CarrierUnknown));
    };
    let mut offered = Vec::with_capacity(carrier.banks.len());
    for bank in &carrier.banks {
        if sql::open_bank(work.tx, bank).await?.is_some() {
            offered.push(bank.clone());
        }
    }
    let hashes = phone_hashes(work.keys, &who_of(work, &stored)?.phone)?;
    let there = match number_sql::load(work.tx, &hashes).await? {
        Some(number) => people::account_banks(work.tx, number.person_id).await?,
        None => Vec::new(),
    };
    let turn = u64::try_from(carrier.turns).unwrap_or(0);
    let (bank, in_turn) = match choose_bank(stored.sign_up.asked_bank.as_ref(), &offered, &there, turn) {
        Ok(chosen) => chosen,
        Err(reason) => return work.refuse(stored, reason).await.map(Ok),
    };
    if in_turn {
        carrier.turns = carrier.turns.saturating_add(1);
        sql::put_carrier(work.tx, &carrier).await?;
    }
    if stored.sign_up.open(bank, account_id, work.now) {
        work.moved(&stored).await?;
    }
    Ok(Ok(stored.sign_up))
}

/// Binds person, number and account, all of them or none.
pub(super) async fn bind(
    work: &mut Work<'_>,
    id: SignUpId,
    masked: &str,
    new_person: PersonId,
) -> Result<Result<SignUp, Reason>, StoreError> {
    let Some(mut stored) = sql::load(work.tx, id).await? else { return Ok(Err(Reason::SignUpUnknown)) };
    let Some((bank, account)) = stored.sign_up.account.clone().filter(|_| stored.sign_up.state == State::Opening)
    else {
        return Ok(Ok(stored.sign_up));
    };
    let who = who_of(work, &stored)?;
    let hashes = pinned_phone_hashes(work.tx, work.keys, &who.phone).await?;
    rotation::pin(work.tx, work.keys, KeyName::CitizenIndex).await?;
    let (number, citizen) = found(work, &hashes, &who).await?;
    let joining = match join(&stored.sign_up.carrier_id, number.as_ref(), citizen) {
        Ok(joining) => joining,
        Err(reason) => return orphaned(work, stored, (&bank, account), reason).await.map(Ok),
    };
    let person_id = joined(work, (&stored, &who), hashes, joining, new_person).await?;
    // Somebody who pays already has shown to hold the number; anybody else comes to a terminal first, or enrols a phone (ADR 32).
    let active = people::is_active(work.tx, person_id).await?;
    let opened = Opened {
        person_id,
        bank_id: &bank,
        account_id: account,
        masked,
        // Another number alone moves nobody's money.
        make_default: !matches!(joining, Joining::NewNumber(_)),
        active,
    };
    let by = format!("carrier/{}", stored.sign_up.carrier_id);
    // Whatever a bank has opened under an id that the hub has made is nobody's yet.
    if let Err(reason) = people::bind(work.tx, &mut work.log, &by, &opened).await? {
        return Err(StoreError::Refused(format!("what was opened cannot be bound: {}", reason.code())));
    }
    work.changed.persons.push(person_id);
    work.changed.phones.push(hashes);
    if stored.sign_up.bind(person_id, masked.to_owned(), work.now) {
        work.moved(&stored).await?;
    }
    Ok(Ok(stored.sign_up))
}

/// Writes the person and the number, as far as they are new, and says whose it is.
async fn joined(
    work: &mut Work<'_>,
    (stored, who): (&Stored, &Who),
    [phone_hash, _]: [[u8; 32]; 2],
    joining: Joining,
    new_person: PersonId,
) -> Result<PersonId, StoreError> {
    let person_id = match joining {
        Joining::NewAccount(person_id) => return Ok(person_id),
        Joining::NewNumber(person_id) => person_id,
        Joining::NewPerson => {
            let [hash, _] = citizen_hashes(work.keys, &who.citizen)?;
            people::register(work.tx, work.keys, new_person, (&who.phone, who.name.line())).await?;
            let sealed = seal_citizen(work.keys, new_person, &who.citizen)?;
            sql::insert_citizen(work.tx, &hash, new_person, sealed, work.now).await?;
            new_person
        }
    };
    let has_other = number_sql::first_of(work.tx, person_id).await?.is_some();
    let number = StoredNumber {
        phone_hash: phone_hash.to_vec(),
        person_id,
        phone_sealed: seal_phone(work.keys, person_id, &who.phone)?,
        number: Number { carrier_id: stored.sign_up.carrier_id.clone(), epoch: 0 },
        signed_up_at: work.now,
        version: 0,
    };
    number_sql::put(work.tx, &number).await?;
    if matches!(joining, Joining::NewNumber(_)) && !has_other {
        // Whoever had given the last number back has one again, and the bank has just checked who it is.
        let first = (number.phone_hash, number.phone_sealed);
        people::put_first_number(work.tx, work.keys, person_id, Some(first)).await?;
        number_sql::close(work.tx, person_id, None).await?;
    }
    Ok(person_id)
}

/// Refuses a sign-up whose account the bank has opened: the number or the citizen has become somebody else's meanwhile. The account stays at
/// its bank, with nothing in it and bound to nobody; the log says so.
async fn orphaned(
    work: &mut Work<'_>,
    stored: Stored,
    (bank, account): (&BankId, AccountId),
    reason: Reason,
) -> Result<SignUp, StoreError> {
    let content = format!("bank={bank} account={account} is bound to nobody");
    work.log.push(Entry { kind: "sign_up.orphaned", subject: stored.sign_up.id.uuid(), content });
    work.refuse(stored, reason).await
}

/// Ends a sign-up that its bank refuses.
pub(super) async fn refuse(
    work: &mut Work<'_>,
    id: SignUpId,
    reason: Reason,
) -> Result<Result<SignUp, Reason>, StoreError> {
    let Some(stored) = sql::load(work.tx, id).await? else { return Ok(Err(Reason::SignUpUnknown)) };
    if !matches!(stored.sign_up.state, State::Asked | State::Opening) {
        return Ok(Ok(stored.sign_up));
    }
    work.refuse(stored, reason).await.map(Ok)
}
