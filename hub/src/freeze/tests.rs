//! Freezing on both engines, with banks that a test plays.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::feed::{EventKind, Topic};
use domain::freeze::Unfreeze;
use domain::payment::{FrozenInstrument, Instrument};
use domain::{AccountId, BankId, DeviceId, OrderId, PersonId, Reason};
use futures_util::StreamExt as _;
use proto::cardholder as pb;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use server_kit::clock::Clock as _;
use server_kit::store::Value;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::*;
use crate::bank::LinkOptions;
use crate::directory::{Directory, DirectoryOptions, password_mac};
use crate::feed::{FeedOptions, FeedParts};
use crate::payment::sql::load_guards;
use crate::testing::bank::{EFFECTIVE_AT, Play, PlayedBank};
use crate::testing::past::register;
use crate::testing::{TestHub, on_each_engine, on_postgres, reason};

const PASSWORD: &str = "271828";

struct World {
    hub: TestHub,
    feed: Feed,
    freezes: Freezes,
}

struct Person {
    id: PersonId,
    device_id: DeviceId,
    key: EcdsaKeyPair,
}

impl World {
    async fn replica(hub: &TestHub, name: &str) -> Self {
        let mark = hub.id();
        let (directory, _) = Directory::start(hub.directory_parts(name), DirectoryOptions::default());
        let banks = Banks::played(directory, LinkOptions { timeout: Duration::from_secs(20), tries: 1 });
        let parts = FeedParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            replica: mark,
            followers: Vec::new(),
            draining: CancellationToken::new(),
        };
        let feed = Feed::new(parts, FeedOptions::default());
        let (freezes, _) = Freezes::start(FreezeParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            banks,
            feed: feed.clone(),
            owner: Arc::new(Owner::take(&hub.store, name, mark).await.unwrap()),
            policy: Policy::default(),
            safety: safety_code::Policy::default(),
        });
        Self { hub: hub.clone(), feed, freezes }
    }

    /// A replica, and a bank with an account of somebody.
    async fn open(hub: &TestHub) -> (Self, PlayedBank, Person, String) {
        let (world, bank) = (Self::replica(hub, "hub-1").await, PlayedBank::default());
        world.bank("bank-a", &bank.open().await).await;
        let person = world.person().await;
        let account = world.bind("bank-a", &person).await;
        (world, bank, person, account)
    }

    async fn bank(&self, id: &str, endpoint: &str) {
        let sql = "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ($1, 1, $2, $3, 0)";
        self.change(sql, vec![id.into(), format!("The {id}").into(), endpoint.into()]).await;
    }

    async fn bind(&self, bank: &str, person: &Person) -> String {
        let id = self.hub.id();
        let sql = "INSERT INTO bindings (bank_id, instrument_id, version, instrument, person_id, masked, active, \
                   is_default, bound_at) VALUES ($1, $2, 1, 'ACCOUNT', $3, $4, 1, 0, 0)";
        let masked = format!("****{}", &id.simple().to_string()[28..]);
        self.change(sql, vec![bank.into(), id.into(), person.id.uuid().into(), masked.into()]).await;
        id.to_string()
    }

    async fn change(&self, sql: &'static str, args: Vec<Value>) {
        let mut tx = self.hub.store.begin().await.unwrap();
        tx.execute(sql, args).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    async fn person(&self) -> Person {
        let (id, device_id) = (PersonId::from_uuid(self.hub.id()), DeviceId::from_uuid(self.hub.id()));
        let rng = ring::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        register(&self.hub, id).await;
        let mac = password_mac(&*self.hub.keys, &id, PASSWORD).unwrap();
        let sql = "INSERT INTO persons (person_id, version, phone_hash, phone_sealed, name_sealed, password_mac, \
                   registered_at) VALUES ($1, 1, $2, $3, $3, $4, 0)";
        let hash = id.uuid().as_bytes().to_vec();
        self.change(sql, vec![id.uuid().into(), hash.into(), Vec::<u8>::new().into(), mac.to_vec().into()]).await;
        Person { id, device_id, key }
    }

    fn order_id(&self) -> String {
        self.hub.id().to_string()
    }

    async fn freeze(&self, person: &Person, order_id: &str, names: Vec<pb::InstrumentName>) -> Asked {
        let request = pb::FreezeInstrumentsRequest { order_id: order_id.to_owned(), instruments: names };
        let answer = self.freezes.freeze_instruments(person.id, person.device_id, &request).await;
        Ok(answer?.instruments)
    }

    /// Signs and asks; `change` may spoil the request.
    async fn unfreeze(
        &self,
        person: &Person,
        names: &[FrozenInstrument],
        change: impl FnOnce(&mut pb::UnfreezeInstrumentsRequest),
    ) -> Asked {
        let order_id = OrderId::from_uuid(self.hub.id());
        let signed_at = self.hub.clock.now();
        let mut request = person.sign(&Unfreeze { order_id, signed_at, instruments: names.to_vec() }.text());
        change(&mut request);
        let key = Some(person.key.public_key().as_ref().to_vec());
        let answer = self.freezes.unfreeze_instruments(person.id, (person.device_id, key), &request).await;
        Ok(answer?.instruments)
    }

    /// From what of the person the payments of this hub let nothing out.
    async fn blocked(&self, person: &Person) -> Vec<String> {
        let mut tx = self.hub.store.begin().await.unwrap();
        let mut guards = load_guards(&mut tx, vec![person.id.uuid()], false).await.unwrap();
        let guard = guards.remove(&person.id).unwrap().0.value;
        guard.frozen.iter().map(FrozenInstrument::words).collect()
    }

    async fn told(&self, person: &Person) -> Vec<String> {
        let sql = "SELECT last_sequence FROM payers WHERE person_id = $1";
        let row = self.hub.store.fetch_one(sql, vec![person.id.uuid().into()]).await.unwrap().unwrap();
        let last = usize::try_from(row.int(0).unwrap()).unwrap();
        let mut watch = self.feed.watch(person.id, 0).unwrap();
        let mut told = Vec::new();
        while told.len() < last {
            let event = watch.next().await.unwrap().unwrap();
            let EventKind::News(news) = &event.kind else { panic!("{event:?}") };
            assert_eq!(news.topic, Topic::Security);
            told.push(news.english.clone());
        }
        told
    }

    async fn books_are_fine(&self) {
        assert_eq!(check_marks(&self.hub.store).await.unwrap(), Vec::<String>::new());
    }
}

/// Spoils a request.
type Spoil<'s> = Box<dyn FnOnce(&mut pb::UnfreezeInstrumentsRequest) + 's>;
type Asked = Result<Vec<pb::Instrument>, Status>;

impl Person {
    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    fn sign(&self, text: &str) -> pb::UnfreezeInstrumentsRequest {
        let message = format!("bankhub.v1.unfreeze\n{}\n{text}", self.device_id);
        let signature = self.key.sign(&ring::rand::SystemRandom::new(), message.as_bytes()).unwrap();
        pb::UnfreezeInstrumentsRequest {
            text: text.to_owned(),
            signature: signature.as_ref().to_vec(),
            transaction_password: PASSWORD.to_owned(),
        }
    }
}

fn named(bank: &str, account: &str) -> pb::InstrumentName {
    let instrument = Some(pb::instrument_name::Instrument::AccountId(account.to_owned()));
    pb::InstrumentName { bank_id: bank.to_owned(), instrument }
}

fn name(bank: &str, account: &str) -> FrozenInstrument {
    let instrument = Instrument::Account(AccountId::parse(account).unwrap());
    FrozenInstrument { bank_id: BankId::parse(bank).unwrap(), instrument }
}

fn states(asked: &Asked) -> Vec<pb::FreezeState> {
    asked.as_ref().unwrap().iter().map(pb::Instrument::freeze_state).collect()
}

#[tokio::test]
async fn f4_what_is_frozen_stops_at_the_hub_at_once_and_the_bank_confirms_it() {
    on_each_engine(async |hub| {
        let (world, bank, person, account) = World::open(&hub).await;
        let order = world.order_id();
        let frozen = world.freeze(&person, &order, vec![named("bank-a", &account)]).await;
        assert_eq!(states(&frozen), [pb::FreezeState::Frozen], "{}", hub.engine);
        let frozen = frozen.unwrap();
        assert_eq!(frozen[0].frozen_since, Some(proto::to_timestamp(EFFECTIVE_AT)));
        assert_eq!((bank.has_frozen(&account), frozen[0].bank_name.as_str()), (Some(true), "The bank-a"));
        assert_eq!(world.blocked(&person).await, [name("bank-a", &account).words()]);

        let again = world.freeze(&person, &order, vec![named("bank-a", &account)]).await;
        assert_eq!((again.unwrap(), bank.calls().len()), (frozen, 1), "the same order again changes nothing");
        let free = world.unfreeze(&person, &[name("bank-a", &account)], |_| {}).await;
        assert_eq!((states(&free), bank.has_frozen(&account)), (vec![pb::FreezeState::Free], Some(false)));
        assert!(world.blocked(&person).await.is_empty());
        let late = world.freeze(&person, &order, vec![named("bank-a", &account)]).await;
        assert_eq!(states(&late), [pb::FreezeState::Free], "an order that comes late a second time freezes nothing");
        let masked = &free.unwrap()[0].masked;
        assert_eq!(
            world.told(&person).await,
            [
                format!(
                    "Frozen: The bank-a {masked}. Nothing goes out of it through the hub any more; your bank is being told."
                ),
                format!("The bank-a has confirmed that {masked} is frozen: money can come in, none can go out."),
                format!(
                    "To be set free: The bank-a {masked}. Your bank is being told; until it has confirmed, it may refuse."
                ),
                format!("The bank-a has confirmed that money can go out of {masked} again."),
            ]
        );
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f4_everything_is_frozen_bank_by_bank_and_a_bank_that_is_away_is_told_until_it_confirms() {
    on_each_engine(async |hub| {
        let (world, bank_a, person, at_a) = World::open(&hub).await;
        let bank_b = PlayedBank::default();
        bank_b.sign_as("bank-b");
        world.bank("bank-b", &bank_b.open().await).await;
        let at_b = world.bind("bank-b", &person).await;
        bank_b.play(&[Play::LoseCall, Play::LoseAnswer]);
        let all = world.freeze(&person, &world.order_id(), Vec::new()).await;
        assert_eq!(states(&all), [pb::FreezeState::Frozen, pb::FreezeState::Freezing], "{}", hub.engine);
        assert_eq!(world.blocked(&person).await, [name("bank-a", &at_a).words(), name("bank-b", &at_b).words()]);
        assert_eq!((bank_a.has_frozen(&at_a), bank_b.has_frozen(&at_b)), (Some(true), None));

        let listed = async || {
            let listed = world.freezes.list_instruments(person.id).await.unwrap().instruments;
            listed.iter().map(pb::Instrument::freeze_state).collect::<Vec<_>>()
        };
        world.change("UPDATE freezes SET due_at = 0 WHERE due_at IS NOT NULL", Vec::new()).await;
        world.freezes.tell_what_is_due().await.unwrap();
        assert_eq!(bank_b.has_frozen(&at_b), Some(true), "its answer was lost");
        assert_eq!(listed().await, [pb::FreezeState::Frozen, pb::FreezeState::Freezing]);
        assert_eq!(world.freezes.tell_what_is_due().await.unwrap(), 0, "not before its time");
        world.change("UPDATE freezes SET due_at = 0 WHERE due_at IS NOT NULL", Vec::new()).await;
        world.freezes.tell_what_is_due().await.unwrap();
        assert_eq!(listed().await, [pb::FreezeState::Frozen, pb::FreezeState::Frozen]);
        world.change("UPDATE freezes SET due_at = 0 WHERE due_at IS NOT NULL", Vec::new()).await;
        assert_eq!(world.freezes.tell_what_is_due().await.unwrap(), 0, "nobody is told any more");
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f4_what_a_bank_says_is_believed_under_its_own_signature_only() {
    on_each_engine(async |hub| {
        let (world, bank, person, account) = World::open(&hub).await;
        bank.sign_as("bank-b");
        let frozen = world.freeze(&person, &world.order_id(), Vec::new()).await;
        assert_eq!(states(&frozen), [pb::FreezeState::Freezing], "{}", hub.engine);
        assert_eq!(world.blocked(&person).await.len(), 1, "the hub lets nothing out whatever the bank says");
        bank.sign_as("bank-a");
        world.change("UPDATE freezes SET due_at = 0", Vec::new()).await;
        world.freezes.tell_what_is_due().await.unwrap();
        let listed = world.freezes.list_instruments(person.id).await.unwrap().instruments;
        assert_eq!(listed[0].freeze_state(), pb::FreezeState::Frozen);
        assert_eq!(bank.has_frozen(&account), Some(true));
    })
    .await;
}

#[tokio::test]
async fn f4_a_bank_that_has_followed_orders_of_which_the_hub_knows_nothing_is_brought_to_what_is_wanted() {
    on_each_engine(async |hub| {
        let (world, bank, person, account) = World::open(&hub).await;
        bank.has_followed(&account, 9, false);
        let frozen = world.freeze(&person, &world.order_id(), Vec::new()).await;
        assert_eq!(states(&frozen), [pb::FreezeState::Freezing], "{}", hub.engine);
        world.freezes.tell_what_is_due().await.unwrap();
        let listed = world.freezes.list_instruments(person.id).await.unwrap().instruments;
        assert_eq!((listed[0].freeze_state(), bank.has_frozen(&account)), (pb::FreezeState::Frozen, Some(true)));
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f4_what_the_bank_does_not_have_any_more_ends_and_stays_blocked_here() {
    on_each_engine(async |hub| {
        let (world, bank, person, _) = World::open(&hub).await;
        bank.play(&[Play::Refuse(Reason::AccountClosed)]);
        let ended = world.freeze(&person, &world.order_id(), Vec::new()).await;
        assert_eq!(states(&ended), [pb::FreezeState::Ended], "{}", hub.engine);
        assert_eq!(world.blocked(&person).await.len(), 1);
        let told = world.told(&person).await;
        assert!(told[1].contains("has no") && told.len() == 2, "{told:?}");
        bank.play(&[Play::Refuse(Reason::TooBusy)]);
        let retried = world.freeze(&person, &world.order_id(), Vec::new()).await;
        assert_eq!(states(&retried), [pb::FreezeState::Freezing], "no business of a bank to say so: it is told again");
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f4_to_set_free_takes_the_phones_key_and_the_password_and_wrong_ones_are_counted() {
    on_each_engine(async |hub| {
        let (world, bank, person, account) = World::open(&hub).await;
        world.freeze(&person, &world.order_id(), Vec::new()).await.unwrap();
        let (other, names) = (world.person().await, [name("bank-a", &account)]);
        let spoilt: [(Spoil<'_>, Reason); 6] = [
            (Box::new(|it| it.signature[5] ^= 1), Reason::SignatureRefused),
            (Box::new(|it| it.text.push(' ')), Reason::SignatureRefused),
            (Box::new(|it| it.signature.clear()), Reason::SignatureRefused),
            (Box::new(|it| it.text = "x".repeat(100_000)), Reason::TooManyItems),
            (Box::new(|it| it.transaction_password = "12345".to_owned()), Reason::PasswordMalformed),
            (Box::new(|it| *it = person.sign("order=")), Reason::IdMalformed),
        ];
        for (spoil, wanted) in spoilt {
            let refused = world.unfreeze(&person, &names, spoil).await;
            assert_eq!(reason(refused), wanted, "{}", hub.engine);
        }
        let text = Unfreeze {
            order_id: OrderId::from_uuid(hub.id()),
            signed_at: hub.clock.now(),
            instruments: names.to_vec(),
        }
        .text();
        let request = other.sign(&text);
        let key = Some(person.key.public_key().as_ref().to_vec());
        let stolen = world.freezes.unfreeze_instruments(person.id, (person.device_id, key), &request).await;
        assert_eq!(reason(stolen), Reason::SignatureRefused);
        let gone = world.freezes.unfreeze_instruments(person.id, (person.device_id, None), &person.sign(&text)).await;
        assert_eq!(reason(gone), Reason::DeviceRefused, "a revoked phone");

        for wanted in [[Reason::VerificationFailed; 5].as_slice(), &[Reason::AttemptsExhausted; 2]].concat() {
            let wrong = |it: &mut pb::UnfreezeInstrumentsRequest| it.transaction_password = "000000".to_owned();
            let refused = world.unfreeze(&person, &names, wrong).await;
            assert_eq!(reason(refused), wanted, "{}", hub.engine);
        }
        let blocked = world.unfreeze(&person, &names, |_| {}).await;
        assert_eq!(reason(blocked), Reason::AttemptsExhausted, "also a right one");
        assert_eq!(bank.has_frozen(&account), Some(true));
        let frozen = world.freeze(&person, &world.order_id(), Vec::new()).await;
        assert_eq!(states(&frozen), [pb::FreezeState::Frozen], "freezing needs none of that");
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn orders_about_what_is_not_ones_own_or_cannot_be_read_change_nothing() {
    on_each_engine(async |hub| {
        let (world, bank, person, account) = World::open(&hub).await;
        let (other, order) = (world.person().await, world.order_id());
        let theirs = world.bind("bank-a", &other).await;
        let own = named("bank-a", &account);
        let table = [
            ("1234", vec![own.clone()], Reason::IdMalformed),
            (order.as_str(), vec![named("bank-a", &theirs)], Reason::AccountUnknown),
            (&order, vec![own.clone(), named("bank-b", &account)], Reason::AccountUnknown),
            (&order, vec![named("Bank A", &account)], Reason::NameMalformed),
            (&order, vec![named("bank-a", "x")], Reason::IdMalformed),
            (&order, vec![pb::InstrumentName { instrument: None, ..own.clone() }], Reason::FieldMissing),
            (&order, vec![own.clone(); 51], Reason::TooManyItems),
        ];
        for (order, names, wanted) in table {
            let refused = world.freeze(&person, order, names).await;
            assert_eq!(reason(refused), wanted, "{}", hub.engine);
        }
        assert!(bank.calls().is_empty() && world.blocked(&person).await.is_empty());
        assert!(world.told(&person).await.is_empty());
        world.freeze(&person, &order, vec![own.clone(), own]).await.unwrap();
        let taken = world.freeze(&other, &order, Vec::new()).await;
        assert_eq!(reason(taken), Reason::IdTaken, "somebody else's order");
        let other_content = world.freeze(&person, &order, Vec::new()).await;
        assert_eq!(reason(other_content), Reason::IdTaken);
    })
    .await;
}

#[tokio::test]
async fn f4_two_replicas_take_the_same_orders_and_end_as_the_last_one() {
    on_postgres(async |hub| {
        let (one, bank, person, account) = World::open(&hub).await;
        let two = World::replica(&hub, "hub-2").await;
        let order = one.order_id();
        let same = (0..20).map(|n| {
            let (world, order) = (if n % 2 == 0 { &one } else { &two }, order.clone());
            let person = &person;
            async move { world.freeze(person, &order, Vec::new()).await.unwrap() }
        });
        futures_util::future::join_all(same).await;
        let told: BTreeSet<String> = one.told(&person).await.into_iter().collect();
        assert_eq!(told.len(), one.told(&person).await.len(), "nobody is told twice");
        assert_eq!(told.len(), 2);
        one.unfreeze(&person, &[name("bank-a", &account)], |_| {}).await.unwrap();
        two.freeze(&person, &two.order_id(), Vec::new()).await.unwrap();
        assert_eq!(bank.has_frozen(&account), Some(true));
        one.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f4_after_a_wrong_password_the_right_one_sets_free() {
    on_each_engine(async |hub| {
        let (world, bank, person, account) = World::open(&hub).await;
        world.freeze(&person, &world.order_id(), Vec::new()).await.unwrap();
        let names = [name("bank-a", &account)];
        let wrong = |it: &mut pb::UnfreezeInstrumentsRequest| it.transaction_password = "000000".to_owned();
        assert_eq!(reason(world.unfreeze(&person, &names, wrong).await), Reason::VerificationFailed, "{}", hub.engine);
        assert_eq!(states(&world.unfreeze(&person, &names, |_| {}).await), [pb::FreezeState::Free]);
        assert_eq!(bank.has_frozen(&account), Some(false));
    })
    .await;
}
