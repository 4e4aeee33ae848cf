//! What becomes of the hub's columns when their keys rotate, on both engines.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::key_rotation::ColumnStatus;
use domain::text::Line;
use domain::{PersonId, PhoneNumber, Reason};
use server_kit::keystore::{KeyName, KeyStore as _, Keyring};

use super::*;
use crate::directory::join as people;
use crate::directory::{open_name, phone_hashes};
use crate::testing::{TestHub, on_each_engine};

fn at_once() -> RotationOptions {
    RotationOptions { page: 10, pause: Duration::ZERO, settle: Duration::ZERO, ..RotationOptions::default() }
}

async fn opened(hub: &TestHub, name: &str, keys: &Arc<Keyring>) -> Result<Rotation, RotationError> {
    let owner = Arc::new(Owner::take(&hub.store, name, hub.id()).await.unwrap());
    let parts = KeyParts { store: hub.store.clone(), keys: keys.clone(), file: None, owner, options: at_once() };
    Ok(open(parts).await?.0)
}

fn phone(n: usize) -> PhoneNumber {
    PhoneNumber::parse(&format!("+861390000{n:04}")).unwrap()
}

async fn register(hub: &TestHub, keys: &Keyring, numbers: std::ops::Range<usize>) -> Vec<PersonId> {
    let mut tx = hub.store.begin().await.unwrap();
    let mut people = Vec::new();
    for n in numbers {
        let (person, name) = (PersonId::from_uuid(hub.id()), Line::parse(&format!("Person {n}")).unwrap());
        people::register(&mut tx, keys, person, (&phone(n), &name)).await.unwrap();
        people.push(person);
    }
    tx.commit().await.unwrap();
    people
}

async fn column(rotation: &Rotation, name: &str) -> ColumnStatus {
    let status = rotation.status().await.unwrap();
    status.columns.into_iter().find(|column| column.column == name).unwrap()
}

async fn rotate_all(rotation: &Rotation, keys: &Keyring) {
    for key in KeyName::rotating() {
        keys.add_version(key).unwrap();
    }
    rotation.keep_up().await.unwrap();
}

#[tokio::test]
async fn m8_every_column_that_is_sealed_or_looked_up_by_hash_is_in_the_table() {
    on_each_engine(async |hub| {
        let sql = match hub.store.dialect() {
            server_kit::store::Dialect::Sqlite => {
                "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'"
            }
            server_kit::store::Dialect::Postgres => {
                "SELECT table_name::text, column_name::text FROM information_schema.columns \
                 WHERE table_schema = 'public'"
            }
        };
        let is_keyed = |column: &str| {
            column.contains("sealed") || ["phone_hash", "citizen_hash", "pan_index", "pan_hash"].contains(&column)
        };
        let rows = hub.store.fetch(sql, Vec::new()).await.unwrap();
        let found = rows.iter().map(|row| (row.text(0).unwrap(), row.text(1).unwrap()));
        let mut found: BTreeSet<String> =
            found.filter(|(_, column)| is_keyed(column)).map(|(table, column)| format!("{table}.{column}")).collect();
        // Minutes old at most, and nothing is looked up by it.
        assert!(found.remove("sign_ins.phone_hash"), "{}", hub.engine);
        let known: BTreeSet<String> = COLUMNS.iter().map(server_kit::rotation::Column::name).collect();
        assert_eq!(found, known, "{}", hub.engine);
        assert_eq!(known.len(), COLUMNS.len());
    })
    .await;
}

#[tokio::test]
async fn m8_every_row_comes_under_the_new_version_and_opens_without_the_old_one() {
    on_each_engine(async |hub| {
        let keys = Arc::new(Keyring::generate(hub.rng.clone()).unwrap());
        let rotation = opened(&hub, "hub-1", &keys).await.unwrap();
        let people = register(&hub, &keys, 0..35).await;
        rotate_all(&rotation, &keys).await;
        let more = register(&hub, &keys, 35..40).await;
        assert_eq!(column(&rotation, "persons.name_sealed").await.rows, [(1, 35), (2, 5)].into(), "{}", hub.engine);
        rotation.rewrite_all().await.unwrap();
        for name in ["persons.phone_hash", "persons.phone_sealed", "persons.name_sealed"] {
            let column = column(&rotation, name).await;
            assert_eq!((column.rows, column.unknown), ([(2, 40)].into(), 0), "{} {name}", hub.engine);
        }
        for key in KeyName::rotating() {
            assert_eq!(rotation.retire(key.as_str(), 1, "anna").await.unwrap(), Ok(()), "{} {key:?}", hub.engine);
        }
        rotation.keep_up().await.unwrap();
        let mut tx = hub.store.begin().await.unwrap();
        for (n, person) in people.iter().chain(&more).enumerate() {
            let hashes = phone_hashes(&*keys, &phone(n)).unwrap();
            assert_eq!(people::holder(&mut tx, &hashes).await.unwrap(), Some(*person), "{}", hub.engine);
            let sql = "SELECT name_sealed FROM persons WHERE person_id = $1";
            let row = tx.fetch(sql, vec![person.uuid().into()]).await.unwrap();
            let name = open_name(&*keys, *person, &row[0].bytes(0).unwrap()).unwrap();
            assert_eq!(name.as_str(), format!("Person {n}"));
        }
    })
    .await;
}

#[tokio::test]
async fn m8_a_damaged_row_is_named_the_others_are_rewritten_and_its_key_stays() {
    on_each_engine(async |hub| {
        let keys = Arc::new(Keyring::generate(hub.rng.clone()).unwrap());
        let rotation = opened(&hub, "hub-1", &keys).await.unwrap();
        let people = register(&hub, &keys, 0..25).await;
        let damage = "UPDATE persons SET name_sealed = (SELECT name_sealed FROM persons WHERE person_id = $2) \
                      WHERE person_id = $1";
        let mut tx = hub.store.begin().await.unwrap();
        tx.execute(damage, vec![people[3].uuid().into(), people[4].uuid().into()]).await.unwrap();
        tx.commit().await.unwrap();
        rotate_all(&rotation, &keys).await;
        rotation.rewrite_all().await.unwrap();
        let names = column(&rotation, "persons.name_sealed").await;
        assert_eq!(names.rows, [(1, 1), (2, 24)].into(), "{}", hub.engine);
        assert_eq!(names.damaged, [format!("persons.name_sealed {}", people[3])], "{}", hub.engine);
        assert_eq!(column(&rotation, "persons.phone_sealed").await.rows, [(2, 25)].into(), "{}", hub.engine);
        let retire = async || rotation.retire("sealed-payload", 1, "anna").await.unwrap();
        assert_eq!(retire().await, Err(Reason::KeyVersionHasRows), "{}", hub.engine);
        // Once it is mended, the column is looked at again, since somebody has asked.
        let name = crate::directory::seal_name(&*keys, people[3], &Line::parse("Person 3").unwrap()).unwrap();
        let mut tx = hub.store.begin().await.unwrap();
        let mend = "UPDATE persons SET name_sealed = $2 WHERE person_id = $1";
        tx.execute(mend, vec![people[3].uuid().into(), name.into()]).await.unwrap();
        tx.commit().await.unwrap();
        rotation.rewrite_all().await.unwrap();
        assert_eq!(retire().await, Ok(()), "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m8_a_row_that_has_another_ones_hash_in_its_way_is_named_and_the_others_are_rewritten() {
    on_each_engine(async |hub| {
        let keys = Arc::new(Keyring::generate(hub.rng.clone()).unwrap());
        let rotation = opened(&hub, "hub-1", &keys).await.unwrap();
        let people = register(&hub, &keys, 0..25).await;
        rotate_all(&rotation, &keys).await;
        let [taken, _] = phone_hashes(&*keys, &phone(3)).unwrap();
        let mut tx = hub.store.begin().await.unwrap();
        let damage = "UPDATE persons SET phone_hash = $2 WHERE person_id = $1";
        tx.execute(damage, vec![people[20].uuid().into(), taken.to_vec().into()]).await.unwrap();
        tx.commit().await.unwrap();
        rotation.rewrite_all().await.unwrap();
        let hashes = column(&rotation, "persons.phone_hash").await;
        let named = [people[3], people[20]].map(|person| format!("persons.phone_hash {person}"));
        assert_eq!(hashes.damaged, named, "{}", hub.engine);
        let rows_of = async |hash: [u8; 32]| {
            let sql = "SELECT count(*) FROM persons WHERE phone_hash = $1";
            hub.store.fetch_one(sql, vec![hash.to_vec().into()]).await.unwrap().unwrap().int(0).unwrap()
        };
        for n in 0..25 {
            let [new, before] = phone_hashes(&*keys, &phone(n)).unwrap();
            let stays = i64::from(n == 3);
            assert_eq!((rows_of(new).await, rows_of(before).await), (i64::from(n != 20), stays), "{} {n}", hub.engine);
        }
    })
    .await;
}

#[tokio::test]
async fn m8_a_version_goes_no_sooner_than_what_was_sealed_under_it_is_stored() {
    on_each_engine(async |hub| {
        let keys = Arc::new(Keyring::generate(hub.rng.clone()).unwrap());
        let owner = Arc::new(Owner::take(&hub.store, "hub-1", hub.id()).await.unwrap());
        let options = RotationOptions { settle: Duration::from_secs(2), ..at_once() };
        let parts = KeyParts { store: hub.store.clone(), keys: keys.clone(), file: None, owner, options };
        let rotation = open(parts).await.unwrap().0;
        // There is no row yet; one may be on its way.
        keys.add_version(KeyName::SealedPayload).unwrap();
        rotation.keep_up().await.unwrap();
        rotation.keep_up().await.unwrap();
        assert_eq!(keys.current_version(KeyName::SealedPayload), Some(2), "{}", hub.engine);
        let retire = async || rotation.retire("sealed-payload", 1, "anna").await.unwrap();
        assert_eq!(retire().await, Err(Reason::KeyVersionAwaited), "{}", hub.engine);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(retire().await, Ok(()), "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m8_a_hub_without_the_key_that_is_written_does_not_begin_and_changes_nothing() {
    on_each_engine(async |hub| {
        let keys = Arc::new(Keyring::generate(hub.rng.clone()).unwrap());
        let (old, backup) = (Arc::new(keys.copy()), Arc::new(keys.copy()));
        let rotation = opened(&hub, "hub-1", &keys).await.unwrap();
        register(&hub, &keys, 0..3).await;
        // A copy of the file from before opens the database from before.
        let second = opened(&hub, "hub-2", &backup).await.unwrap();
        keys.add_version(KeyName::PhoneIndex).unwrap();
        rotation.keep_up().await.unwrap();
        assert_eq!(keys.current_version(KeyName::PhoneIndex), Some(1), "{}", hub.engine);
        backup.follow(&keys);
        second.keep_up().await.unwrap();
        rotation.keep_up().await.unwrap();
        assert_eq!(keys.current_version(KeyName::PhoneIndex), Some(2), "{}", hub.engine);
        let before = rotation.status().await.unwrap();
        let lacking = opened(&hub, "hub-3", &old).await;
        let is_lacking = matches!(lacking, Err(RotationError::Lacking { name: KeyName::PhoneIndex, version: 2 }));
        assert!(is_lacking, "{}: {lacking:?}", hub.engine);
        old.add_version(KeyName::PhoneIndex).unwrap();
        let foreign = opened(&hub, "hub-3", &old).await;
        let is_foreign = matches!(foreign, Err(RotationError::Foreign { name: KeyName::PhoneIndex, version: 2 }));
        assert!(is_foreign, "{}: {foreign:?}", hub.engine);
        assert_eq!(rotation.status().await.unwrap(), before, "{}", hub.engine);
    })
    .await;
}
