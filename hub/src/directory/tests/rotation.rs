//! A number is one person's while the key of its hash changes, whichever replica it is registered at (M4, M8; ADR 40).

use std::time::Duration;

use server_kit::keystore::{KeyName, KeyStore as _, Keyring, SharedKeyStore};
use server_kit::rotation::{Rotation, RotationOptions};
use server_kit::store::Owner;

use super::*;
use crate::keys::{self, KeyParts};

/// A replica with keys in a memory of its own.
struct Replica {
    office: Office,
    keys: Arc<Keyring>,
    rotation: Rotation,
}

/// Nothing is waited for, and a page is soon full.
fn at_once() -> RotationOptions {
    RotationOptions { page: 7, pause: Duration::ZERO, settle: Duration::ZERO, ..RotationOptions::default() }
}

async fn replica(hub: &TestHub, name: &str, keys: Keyring) -> Replica {
    let keys = Arc::new(keys);
    let shared: SharedKeyStore = keys.clone();
    let hub = TestHub { keys: shared.clone(), ..hub.clone() };
    let owner = Arc::new(Owner::take(&hub.store, name, hub.id()).await.unwrap());
    let parts = KeyParts { store: hub.store.clone(), keys: shared, file: None, owner, options: at_once() };
    let (rotation, _) = keys::open(parts).await.unwrap();
    Replica { office: open(&hub, name, AnyAccount::default()), keys, rotation }
}

fn phone(n: u32) -> String {
    format!("+861380013{n:04}")
}

impl Replica {
    async fn register(&self, phone: &str) -> Result<String, Reason> {
        let request = by_operator(self.office.person(phone));
        match self.office.api.register_person(request).await {
            Ok(answer) => Ok(answer.into_inner().person_id),
            Err(status) => Err(proto::reason_of(&status).unwrap()),
        }
    }

    async fn finds(&self, phone: &str) -> Option<String> {
        let found = self.office.directory.payer_by_phone(&PhoneNumber::parse(phone).unwrap()).await.unwrap();
        found.map(|payer| payer.person_id.to_string())
    }

    fn current(&self) -> u32 {
        self.keys.current_version(KeyName::PhoneIndex).unwrap()
    }

    /// Rows of people by the version of their number's hash.
    async fn rows(&self) -> Vec<(u32, u64)> {
        let status = self.rotation.status().await.unwrap();
        let column = status.columns.into_iter().find(|column| column.column == "persons.phone_hash").unwrap();
        assert_eq!(column.unknown, 0);
        column.rows.into_iter().collect()
    }

    async fn retire(&self) -> Result<(), Reason> {
        self.rotation.retire("phone-index", 1, "anna").await.unwrap()
    }
}

/// Two replicas, and who was registered.
struct Two {
    one: Replica,
    two: Replica,
    known: Vec<(String, String)>,
}

impl Two {
    async fn new(hub: &TestHub) -> Self {
        let keys = Keyring::generate(hub.rng.clone()).unwrap();
        let two = replica(hub, "hub-2", keys.copy()).await;
        let one = replica(hub, "hub-1", keys).await;
        let mut known = Vec::new();
        for n in 0..40 {
            known.push((phone(n), one.register(&phone(n)).await.unwrap()));
        }
        Self { one, two, known }
    }

    fn current(&self) -> (u32, u32) {
        (self.one.current(), self.two.current())
    }

    /// Everybody is found at both, and nobody is registered twice at either.
    async fn know_everybody(&self) {
        for replica in [&self.one, &self.two] {
            for (phone, person) in &self.known {
                let engine = replica.office.hub.engine;
                assert_eq!(replica.register(phone).await, Err(Reason::PhoneNumberTaken), "{engine} {phone}");
                assert_eq!(replica.finds(phone).await.as_ref(), Some(person), "{engine} {phone}");
            }
        }
    }

    /// The first gets a version that the second lacks.
    async fn announce(&mut self) {
        assert_eq!(self.one.keys.add_version(KeyName::PhoneIndex).unwrap(), 2);
        self.one.rotation.keep_up().await.unwrap();
        self.two.rotation.keep_up().await.unwrap();
        let status = self.one.rotation.status().await.unwrap();
        let key = status.keys.into_iter().find(|key| key.key == KeyName::PhoneIndex.as_str()).unwrap();
        assert_eq!((key.current, key.versions, key.lacking), (1, vec![1, 2], vec!["hub-2".to_owned()]));
        assert_eq!(self.current(), (1, 1));
        self.known.push((phone(40), self.two.register(&phone(40)).await.unwrap()));
    }

    /// The second gets it and switches. The first, which has not noticed yet, writes no other version all the same.
    async fn switch(&mut self) {
        self.two.keys.follow(&self.one.keys);
        self.two.rotation.keep_up().await.unwrap();
        assert_eq!(self.current(), (1, 2));
        assert_eq!(self.one.retire().await, Err(Reason::KeyVersionAwaited));
        self.known.push((phone(41), self.one.register(&phone(41)).await.unwrap()));
        assert_eq!(self.two.rows().await, [(1, 41), (2, 1)]);
    }

    /// A number that both register at once is one person's.
    async fn race(&mut self) {
        for n in 50..60 {
            let phone = phone(n);
            let (first, second) = tokio::join!(self.one.register(&phone), self.two.register(&phone));
            assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1, "{first:?} {second:?}");
            self.known.push((phone, first.or(second).unwrap()));
        }
    }

    /// Both rewrite while numbers are looked for and registered.
    async fn rewrite(&self) {
        let (first, second, ()) =
            tokio::join!(self.one.rotation.rewrite_all(), self.two.rotation.rewrite_all(), self.know_everybody());
        first.unwrap();
        second.unwrap();
        self.one.rotation.rewrite_all().await.unwrap();
        assert_eq!(self.one.rows().await, [(2, self.known.len() as u64)]);
    }

    /// Nothing is left under the old version: it goes, once, and is forgotten everywhere.
    async fn retire(&self) {
        let refused = async |key: &str, version: u32| self.one.rotation.retire(key, version, "anna").await.unwrap();
        assert_eq!(refused("phone-index", 2).await, Err(Reason::KeyVersionCurrent));
        assert_eq!(refused("phone-index", 9).await, Err(Reason::KeyVersionUnknown));
        assert_eq!(refused("audit-head", 1).await, Err(Reason::KeyUnknown));
        assert_eq!((self.one.retire().await, self.two.retire().await), (Ok(()), Ok(())));
        for replica in [&self.one, &self.two] {
            replica.rotation.keep_up().await.unwrap();
            let held: Vec<u32> = replica.keys.held(KeyName::PhoneIndex).iter().map(|held| held.version).collect();
            assert_eq!(held, [2]);
        }
    }
}

#[tokio::test]
async fn m8_a_number_is_one_persons_while_its_key_rotates_at_two_replicas() {
    on_each_engine(async |hub| {
        let mut two = Two::new(&hub).await;
        two.announce().await;
        two.switch().await;
        two.know_everybody().await;
        two.race().await;
        two.one.rotation.keep_up().await.unwrap();
        two.two.rotation.keep_up().await.unwrap();
        assert_eq!(two.one.retire().await, Err(Reason::KeyVersionHasRows), "{}", hub.engine);
        two.rewrite().await;
        two.retire().await;
        two.know_everybody().await;
        let mut said = Vec::new();
        for chain in ["hub-1/keys", "hub-2/keys"] {
            said.extend(audit::read_chain(&hub.store, chain).await.unwrap().into_iter().map(|line| line.kind));
        }
        said.sort();
        said.dedup();
        assert_eq!(said, ["KEY_ANNOUNCED", "KEY_RETIRED", "KEY_REWRITTEN", "KEY_SWITCHED"], "{}", hub.engine);
        for chain in audit::verify(&hub.store, &*two.one.keys).await.unwrap() {
            assert_eq!(chain.faults, Vec::<String>::new(), "{} {}", hub.engine, chain.chain);
        }
    })
    .await;
}
