//! The tables of notices and what their rows mean.

mod outbox;
mod proof;

use domain::notice::{ChannelKind, Choices, Language, NoticeKind, PriceNews, QuietHours};
use domain::{DeviceId, PersonId, PhoneNumber};
use server_kit::keystore::KeyStore;
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

use super::preferences::Preferences;
use super::{PushTarget, Vendor, payload};
use crate::directory::open_phone;
use crate::zone::Zone;

pub(super) use outbox::{
    Lease, Leased, NewNotice, Verdict, count_waiting, delete_done, insert, known_keys, lease, mark, mark_receipt,
    read_dead, requeue, wipe_ended,
};
pub(super) use proof::{MailProof, load_proof, put_proof, read_proof};

const PREFERENCES: Table = Table {
    name: "preferences",
    key: &["person_id"],
    columns: &[
        "person_id",
        "version",
        "language",
        "time_zone",
        "quiet_from",
        "quiet_until",
        "choices",
        "mail_sealed",
        "prices",
    ],
};

const TEMPLATES: Table = Table {
    name: "templates",
    key: &["person_id", "kind", "language", "channel"],
    columns: &["person_id", "kind", "language", "channel", "version", "text_sealed"],
};

const PUSH_TARGETS: Table = Table {
    name: "push_targets",
    key: &["device_id"],
    columns: &["device_id", "version", "person_id", "vendor", "token_sealed"],
};

fn preferences_of(row: &Row, keys: &dyn KeyStore) -> Result<(PersonId, i64, Preferences), StoreError> {
    let person = PersonId::from_uuid(row.id(0)?);
    let quiet = match (row.maybe_int(4)?, row.maybe_int(5)?) {
        (Some(from), Some(until)) => QuietHours::from_minutes(from, until).ok(),
        _ => None,
    };
    let mail = row.maybe_bytes(7)?.map(|sealed| payload::open_mail(keys, person, &sealed)).transpose()?;
    let preferences = Preferences {
        language: row.parsed(2, Language::parse)?,
        // A name that the database of time zones has lost, or a kind of notice that there was once, must not keep a person from
        // being told.
        zone: Zone::parse(&row.text(3)?).unwrap_or_else(|_| Zone::shanghai()),
        quiet,
        choices: Choices::parse(&row.text(6)?).unwrap_or_default(),
        mail,
        prices: PriceNews::parse(&row.text(8)?).unwrap_or_default(),
    };
    Ok((person, row.int(1)?, preferences))
}

pub(super) async fn read_preferences(
    store: &Store,
    keys: &dyn KeyStore,
    person: PersonId,
) -> Result<Option<Preferences>, StoreError> {
    let sql = "SELECT person_id, version, language, time_zone, quiet_from, quiet_until, choices, mail_sealed, prices \
               FROM preferences WHERE person_id = $1";
    let row = store.fetch_one(sql, vec![person.uuid().into()]).await?;
    Ok(row.map(|row| preferences_of(&row, keys)).transpose()?.map(|(_, _, preferences)| preferences))
}

/// What the person has said, or the defaults; locked.
pub(super) async fn load_standing(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    person: PersonId,
) -> Result<Preferences, StoreError> {
    let known = load_preferences(tx, keys, vec![person.uuid()], true).await?;
    Ok(known.into_iter().next().map(|(_, _, preferences)| preferences).unwrap_or_default())
}

/// The preferences of those who have said something, and their versions.
pub(super) async fn load_preferences(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    persons: Vec<Uuid>,
    lock: bool,
) -> Result<Vec<(PersonId, i64, Preferences)>, StoreError> {
    let select = "SELECT person_id, version, language, time_zone, quiet_from, quiet_until, choices, mail_sealed, prices \
                  FROM preferences WHERE person_id";
    let rows = tx.load(Load { select, tail: " ORDER BY person_id", lock }, Keys::Ids(persons)).await?;
    rows.iter().map(|row| preferences_of(row, keys)).collect()
}

pub(super) async fn put_preferences(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    person: PersonId,
    preferences: &Preferences,
) -> Result<(), StoreError> {
    let known = load_preferences(tx, keys, vec![person.uuid()], true).await?;
    let version = known.first().map_or(0, |(_, version, _)| *version);
    let quiet = preferences.quiet.map(QuietHours::minutes);
    let mail = preferences.mail.as_ref().map(|mail| payload::seal_mail(keys, person, mail)).transpose()?;
    let row = vec![
        person.uuid().into(),
        (version + 1).into(),
        preferences.language.name().into(),
        preferences.zone.name().into(),
        quiet.map(|(from, _)| from).into(),
        quiet.map(|(_, until)| until).into(),
        preferences.choices.to_string().into(),
        mail.into(),
        preferences.prices.name().into(),
    ];
    tx.put(&PREFERENCES, vec![row]).await
}

/// Which template: a person's, for a kind in a language by a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TemplatePlace {
    pub(super) person: PersonId,
    pub(super) kind: NoticeKind,
    pub(super) language: Language,
    pub(super) channel: ChannelKind,
}

impl TemplatePlace {
    fn name(&self) -> String {
        format!("{}/{}/{}/{}", self.person.uuid(), self.kind.name(), self.language.name(), self.channel.name())
    }
}

const TEMPLATE: &str = "SELECT version, text_sealed FROM templates \
                        WHERE person_id = $1 AND kind = $2 AND language = $3 AND channel = $4";

fn template_key(place: &TemplatePlace) -> Vec<server_kit::store::Value> {
    let TemplatePlace { person, kind, language, channel } = place;
    vec![person.uuid().into(), kind.name().into(), language.name().into(), channel.name().into()]
}

pub(super) async fn read_template(
    store: &Store,
    keys: &dyn KeyStore,
    place: &TemplatePlace,
) -> Result<Option<String>, StoreError> {
    let row = store.fetch_one(TEMPLATE, template_key(place)).await?;
    row.map(|row| payload::open_template(keys, &place.name(), &row.bytes(1)?)).transpose()
}

/// A person's own templates, by kind, language and channel.
pub(super) async fn read_templates(
    store: &Store,
    keys: &dyn KeyStore,
    person: PersonId,
) -> Result<Vec<(TemplatePlace, String)>, StoreError> {
    let sql = "SELECT kind, language, channel, text_sealed FROM templates WHERE person_id = $1";
    let rows = store.fetch(sql, vec![person.uuid().into()]).await?;
    let template_of = |row: &Row| {
        let place = TemplatePlace {
            person,
            kind: row.parsed(0, NoticeKind::parse)?,
            language: row.parsed(1, Language::parse)?,
            channel: row.parsed(2, ChannelKind::parse)?,
        };
        Ok((place, payload::open_template(keys, &place.name(), &row.bytes(3)?)?))
    };
    rows.iter().map(template_of).collect()
}

/// Puts a text in the place of the one before, or nothing.
pub(super) async fn put_template(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    place: &TemplatePlace,
    text: Option<&str>,
) -> Result<(), StoreError> {
    let Some(text) = text else {
        let sql = "DELETE FROM templates WHERE person_id = $1 AND kind = $2 AND language = $3 AND channel = $4";
        tx.execute(sql, template_key(place)).await?;
        return Ok(());
    };
    let version = tx.fetch(TEMPLATE, template_key(place)).await?.first().map_or(Ok(0), |row| row.int(0))?;
    let mut row = template_key(place);
    row.extend([(version + 1).into(), payload::seal_template(keys, &place.name(), text)?.into()]);
    tx.put(&TEMPLATES, vec![row]).await
}

/// The phones of these persons that push reaches.
pub(super) async fn load_targets(tx: &mut Tx, persons: Vec<Uuid>) -> Result<Vec<(PersonId, DeviceId)>, StoreError> {
    let select = "SELECT person_id, device_id FROM push_targets WHERE person_id";
    let rows = tx.load(Load { select, tail: " ORDER BY device_id", lock: false }, Keys::Ids(persons)).await?;
    rows.iter().map(|row| Ok((PersonId::from_uuid(row.id(0)?), DeviceId::from_uuid(row.id(1)?)))).collect()
}

pub(super) async fn put_target(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    person: PersonId,
    device: DeviceId,
    target: &PushTarget,
) -> Result<(), StoreError> {
    let sql = "SELECT version FROM push_targets WHERE device_id = $1";
    let version = tx.fetch(sql, vec![device.uuid().into()]).await?.first().map_or(Ok(0), |row| row.int(0))?;
    let row = vec![
        device.uuid().into(),
        (version + 1).into(),
        person.uuid().into(),
        target.vendor.name().into(),
        payload::seal_token(keys, device.uuid(), &target.token)?.into(),
    ];
    tx.put(&PUSH_TARGETS, vec![row]).await
}

pub(super) async fn delete_target(tx: &mut Tx, device: Uuid) -> Result<(), StoreError> {
    tx.execute("DELETE FROM push_targets WHERE device_id = $1", vec![device.into()]).await?;
    Ok(())
}

/// Where push reaches the phone, if it is this person's.
pub(super) async fn read_target(
    store: &Store,
    keys: &dyn KeyStore,
    person: PersonId,
    device: Uuid,
) -> Result<Option<PushTarget>, StoreError> {
    let sql = "SELECT vendor, token_sealed FROM push_targets WHERE device_id = $1 AND person_id = $2";
    let Some(row) = store.fetch_one(sql, vec![device.into(), person.uuid().into()]).await? else { return Ok(None) };
    let token = payload::open_token(keys, device, &row.bytes(1)?)?;
    Ok(Some(PushTarget { vendor: row.parsed(0, Vendor::parse)?, token }))
}

/// Where SMS reaches somebody; nowhere while who has the number is to be proved.
pub(super) async fn read_phone(
    store: &Store,
    keys: &dyn KeyStore,
    person: PersonId,
) -> Result<Option<PhoneNumber>, StoreError> {
    let sql = "SELECT phone_sealed FROM persons WHERE person_id = $1 AND NOT EXISTS \
               (SELECT 1 FROM payers y WHERE y.person_id = $1 AND y.number_closed IS NOT NULL)";
    let row = store.fetch_one(sql, vec![person.uuid().into()]).await?;
    row.map(|row| open_phone(keys, person, &row.bytes(0)?)).transpose()
}
