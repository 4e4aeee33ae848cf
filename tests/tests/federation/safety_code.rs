//! From the bank's counter to a card that is frozen without a phone at hand, with real processes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bankhub::operator::OperatorError;
use bankhub::phone::freezing::name_of;
use domain::card::{Pan, Pin};
use domain::freeze::Unfreeze;
use domain::safety_code::{Policy, SafetyCode, SetForm};
use domain::{OrderId, PhoneNumber, Reason};
use federation_tests::cards::{Holder, PIN};
use federation_tests::databases::Engine;
use federation_tests::till::Till;
use federation_tests::world::{Setup, World};
use hub::bank::{Banks, LinkOptions};
use hub::directory::{Directory, DirectoryOptions, DirectoryParts};
use hub::feed::{Feed, FeedOptions, FeedParts};
use hub::freeze::{FreezeParts, Freezes};
use hub::safety_code::{SafetyCodeParts, SafetyCodes};
use hub::voice::{Desk as _, HubDesk, HubDeskParts, VoicePinPad};
use proto::common::Nature;
use proto::counter::allow_safety_code_request::Instrument;
use proto::terminal::PaymentState;
use secrecy::SecretString;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::config::SecretRef;
use server_kit::identity::Role;
use server_kit::keystore::{SealedFile, SharedKeyStore};
use server_kit::rng::{IdMaker, SystemRng};
use server_kit::store::{Owner, Store, StoreOptions};
use server_kit::tls::{ClientTls, ClientTlsConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const HOW: &str = "ID card and photo";

fn ids() -> IdMaker {
    IdMaker::new(SystemClock::shared(), SystemRng::shared())
}

fn order_id() -> OrderId {
    OrderId::from_uuid(ids().uuid().unwrap())
}

fn code(text: &str) -> SafetyCode {
    SafetyCode::parse(text).unwrap()
}

pub(super) async fn set_by_app(holder: &Holder, text: &str) -> Option<Reason> {
    let form = SetForm { order_id: order_id(), signed_at: SystemClock.now(), code: code(text) };
    let set = holder.device.set_safety_code(&form, &SecretString::from(PIN)).await;
    set.err().map(|error| error.reason().unwrap())
}

/// What became of a purchase with the card.
pub(super) async fn buy(till: &Till, world: &World, holder: &Holder) -> (PaymentState, String) {
    let card = holder.read(&world.pad("till-1"), Some(PIN));
    let payment = till.with_card(&card, Nature::Purchase, 100).await;
    (payment.state(), payment.refusal.map(|refusal| refusal.reason).unwrap_or_default())
}

pub(super) async fn check(world: &World, holder: &Holder) {
    let counter = world.counter("bank-a").await;
    let card = Instrument::CardId(holder.card.id.to_string());
    counter.identity_checked(ids().uuid().unwrap(), card, HOW).await.unwrap();
}

async fn by_counter_app_and_operator(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let world = Setup::on(engine).with_cards().with_banks(&["bank-a", "bank-b"]).start().await;
    let holder = world.holder(0, "bank-a", 100_000, 100_000).await;
    let till = world.till("till-1");
    assert_eq!(set_by_app(&holder, "314159").await, Some(Reason::SafetyCodeNotAllowed));
    let elsewhere = world.counter("bank-b").await;
    let theirs = Instrument::CardId(holder.card.id.to_string());
    let refused = elsewhere.identity_checked(ids().uuid().unwrap(), theirs, HOW).await;
    assert_eq!(refused.err().as_ref().and_then(OperatorError::reason), Some(Reason::CardUnknown));
    check(&world, &holder).await;
    assert_eq!(set_by_app(&holder, "314159").await, None);
    let standing = holder.device.safety_code().await.unwrap();
    assert!(standing.set_at.is_some() && standing.open_until.is_none());

    assert_eq!(buy(&till, &world, &holder).await.0, PaymentState::Approved);
    let operator = world.federation.operator().unwrap();
    let frozen = operator.freeze_lost(order_id(), holder.person, "lost bag").await.unwrap();
    assert!(frozen.iter().all(|it| it.frozen_since.is_some()), "{frozen:?}");
    assert_eq!(buy(&till, &world, &holder).await, (PaymentState::Declined, "CARD_FROZEN".to_owned()));
    let instruments = holder.device.instruments().await.unwrap().iter().filter_map(name_of).collect();
    let unfreeze = Unfreeze { order_id: order_id(), signed_at: SystemClock.now(), instruments };
    holder.device.unfreeze(&unfreeze, &SecretString::from(PIN)).await.unwrap();
    assert_eq!(buy(&till, &world, &holder).await.0, PaymentState::Approved);
    world.settled().await;
}

#[tokio::test]
async fn f1_f3_f4_from_the_counter_to_a_code_and_from_a_loss_to_a_card_that_pays_again() {
    by_counter_app_and_operator(Engine::Sqlite).await;
    by_counter_app_and_operator(Engine::Postgres).await;
}

/// The desk of a replica of the hub of this federation, and its tasks.
async fn desk(world: &World) -> (HubDesk, Store, Vec<JoinHandle<()>>) {
    let member = world.federation.server("hub-1").unwrap().member();
    let master = SecretRef::File(member.master()).read().unwrap();
    let keys: SharedKeyStore = Arc::new(SealedFile::open(&member.sealed_keys(), &master).unwrap());
    let (clock, rng) = (SystemClock::shared(), SystemRng::shared());
    let options = StoreOptions::new(&world.database_url("hub-1"));
    let store = Store::open(&options, &hub::migrations(), clock.clone()).await.unwrap();
    let (name, mark) = ("hub-desk".to_owned(), ids().uuid().unwrap());
    let owner = Arc::new(Owner::take(&store, &name, mark).await.unwrap());
    let parts = DirectoryParts {
        store: store.clone(),
        keys: keys.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        replica: name.clone(),
    };
    let (directory, directing) = Directory::start(parts, DirectoryOptions::default());
    let files = ClientTlsConfig {
        server_ca: world.federation.authority_certificate(),
        certificate: Some(member.certificate()),
        key: Some(SecretRef::File(member.key())),
    };
    let tls = ClientTls::load(&files, world.federation.name()).unwrap();
    let banks = Banks::new(directory.clone(), tls, LinkOptions { timeout: Duration::from_secs(10), tries: 1 });
    let parts = FeedParts {
        store: store.clone(),
        keys: keys.clone(),
        clock: clock.clone(),
        replica: mark,
        followers: Vec::new(),
        draining: CancellationToken::new(),
    };
    let feed = Feed::new(parts, FeedOptions::default());
    let payments = domain::payment::Policy::default();
    let (freezes, freezing) = Freezes::start(FreezeParts {
        store: store.clone(),
        keys: keys.clone(),
        clock: clock.clone(),
        banks: banks.clone(),
        feed: feed.clone(),
        owner: owner.clone(),
        policy: payments.clone(),
        safety: Policy::default(),
    });
    let (safety_codes, coding) = SafetyCodes::start(SafetyCodeParts {
        store: store.clone(),
        keys,
        clock,
        feed,
        owner,
        policy: Policy::default(),
        payments,
    });
    let till = world.federation.member(Role::Terminal, "till-1").unwrap();
    let key = SecretString::from(std::fs::read_to_string(till.pin_key()).unwrap());
    let desk = HubDesk::new(HubDeskParts {
        store: store.clone(),
        directory,
        banks,
        freezes,
        safety_codes,
        rng,
        pin_pad: Some(Arc::new(VoicePinPad::new("till-1", &key).unwrap())),
        calls_per_number_per_minute: NonZeroU32::new(100).unwrap(),
        calls_in_all_per_minute: NonZeroU32::new(1_000).unwrap(),
    });
    (desk, store, vec![directing, freezing, coding])
}

#[tokio::test]
async fn f1_f2_f4_a_caller_sets_a_code_by_card_and_pin_and_freezes_what_no_till_charges_any_more() {
    if !Engine::Postgres.is_there() {
        return;
    }
    let world = Setup::on(Engine::Postgres).with_cards().start().await;
    let holder = world.holder(0, "bank-a", 100_000, 100_000).await;
    let till = world.till("till-1");
    assert_eq!(buy(&till, &world, &holder).await.0, PaymentState::Approved);
    let (desk, store, tasks) = desk(&world).await;
    let (pan, pin, wrong): (&Pan, _, _) = (&holder.card.pan, Pin::parse(PIN).unwrap(), Pin::parse("000000").unwrap());
    let set = async |phone: &PhoneNumber, pin: &Pin| desk.set_safety_code(phone, pan, pin, &code("314159")).await;
    assert_eq!(set(&holder.phone, &pin).await, Err(Reason::SafetyCodeCardRefused), "nobody has checked");
    check(&world, &holder).await;
    assert_eq!(set(&holder.phone, &wrong).await, Err(Reason::SafetyCodeCardRefused));
    let stranger = PhoneNumber::parse("+8613700137000").unwrap();
    for _ in 0..3 {
        assert_eq!(set(&stranger, &wrong).await, Err(Reason::SafetyCodeCardRefused));
    }
    assert_eq!(set(&holder.phone, &pin).await, Ok(()), "a stranger's tries have locked nothing");

    let frozen = desk.freeze(&holder.phone, &code("314159"), order_id()).await.unwrap();
    assert!(frozen.iter().all(|at| at.frozen_since().is_some()), "{frozen:?}");
    assert_eq!(buy(&till, &world, &holder).await, (PaymentState::Declined, "CARD_FROZEN".to_owned()));
    let heard = desk.last_purchases(&holder.phone, &code("314159"), 5).await.unwrap();
    assert_eq!((heard.len(), heard[0].amount.minor), (1, 100));
    assert!(pan.reveal().ends_with(&heard[0].last_four) && heard[0].last_four.len() == 4);
    let refused = desk.unfreeze(&holder.phone, &code("161803"), order_id()).await;
    assert_eq!(refused.err(), Some(Reason::SafetyCodeRefused));
    let free = desk.unfreeze(&holder.phone, &code("314159"), order_id()).await.unwrap();
    assert!(free.iter().all(hub::voice::AtBank::is_free), "{free:?}");
    assert_eq!(buy(&till, &world, &holder).await.0, PaymentState::Approved);

    drop(desk);
    for task in tasks {
        task.await.unwrap();
    }
    store.close().await;
    world.settled().await;
}
