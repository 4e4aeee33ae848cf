//! Changing how a person is told. An e-mail address counts when the code that was sent to it has come back.

use std::fmt;

use domain::notice::{ChannelKind, Field, MailAddress, MailConfirmation, NoticeKind, Variables};
use domain::{PersonId, Reason};
use server_kit::audit::Entry;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::rng::digits;
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use super::preferences::Preferences;
use super::sql::{self, MailProof, NewNotice};
use super::steps::{Done, Step, entry};
use super::{Notices, payload};

const CODE_DIGITS: usize = 6;
/// Keeps the hash of this code apart from those of other one-time codes.
const MAIL: &[u8] = b"mail address";

/// How a person is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub preferences: Preferences,
    /// An address that is not confirmed; it may have ended.
    pub awaited: Option<(MailAddress, MailConfirmation)>,
}

impl Standing {
    fn of(preferences: Preferences, proof: MailProof) -> Self {
        let MailProof { mail, confirmation, .. } = proof;
        Self { preferences, awaited: mail.map(|mail| (mail, confirmation)) }
    }
}

/// The keyed hash of a code, bound to the person and the address.
fn code_mac(keys: &dyn KeyStore, person: PersonId, mail: &MailAddress, code: &str) -> Result<[u8; 32], KeyError> {
    keys.mac(KeyName::OneTimeCode, &[MAIL, person.uuid().as_bytes(), mail.as_str().as_bytes(), code.as_bytes()])
}

/// Whether this is the code whose hash is stored; in constant time.
fn code_matches(
    keys: &dyn KeyStore,
    person: PersonId,
    mail: &MailAddress,
    code: &str,
    stored: Option<&[u8]>,
) -> Result<bool, KeyError> {
    let person = person.uuid();
    let parts: [&[u8]; 4] = [MAIL, person.as_bytes(), mail.as_str().as_bytes(), code.as_bytes()];
    keys.mac_matches(KeyName::OneTimeCode, &parts, stored.unwrap_or(&[0; 32]))
}

impl Notices {
    /// How the person is told, and which address waits.
    pub async fn standing(&self, person: PersonId) -> Result<Standing, StoreError> {
        let parts = &self.inner.parts;
        let proof = sql::read_proof(&parts.store, &*parts.keys, person).await?;
        Ok(Standing::of(self.preferences(person).await?, proof))
    }

    /// Puts preferences in the place of those before; an address that is another one than the confirmed one is sent a code, and the
    /// confirmed one stays meanwhile. What is queued already goes by the channels that were wanted then.
    pub async fn prefer(&self, person: PersonId, wanted: Preferences) -> Result<Result<Standing, Reason>, StoreError> {
        let parts = &self.inner.parts;
        let unmade = |error: &dyn fmt::Display| StoreError::Refused(format!("no code: {error}"));
        let code = digits(&*parts.rng, CODE_DIGITS).map_err(|error| unmade(&error))?;
        let notice_id = parts.ids.uuid().map_err(|error| unmade(&error))?;
        let step = Prefer { person, wanted, code: code.into(), notice_id };
        let stood = self.stand(Step::Prefer(Box::new(step))).await?;
        self.wake();
        Ok(stood)
    }

    /// Confirms the address that waits, if this is the code that was sent to it.
    pub async fn confirm_mail(&self, person: PersonId, code: &str) -> Result<Result<Standing, Reason>, StoreError> {
        if code.len() != CODE_DIGITS || !code.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Err(Reason::CodeMalformed));
        }
        self.stand(Step::Confirm(Confirm { person, code: code.into() })).await
    }

    async fn stand(&self, step: Step) -> Result<Result<Standing, Reason>, StoreError> {
        Ok(match self.write(step).await? {
            Ok(Done::Stands(standing)) => Ok(*standing),
            Ok(_) => Err(Reason::Fault),
            Err(reason) => Err(reason),
        })
    }

    /// Where the code goes that a notice says: to the address that waits for it, and for no other code.
    pub(super) async fn awaited_by(
        &self,
        person: PersonId,
        said: &Variables,
    ) -> Result<Option<MailAddress>, StoreError> {
        let parts = &self.inner.parts;
        let proof = sql::read_proof(&parts.store, &*parts.keys, person).await?;
        let (Some(mail), Some(code)) = (proof.mail, said.text(Field::Code)) else { return Ok(None) };
        let is_its = code_matches(&*parts.keys, person, &mail, code, proof.code_mac.as_deref())?;
        Ok(is_its.then_some(mail))
    }
}

/// What a person wants, with a code in case one has to be sent.
pub(super) struct Prefer {
    person: PersonId,
    wanted: Preferences,
    code: Box<str>,
    notice_id: Uuid,
}

impl fmt::Debug for Prefer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefer").field("person", &self.person).finish_non_exhaustive()
    }
}

impl Prefer {
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        log: &mut Vec<Entry>,
        keys: &dyn KeyStore,
        channels: &[ChannelKind],
    ) -> Result<Result<Done, Reason>, StoreError> {
        let before = sql::load_standing(tx, keys, self.person).await?;
        let mut proof = sql::load_proof(tx, keys, self.person).await?;
        let (now, wanted) = (tx.now(), self.wanted.mail.as_ref());
        // Nothing is refused after the first row is written.
        match wanted.filter(|wanted| before.mail.as_ref() != Some(wanted)) {
            // There is none, or it is confirmed: nothing waits any more.
            None => (proof.mail, proof.code_mac) = (None, None),
            Some(new) if proof.awaits(new, now) => {}
            Some(_) if !channels.contains(&ChannelKind::Mail) => return Ok(Err(Reason::ChannelAbsent)),
            Some(new) => {
                proof.sent = match proof.sent.one_more(now) {
                    Ok(sent) => sent,
                    Err(reason) => return Ok(Err(reason)),
                };
                proof.confirmation = MailConfirmation::begin(now);
                proof.code_mac = Some(code_mac(keys, self.person, new, &self.code)?.to_vec());
                proof.mail = Some(new.clone());
                self.send(tx, log, keys, proof.confirmation).await?;
            }
        }
        let mail = before.mail.clone().filter(|_| wanted.is_some());
        if before.mail.is_some() && mail.is_none() {
            log.push(entry("MAIL_ADDRESS_REMOVED", self.person, String::new()));
        }
        let preferences = Preferences { mail, ..self.wanted.clone() };
        sql::put_preferences(tx, keys, self.person, &preferences).await?;
        proof = sql::put_proof(tx, keys, self.person, proof).await?;
        log.push(entry("PREFERENCES_SET", self.person, said_of(&preferences)));
        Ok(Ok(Done::Stands(Box::new(Standing::of(preferences, proof)))))
    }

    /// Queues the code, in the transaction that makes the address wait for it.
    async fn send(
        &self,
        tx: &mut Tx,
        log: &mut Vec<Entry>,
        keys: &dyn KeyStore,
        confirmation: MailConfirmation,
    ) -> Result<(), StoreError> {
        let (now, until, kind) = (tx.now(), confirmation.expires_at, NoticeKind::Address);
        let said = Variables::new().with_text(Field::Code, &self.code).with_time(Field::Until, until);
        let new = NewNotice {
            notice_id: self.notice_id,
            key: format!("{}/address/{}", self.person.uuid().simple(), self.notice_id.simple()),
            person_id: self.person,
            kind,
            channel: ChannelKind::Mail,
            device_id: None,
            payload_sealed: payload::seal_variables(keys, self.notice_id, &said)?,
            occurred_at: now,
            due_at: now,
            expires_at: said.expires_at(kind),
        };
        log.push(entry("MAIL_CODE_QUEUED", self.person, format!("notice={}", self.notice_id)));
        sql::insert(tx, vec![new]).await
    }
}

/// A code that came back.
pub(super) struct Confirm {
    person: PersonId,
    code: Box<str>,
}

impl fmt::Debug for Confirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirm").field("person", &self.person).finish_non_exhaustive()
    }
}

impl Confirm {
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        log: &mut Vec<Entry>,
        keys: &dyn KeyStore,
    ) -> Result<Result<Done, Reason>, StoreError> {
        let preferences = sql::load_standing(tx, keys, self.person).await?;
        let mut proof = sql::load_proof(tx, keys, self.person).await?;
        let matches = |mail| code_matches(keys, self.person, mail, &self.code, proof.code_mac.as_deref());
        let Some(mail) = proof.mail.clone() else {
            // The code that confirmed the address gives the same answer again, for as long as it is good.
            let again = proof.confirmation.check_alive(tx.now()).is_ok()
                && preferences.mail.as_ref().map(matches).transpose()?.unwrap_or(false);
            let standing = Box::new(Standing::of(preferences, proof));
            return Ok(if again { Ok(Done::Stands(standing)) } else { Err(Reason::NoMailAddressAwaited) });
        };
        let is_right = matches(&mail)?;
        if let Err((left, reason)) = proof.confirmation.answer(is_right, tx.now()) {
            proof.confirmation = left;
            sql::put_proof(tx, keys, self.person, proof).await?;
            log.push(entry("MAIL_ADDRESS_REFUSED", self.person, format!("reason={}", reason.code())));
            return Ok(Err(reason));
        }
        log.push(entry("MAIL_ADDRESS_CONFIRMED", self.person, format!("mail={mail:?}")));
        proof.mail = None;
        let preferences = Preferences { mail: Some(mail), ..preferences };
        sql::put_preferences(tx, keys, self.person, &preferences).await?;
        proof = sql::put_proof(tx, keys, self.person, proof).await?;
        Ok(Ok(Done::Stands(Box::new(Standing::of(preferences, proof)))))
    }
}

/// What was chosen, as words of the log; no address.
fn said_of(preferences: &Preferences) -> String {
    let Preferences { language, zone, quiet, choices, mail, prices } = preferences;
    let quiet = quiet.map_or_else(|| "none".to_owned(), |quiet| format!("{}-{}", quiet.minutes().0, quiet.minutes().1));
    let choices = choices.to_string().replace(' ', ",");
    let (language, zone, mail, prices) = (language.name(), zone.name(), mail.is_some(), prices.name());
    format!("language={language} zone={zone} quiet={quiet} choices={choices} mail={mail} prices={prices}")
}
