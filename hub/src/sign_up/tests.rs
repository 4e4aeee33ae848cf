//! Sign-ups and numbers on both engines, between carriers and two banks that the test plays.

mod numbers;
mod refused;

use std::sync::Arc;
use std::time::Duration;

use domain::sign_up::State;
use domain::{BankId, PersonId, PhoneNumber, Reason, SignUpId};
use proto::carrier as pb;
use proto::carrier::carrier_service_server::CarrierService as _;
use proto::operator;
use server_kit::audit;
use server_kit::identity::Role;
use server_kit::store::Owner;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{CarrierApi, SignUpParts, SignUps, sql};
use crate::bank::{Banks, LinkOptions};
use crate::directory::{Directory, DirectoryOptions};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::lookups::LookupsConfig;
use crate::testing::bank::{Play, PlayedBank};
use crate::testing::{TestHub, from_member, on_each_engine, reason};
use crate::zone::Zone;

const PHONE: &str = "+8613800138000";
const NAME: &str = "王小明";
const CITIZEN: &str = "11010519491231002X";
/// How long something may take that a test waits for, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct World {
    hub: TestHub,
    banks: [PlayedBank; 2],
    directory: Directory,
    sign_ups: SignUps,
    api: CarrierApi,
}

impl World {
    /// Two banks, and the carriers `east` and `west` that sign people up at both.
    async fn open(hub: &TestHub) -> Self {
        let banks = [PlayedBank::default(), PlayedBank::default()];
        let mut tx = hub.store.begin().await.unwrap();
        for (id, bank) in ["bank-a", "bank-b"].into_iter().zip(&banks) {
            let sql =
                "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ($1, 1, $2, $3, 0)";
            let args = vec![id.into(), id.to_uppercase().into(), bank.open().await.into()];
            tx.execute(sql, args).await.unwrap();
        }
        tx.commit().await.unwrap();
        let world = Self::replica(hub, banks, "hub-1").await;
        for carrier in ["east", "west"] {
            world.register(carrier, &["bank-a", "bank-b"], false).await.unwrap();
        }
        world
    }

    async fn replica(hub: &TestHub, banks: [PlayedBank; 2], name: &str) -> Self {
        Self::with(hub, banks, name, LookupsConfig::default()).await
    }

    async fn with(hub: &TestHub, banks: [PlayedBank; 2], name: &str, lookups: LookupsConfig) -> Self {
        let parts = hub.directory_parts(name);
        // What is cached never ends by itself here, so that a test sees when it is forgotten.
        let options =
            DirectoryOptions { cache_ttl: Duration::from_secs(3_600), lookups, ..DirectoryOptions::default() };
        let (directory, _) = Directory::start(parts, options);
        let links = Banks::played(directory.clone(), LinkOptions { timeout: Duration::from_secs(5), tries: 1 });
        let mark = hub.id();
        let feed = Feed::new(
            FeedParts {
                store: hub.store.clone(),
                keys: hub.keys.clone(),
                clock: hub.clock(),
                replica: mark,
                followers: Vec::new(),
                draining: CancellationToken::new(),
            },
            FeedOptions::default(),
        );
        let (sign_ups, _) = SignUps::start(SignUpParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            ids: hub.ids.clone(),
            directory: directory.clone(),
            banks: links,
            feed,
            owner: Arc::new(Owner::take(&hub.store, name, mark).await.unwrap()),
            zone: Zone::shanghai(),
        });
        let api = CarrierApi::new(sign_ups.clone(), CancellationToken::new());
        Self { hub: hub.clone(), banks, directory, sign_ups, api }
    }

    /// The next replica after this one was killed: nothing of its memory is left.
    async fn killed(self) -> Self {
        let name = format!("hub-{}", self.hub.id());
        Self::replica(&self.hub, self.banks, &name).await
    }

    async fn register(&self, carrier: &str, banks: &[&str], suspended: bool) -> Result<operator::Carrier, Status> {
        let carrier = operator::Carrier {
            carrier_id: carrier.to_owned(),
            display_name: format!("{carrier} Mobile"),
            bank_ids: banks.iter().map(|bank| (*bank).to_owned()).collect(),
            suspended,
        };
        let request = operator::RegisterCarrierRequest { carrier: Some(carrier) };
        Ok(self.sign_ups.register_carrier("anna".to_owned(), request).await?.carrier.unwrap())
    }

    /// What `east` and `west` send for the person of these tests.
    fn request(&self, bank: &str) -> pb::SignUpRequest {
        pb::SignUpRequest {
            sign_up_id: self.hub.id().to_string(),
            phone_number: PHONE.to_owned(),
            name: NAME.to_owned(),
            citizen_number: CITIZEN.to_owned(),
            bank_id: bank.to_owned(),
            consent: Some(pb::SignUpConsent {
                terms_version: "2026-11".to_owned(),
                given_how: "shop 12, on paper".to_owned(),
                given_at: Some(proto::to_timestamp(self.hub.clock().now())),
            }),
        }
    }

    async fn ask(&self, carrier: &str, request: pb::SignUpRequest) -> Result<pb::SignUp, Status> {
        let answer = self.api.sign_up(from_member(Role::Carrier, carrier, request)).await?;
        Ok(answer.into_inner().sign_up.unwrap())
    }

    async fn stored(&self, request: &pb::SignUpRequest) -> sql::Stored {
        let id = SignUpId::parse(&request.sign_up_id).unwrap();
        sql::find(&self.hub.store, id).await.unwrap().unwrap()
    }

    /// Goes on until it has come to this state. What is put off for seconds is looked at at once.
    async fn comes_to(&self, request: &pb::SignUpRequest, state: State) -> sql::Stored {
        let coming = async {
            loop {
                let stored = self.stored(request).await;
                if stored.sign_up.state == state {
                    return stored;
                }
                self.sign_ups.carry(stored.sign_up).await;
                // Another task may be at it, which is not waited for otherwise.
                tokio::time::sleep(PAUSE).await;
            }
        };
        match tokio::time::timeout(PATIENCE, coming).await {
            Ok(stored) => stored,
            Err(_) => {
                panic!("{}: it never came to {state:?}: {:?}", self.hub.engine, self.stored(request).await.sign_up)
            }
        }
    }

    /// Signs up, and waits until everybody knows.
    async fn signed_up(&self, carrier: &str, request: pb::SignUpRequest) -> sql::Stored {
        self.ask(carrier, request.clone()).await.unwrap();
        self.comes_to(&request, State::Told).await
    }

    async fn answers(&self, carrier: &str) -> Vec<pb::Answer> {
        let request = pb::ListAnswersRequest::default();
        self.api.list_answers(from_member(Role::Carrier, carrier, request)).await.unwrap().into_inner().answers
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch(sql, Vec::new()).await.unwrap()[0].int(0).unwrap()
    }

    /// Who pays by this number.
    async fn payer(&self, phone: &str) -> Option<PersonId> {
        let payer = self.directory.payer_by_phone(&PhoneNumber::parse(phone).unwrap()).await.unwrap();
        payer.map(|payer| payer.person_id)
    }

    /// The bank that the number pays from.
    async fn pays_from(&self, phone: &str) -> Option<BankId> {
        let payer = self.directory.payer_by_phone(&PhoneNumber::parse(phone).unwrap()).await.unwrap();
        payer.and_then(|payer| payer.instrument.as_ref().map(|paying| paying.bank_id.clone()))
    }

    /// The books and the log are whole.
    async fn is_whole(&self) {
        let books = crate::check_books(&self.hub.store).await.unwrap();
        assert_eq!(books.faults, Vec::<String>::new(), "{}", self.hub.engine);
        for chain in audit::verify(&self.hub.store, self.hub.keys.as_ref()).await.unwrap() {
            assert_eq!(chain.faults, Vec::<String>::new(), "{}", self.hub.engine);
        }
    }
}

#[tokio::test]
async fn m1_m2_a_carrier_signs_somebody_up_and_carrier_bank_and_person_are_told_once() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        assert_eq!(world.payer(PHONE).await, None, "it is cached that nobody has the number");
        let request = world.request("bank-b");
        assert_eq!(world.ask("east", request.clone()).await.unwrap().state(), pb::SignUpState::Pending);
        let told = world.comes_to(&request, State::Told).await;
        assert_eq!(told.sealed, None, "who it is is not kept with the sign-up");
        let (person, masked) = told.sign_up.bound.clone().unwrap();
        assert_eq!(world.payer(PHONE).await, Some(person), "{}: the number pays at once", hub.engine);
        assert_eq!(world.pays_from(PHONE).await, BankId::parse("bank-b").ok());
        assert_eq!(world.banks[1].openings(), (1, 1));
        let answers = world.answers("east").await;
        assert_eq!((answers.len(), answers[0].sequence), (1, 1));
        let said = answers[0].sign_up.clone().unwrap();
        assert_eq!((said.state(), said.account_masked), (pb::SignUpState::SignedUp, masked));
        assert_eq!(world.answers("west").await, []);
        let again = world.ask("east", request.clone()).await.unwrap();
        assert_eq!(again.state(), pb::SignUpState::SignedUp, "the same id again is the same sign-up");
        assert_eq!(world.count("SELECT count(*) FROM events WHERE topic = 'SECURITY'").await, 1);
        world.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn m1_one_person_has_several_banks_and_several_numbers_and_is_one() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let first = world.signed_up("east", world.request("")).await;
        assert_eq!(world.pays_from(PHONE).await, BankId::parse("bank-a").ok(), "the first in turn");
        let second = world.signed_up("east", world.request("")).await;
        assert_eq!(world.pays_from(PHONE).await, BankId::parse("bank-b").ok(), "{}: a change of bank", hub.engine);
        let other = pb::SignUpRequest { phone_number: "+8613900139000".to_owned(), ..world.request("bank-a") };
        let third = world.signed_up("west", other).await;
        let persons = [&first, &second, &third].map(|stored| stored.sign_up.bound.clone().unwrap().0);
        assert!(persons.iter().all(|person| *person == persons[0]));
        assert_eq!(world.payer("+8613900139000").await, Some(persons[0]));
        assert_eq!(
            world.pays_from("+8613900139000").await,
            BankId::parse("bank-b").ok(),
            "a number moves nobody's money"
        );
        assert_eq!(world.count("SELECT count(*) FROM persons").await, 1);
        assert_eq!(world.count("SELECT count(*) FROM bindings").await, 3);
        let full = world.request("bank-a");
        world.ask("east", full.clone()).await.unwrap();
        let refused = world.comes_to(&full, State::Refused).await;
        assert_eq!(refused.sign_up.refusal, Some(Reason::AlreadySignedUp), "{}", hub.engine);
        world.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn m2_lost_answers_and_dead_replicas_open_one_account_and_make_one_person() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let plays = [Play::LoseCall, Play::LoseAnswer, Play::Refuse(Reason::IdentityAway), Play::LoseAnswer];
        world.banks[0].play_openings(&plays);
        let request = world.request("bank-a");
        world.ask("east", request.clone()).await.unwrap();
        for _ in 0..4 {
            world = world.killed().await;
            let stored = world.stored(&request).await;
            assert!(stored.sign_up.due_at.is_some(), "{}: somebody will look at it", hub.engine);
            world.sign_ups.carry(stored.sign_up).await;
        }
        let told = world.comes_to(&request, State::Told).await;
        assert_eq!(world.banks[0].openings().0, 1, "{}", hub.engine);
        assert_eq!(world.payer(PHONE).await, Some(told.sign_up.bound.unwrap().0));
        assert_eq!(world.answers("east").await.len(), 1);
        assert_eq!(world.count("SELECT count(*) FROM persons").await, 1);
        world.is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn m1_answers_are_streamed_as_they_are_decided_each_once() {
    use futures_util::StreamExt as _;

    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let watch = pb::WatchAnswersRequest { after_sequence: 0 };
        let stream = world.api.watch_answers(from_member(Role::Carrier, "east", watch)).await.unwrap();
        let mut stream = stream.into_inner();
        for n in 1..=3 {
            let request = pb::SignUpRequest {
                phone_number: format!("+861390013900{n}"),
                ..world.request(if n == 2 { "bank-a" } else { "bank-b" })
            };
            world.signed_up("east", request.clone()).await;
            let answer = stream.next().await.unwrap().unwrap().answer.unwrap();
            assert_eq!(answer.sequence, n, "{}", hub.engine);
            assert_eq!(answer.sign_up.unwrap().sign_up_id, request.sign_up_id);
        }
        world.register("east", &["bank-a"], true).await.unwrap();
        let ended = stream.next().await.unwrap();
        assert_eq!(reason(ended), Reason::CarrierSuspended, "{}: a suspended carrier hears no more", hub.engine);
    })
    .await;
}
