//! The hub is killed around each commit of signing in by web and of safety codes: a code is good once, a try counts once, a session is
//! there or not, whatever dies.

use std::os::unix::process::ExitStatusExt as _;

use bankhub::phone::Feed;
use domain::payment::{FrozenInstrument, Instrument};
use domain::sign_in::AccountPassword;
use domain::{BankId, OrderId, safety_code, sign_in};
use federation_tests::browser::{Browser, Shown};
use federation_tests::databases::Engine;
use federation_tests::payer::{Payer, another_code};
use federation_tests::world::{Setup, World};
use proto::cardholder::event::Kind;
use proto::counter::allow_safety_code_request::Instrument as Checked;
use secrecy::SecretString;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};
use server_kit::store::Store;

const ACCOUNT_PASSWORD: &str = "correct horse battery";
const SAFETY_CODE: &str = "27182818";
/// What the hub says to a form when it goes on.
const GO: u16 = 303;

fn order_id() -> OrderId {
    OrderId::from_uuid(IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid().unwrap())
}

/// A person at a PC, with the phone beside it.
struct AtPc {
    payer: Payer,
    browser: Browser,
    feed: Feed,
}

impl AtPc {
    async fn new(world: &World) -> Self {
        let payer = world.payer("bank-a", 100_000).await;
        set_account_password(&payer, &account_password_form()).await.unwrap();
        let feed = payer.person.device.follow(0);
        Self { payer, browser: Browser::at(pages(world)), feed }
    }

    /// Says the number. `Err` when the hub is gone before it has answered.
    async fn say_number(&mut self) -> std::io::Result<Shown> {
        self.browser.get("/sign-in").await?;
        let number = self.payer.number().to_owned();
        self.browser.post("/sign-in", &[("phone", &number)]).await
    }

    /// The next code that comes to the phone.
    async fn code(&mut self) -> String {
        let code = |event: &proto::cardholder::Event| match &event.kind {
            Some(Kind::SignInCode(it)) if !it.code.is_empty() => Some(it.code.clone()),
            _ => None,
        };
        self.feed.find(World::HEALING, code).await.unwrap()
    }

    /// Begins to sign in, and hears the code.
    async fn begin(&mut self) -> String {
        assert_eq!(self.say_number().await.unwrap().status, GO);
        self.browser.get("/sign-in/code").await.unwrap();
        self.code().await
    }

    async fn finish(&mut self, code: &str) -> std::io::Result<Shown> {
        self.browser.post("/sign-in/code", &[("code", code), ("password", ACCOUNT_PASSWORD)]).await
    }

    async fn is_signed_in(&mut self) -> bool {
        self.browser.get("/").await.unwrap().status == 200
    }
}

/// Whether the page says that code or password was wrong.
fn is_refused(shown: &Shown) -> bool {
    shown.status == 403 && shown.body.contains("sign-in-error")
}

fn pages(world: &World) -> std::net::SocketAddr {
    world.federation.server("hub-1").unwrap().web_address().unwrap()
}

fn account_password_form() -> sign_in::SetForm {
    let password = AccountPassword::parse(ACCOUNT_PASSWORD).unwrap();
    sign_in::SetForm { order_id: order_id(), signed_at: SystemClock.now(), password }
}

async fn set_account_password(payer: &Payer, form: &sign_in::SetForm) -> Result<(), bankhub::phone::PhoneError> {
    payer.person.device.set_account_password(form, &SecretString::from(payer.password())).await
}

async fn set_safety_code(payer: &Payer, form: &safety_code::SetForm) -> Result<(), bankhub::phone::PhoneError> {
    payer.person.device.set_safety_code(form, &SecretString::from(payer.password())).await.map(|_| ())
}

async fn is_checked(world: &World, payer: &Payer) {
    let account = Checked::AccountId(payer.person.account.to_string());
    world.counter("bank-a").await.identity_checked(order_id().uuid(), account, "ID card and photo").await.unwrap();
}

/// A hub that waits for nobody's minute to be over, and dies where it is told to.
async fn open(engine: Engine) -> World {
    Setup::on(engine).with("web.sign_ins_per_address_per_minute", "1000").start().await
}

/// Starts the hub so that it dies at this point.
async fn arm(world: &mut World, point: &str, at_pc: &mut AtPc) {
    world.arm("hub-1", point, 1).await;
    at_pc.browser.address = pages(world);
}

/// What a person's rows come to.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    sessions: i64,
    /// Of the sign-in that goes on; none when there is none.
    tries_left: Option<i64>,
    wrong_tries: i64,
    codes_told: i64,
    news: i64,
    safety_code_is_set: bool,
    wrong_safety_codes: i64,
    freeze_orders: i64,
}

async fn number(store: &Store, sql: &'static str, payer: &Payer) -> Option<i64> {
    let row = store.fetch_one(sql, vec![payer.person.id.uuid().into()]).await.unwrap()?;
    row.maybe_int(0).unwrap()
}

async fn kept(store: &Store, payer: &Payer) -> Kept {
    let count = async |sql| number(store, sql, payer).await.unwrap_or(0);
    Kept {
        sessions: count("SELECT count(*) FROM web_sessions WHERE person_id = $1").await,
        tries_left: number(store, "SELECT attempts_left FROM sign_ins WHERE person_id = $1", payer).await,
        wrong_tries: count("SELECT failures FROM account_passwords WHERE person_id = $1").await,
        codes_told: count("SELECT count(*) FROM events WHERE person_id = $1 AND kind = 'SIGN_IN_CODE'").await,
        news: count("SELECT count(*) FROM events WHERE person_id = $1 AND kind = 'NEWS'").await,
        safety_code_is_set: count("SELECT count(code_mac) FROM safety_codes WHERE person_id = $1").await == 1,
        wrong_safety_codes: count("SELECT failures FROM safety_codes WHERE person_id = $1").await,
        freeze_orders: count("SELECT count(*) FROM freeze_orders WHERE person_id = $1").await,
    }
}

/// Waits until the hub has died, looks at its books, and starts it again as it is meant to be.
async fn rise(world: &mut World, at_pc: &mut AtPc) -> Kept {
    let status = world.server("hub-1").wait_gone().await.unwrap();
    assert_eq!(status.signal(), Some(9), "the hub ended with {status} before its fault point");
    let store = world.open("hub-1").await;
    let found = kept(&store, &at_pc.payer).await;
    store.close().await;
    drop(store);
    let hub = world.server("hub-1");
    hub.set_environment(Vec::new());
    hub.start().await.unwrap();
    at_pc.browser.address = pages(world);
    found
}

async fn end(mut world: World) {
    world.federation.stop().await.unwrap();
    let store = world.open("hub-1").await;
    assert_eq!(hub::check_books(&store).await.unwrap().faults, Vec::<String>::new());
    store.close().await;
    drop(store);
    world.forget().await;
}

/// Code and password are right, and nobody answers.
async fn right_and_killed(world: &mut World) {
    let mut ann = AtPc::new(world).await;
    let code = ann.begin().await;
    arm(world, "sign_in.finish.before", &mut ann).await;
    ann.finish(&code).await.expect_err("the hub is dead");
    let found = rise(world, &mut ann).await;
    assert_eq!((found.sessions, found.tries_left, found.wrong_tries, found.news), (0, Some(3), 0, 1), "as before");
    assert!(!ann.is_signed_in().await);
    let before = ann.browser.clone();
    assert_eq!(ann.finish(&code).await.unwrap().location, "/", "the code was not used");
    assert!(ann.is_signed_in().await);
    ann.browser = before;
    assert!(is_refused(&ann.finish(&code).await.unwrap()), "once");

    let mut bob = AtPc::new(world).await;
    let code = bob.begin().await;
    arm(world, "sign_in.finish.after", &mut bob).await;
    bob.finish(&code).await.expect_err("the hub is dead");
    let found = rise(world, &mut bob).await;
    assert_eq!(
        (found.sessions, found.tries_left, found.wrong_tries, found.news),
        (1, None, 0, 2),
        "one session, told once"
    );
    assert!(!bob.is_signed_in().await, "its token went with the answer, so that it is nobody's");
    assert!(is_refused(&bob.finish(&code).await.unwrap()), "a code is good once");
}

/// The code is wrong, and nobody answers.
async fn wrong_and_killed(world: &mut World) {
    for (point, tries_left, wrong_tries) in [("sign_in.finish.before", 3, 0), ("sign_in.finish.after", 2, 1)] {
        let mut ann = AtPc::new(world).await;
        let code = ann.begin().await;
        arm(world, point, &mut ann).await;
        ann.finish(&another_code(&code)).await.expect_err("the hub is dead");
        let found = rise(world, &mut ann).await;
        assert_eq!((found.tries_left, found.wrong_tries), (Some(tries_left), wrong_tries), "{point}");
        assert_eq!(ann.finish(&code).await.unwrap().location, "/", "{point}");
        assert!(ann.is_signed_in().await);
    }
}

/// The code is on its way to the phone.
async fn code_and_killed(world: &mut World) {
    let mut ann = AtPc::new(world).await;
    arm(world, "sign_in.send.before", &mut ann).await;
    // The answer does not wait for the code, and may be lost with the hub or not.
    let _ = ann.say_number().await;
    assert_eq!(rise(world, &mut ann).await.codes_told, 0);
    let code = ann.begin().await;
    assert_eq!(ann.finish(&code).await.unwrap().location, "/", "a code that never went out is not counted");

    let mut bob = AtPc::new(world).await;
    arm(world, "sign_in.send.after", &mut bob).await;
    let begun = bob.say_number().await;
    assert_eq!(rise(world, &mut bob).await.codes_told, 1);
    let code = bob.code().await;
    if begun.is_ok_and(|shown| shown.status == GO) {
        bob.browser.get("/sign-in/code").await.unwrap();
        assert_eq!(bob.finish(&code).await.unwrap().location, "/", "the phone has the code of this browser");
    }
}

async fn signing_in(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world = open(engine).await;
    right_and_killed(&mut world).await;
    wrong_and_killed(&mut world).await;
    code_and_killed(&mut world).await;
    end(world).await;
}

#[tokio::test]
async fn f3_a_hub_killed_while_somebody_signs_in_uses_a_code_once_and_counts_a_try_once_on_sqlite() {
    signing_in(Engine::Sqlite).await;
}

#[tokio::test]
async fn f3_a_hub_killed_while_somebody_signs_in_uses_a_code_once_and_counts_a_try_once_on_postgres() {
    signing_in(Engine::Postgres).await;
}

/// A phone sets what its owner is known by elsewhere; the same form again is answered, and told once.
async fn set_and_killed(world: &mut World) {
    for (point, is_set) in [("sign_in.set.before", false), ("sign_in.set.after", true)] {
        let mut ann = AtPc::new(world).await;
        let form = sign_in::SetForm {
            password: AccountPassword::parse("another horse battery").unwrap(),
            ..account_password_form()
        };
        arm(world, point, &mut ann).await;
        set_account_password(&ann.payer, &form).await.expect_err("the hub is dead");
        assert_eq!(rise(world, &mut ann).await.news, if is_set { 2 } else { 1 }, "{point}");
        set_account_password(&ann.payer, &form).await.unwrap();
        assert_eq!(found(world, &mut ann).await.news, 2, "{point}: told once");
    }
    for (point, is_set) in [("safety_code.before", false), ("safety_code.after", true)] {
        let mut ann = AtPc::new(world).await;
        is_checked(world, &ann.payer).await;
        let code = safety_code::SafetyCode::parse(SAFETY_CODE).unwrap();
        let form = safety_code::SetForm { order_id: order_id(), signed_at: SystemClock.now(), code };
        arm(world, point, &mut ann).await;
        set_safety_code(&ann.payer, &form).await.expect_err("the hub is dead");
        let stands = rise(world, &mut ann).await;
        assert_eq!((stands.safety_code_is_set, stands.news), (is_set, if is_set { 3 } else { 2 }), "{point}");
        set_safety_code(&ann.payer, &form).await.unwrap();
        let stands = found(world, &mut ann).await;
        assert_eq!((stands.safety_code_is_set, stands.news), (true, 3), "{point}: told once");
    }
}

/// The books of a hub that is killed and started again in between, as anybody's may be.
async fn found(world: &mut World, at_pc: &mut AtPc) -> Kept {
    world.server("hub-1").kill().await.unwrap();
    let store = world.open("hub-1").await;
    let found = kept(&store, &at_pc.payer).await;
    store.close().await;
    drop(store);
    world.server("hub-1").start().await.unwrap();
    at_pc.browser.address = pages(world);
    found
}

/// A safety code is tried at the PC, where it is compared in the order's own transaction.
async fn tried_and_killed(world: &mut World) {
    let mut ann = AtPc::new(world).await;
    is_checked(world, &ann.payer).await;
    let code = safety_code::SafetyCode::parse(SAFETY_CODE).unwrap();
    let form = safety_code::SetForm { order_id: order_id(), signed_at: SystemClock.now(), code };
    set_safety_code(&ann.payer, &form).await.unwrap();
    let one_time = ann.begin().await;
    assert_eq!(ann.finish(&one_time).await.unwrap().location, "/");
    let bank_id = BankId::parse("bank-a").unwrap();
    let account = FrozenInstrument { bank_id, instrument: Instrument::Account(ann.payer.person.account) }.words();
    for (point, code, wrong, orders) in [
        ("F1.before", "31415926", 0, 0),
        ("F1.after", "31415926", 1, 0),
        ("F1.before", SAFETY_CODE, 1, 0),
        ("F1.after", SAFETY_CODE, 0, 1),
    ] {
        ann.browser.get("/freeze").await.unwrap();
        let order = ann.browser.hidden("order");
        let wish = [("order", order.as_str()), ("which", &account), ("code", code)];
        arm(world, point, &mut ann).await;
        ann.browser.post("/freeze", &wish).await.expect_err("the hub is dead");
        let stands = rise(world, &mut ann).await;
        assert_eq!((stands.wrong_safety_codes, stands.freeze_orders), (wrong, orders), "{point} with {code}");
        assert_eq!(stands.sessions, 1, "a session goes on");
        if orders == 1 {
            assert_eq!(ann.browser.post("/freeze", &wish).await.unwrap().status, GO, "sent twice, it is one order");
            assert_eq!(found(world, &mut ann).await.freeze_orders, 1);
        }
    }
}

async fn known_elsewhere(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world = open(engine).await;
    set_and_killed(&mut world).await;
    tried_and_killed(&mut world).await;
    end(world).await;
}

#[tokio::test]
async fn f1_f3_a_hub_killed_while_a_code_or_a_password_is_set_or_tried_does_it_once_on_sqlite() {
    known_elsewhere(Engine::Sqlite).await;
}

#[tokio::test]
async fn f1_f3_a_hub_killed_while_a_code_or_a_password_is_set_or_tried_does_it_once_on_postgres() {
    known_elsewhere(Engine::Postgres).await;
}
