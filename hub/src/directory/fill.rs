//! People for a hub that is to be measured: registered and bound as operators do it, by the same steps, but for the question to a
//! bank, which is none that runs.

use std::sync::Arc;

use domain::payment::Instrument;
use domain::{AccountId, BankId, PersonId, PhoneNumber, Reason};
use futures_util::future::try_join_all;
use proto::operator as pb;
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use super::bindings::{Asked, Bind};
use super::cache::Caches;
use super::changes::{Change, Changes, Step};
use super::persons::RegisterPerson;
use super::{Chain, DirectoryOptions};

/// Who has registered them, in a log of its own.
const BY: &str = "growth";

/// A person with accounts at banks that the hub knows. The first account is the one that pays.
#[derive(Clone, Debug)]
pub struct PastPerson {
    pub person_id: PersonId,
    pub phone: PhoneNumber,
    pub name: String,
    pub accounts: Vec<BoundAccount>,
}

/// An account as its bank shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundAccount {
    pub bank_id: BankId,
    pub account_id: AccountId,
    /// Such as `****4821`.
    pub masked: String,
}

/// Writes people into a hub's database that no hub has open.
#[derive(Debug)]
pub struct People {
    writer: GroupWriter<Changes>,
    task: JoinHandle<()>,
}

impl People {
    pub fn start(store: &Store, keys: SharedKeyStore) -> Self {
        let chain = Chain::new(&format!("{BY}/directory"), keys.clone());
        let DirectoryOptions { cache_ttl, cache_entries, .. } = DirectoryOptions::default();
        let changes = Changes::new(chain, keys, Caches::new(cache_ttl, cache_entries));
        let (writer, task) = GroupWriter::start(store.clone(), Arc::new(changes), WriterOptions::default());
        Self { writer, task }
    }

    /// Registers people and binds their accounts. The same people again change nothing.
    pub async fn add(&self, people: &[PastPerson]) -> Result<(), StoreError> {
        let registered = people.iter().map(|person| self.write(person, register(person)));
        try_join_all(registered).await?;
        let bound = people.iter().flat_map(|person| {
            let bind = move |account| self.write(person, Ok(Change::Binding(bind(person.person_id, account))));
            person.accounts.iter().map(bind)
        });
        try_join_all(bound).await.map(drop)
    }

    /// Waits until the log is signed.
    pub async fn finish(self) -> Result<(), StoreError> {
        drop(self.writer);
        self.task.await.map_err(|_| StoreError::Stopped)
    }

    async fn write(&self, person: &PastPerson, change: Result<Change, Reason>) -> Result<(), StoreError> {
        let refused = |reason: Reason| StoreError::Refused(format!("{} of the past: {reason}", person.person_id));
        let step = Step { by: BY.to_owned(), change: change.map_err(refused)? };
        self.writer.write(step).await?.map(drop).map_err(refused)
    }
}

fn register(person: &PastPerson) -> Result<Change, Reason> {
    let request = pb::RegisterPersonRequest {
        person_id: person.person_id.to_string(),
        phone_number: person.phone.as_e164().to_owned(),
        name: person.name.clone(),
    };
    Ok(Change::Person(RegisterPerson::read(&request)?))
}

fn bind(person_id: PersonId, account: &BoundAccount) -> Bind {
    let BoundAccount { bank_id, account_id, masked } = account.clone();
    Bind {
        asked: Asked { person_id, bank_id, instrument: Instrument::Account(account_id), make_default: false },
        masked,
        active: true,
    }
}

#[cfg(test)]
mod tests {
    use server_kit::audit;

    use super::*;
    use crate::testing::{TestHub, on_each_engine};

    async fn add(hub: &TestHub, people: &[PastPerson]) -> Result<(), StoreError> {
        let filling = People::start(&hub.store, hub.keys.clone());
        let added = filling.add(people).await;
        filling.finish().await.unwrap();
        added
    }

    #[tokio::test]
    async fn people_of_a_past_are_registered_and_bound_once_and_the_log_says_so() {
        on_each_engine(async |hub| {
            let bank = BankId::parse("bank-a").unwrap();
            let sql = "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ($1, 1, 'Bank A', '-', 0)";
            let mut tx = hub.store.begin().await.unwrap();
            tx.execute(sql, vec![bank.as_str().into()]).await.unwrap();
            tx.commit().await.unwrap();
            let account = || BoundAccount {
                bank_id: bank.clone(),
                account_id: AccountId::from_uuid(hub.id()),
                masked: "****4821".to_owned(),
            };
            let person = |n: usize| PastPerson {
                person_id: PersonId::from_uuid(hub.id()),
                phone: PhoneNumber::parse(&format!("+86138001380{n:02}")).unwrap(),
                name: "Wang Xiaoming".to_owned(),
                accounts: vec![account(), account()],
            };
            let people: Vec<PastPerson> = (0..20).map(person).collect();
            add(&hub, &people).await.unwrap();
            add(&hub, &people).await.unwrap();
            let count = async |sql: &'static str| hub.store.fetch(sql, Vec::new()).await.unwrap()[0].int(0).unwrap();
            assert_eq!(count("SELECT count(*) FROM payers").await, 20, "{}", hub.engine);
            assert_eq!(count("SELECT count(*) FROM bindings").await, 40, "{}", hub.engine);
            assert_eq!(count("SELECT count(*) FROM bindings WHERE is_default = 1").await, 20, "{}", hub.engine);
            let [log] = audit::verify(&hub.store, hub.keys.as_ref()).await.unwrap().try_into().unwrap();
            assert_eq!((log.faults.len(), log.entries), (0, 60), "{}: {log:?}", hub.engine);
            let elsewhere = BoundAccount { bank_id: BankId::parse("bank-z").unwrap(), ..account() };
            let nowhere = PastPerson { accounts: vec![elsewhere], ..person(30) };
            add(&hub, &[nowhere]).await.unwrap_err();
        })
        .await;
    }
}
