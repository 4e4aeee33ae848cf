//! What somebody does at a terminal besides paying, with real processes: signed up by a carrier, activated, with a password set, changed and
//! reset, and cash paid in; the code comes by SMS, since there is no app yet.

use bankhub::carrier::Carrier;
use bankhub::terminal::{Errand, ErrandProof, ErrandState, Pad, Terminal};
use domain::errand::ErrandKind;
use domain::{AccountId, BankId, PersonId, PhoneNumber, Reason, TerminalId};
use federation_tests::databases::Engine;
use federation_tests::peers::Peer;
use federation_tests::till::fen;
use federation_tests::world::{Setup, World};
use proto::carrier as pb;
use proto::terminal::PaymentState;
use secrecy::SecretString;

use super::channels_killed::{by_sms, code_in, texts};
use super::sign_up::{CITIZEN, applicant, decided, new_id};
use crate::reason;

const PHONE: &str = "+8613800138000";

/// The terminal, and its PIN pad with a key that the hub has.
async fn with_pad(world: &World, key: &str) -> (Terminal, Pad) {
    let key = SecretString::from(key);
    let id = TerminalId::parse("till-1").unwrap();
    world.federation.operator().unwrap().set_pin_pad_key(&id, &key).await.unwrap();
    (world.federation.terminal("till-1").unwrap(), Pad::new("till-1", &key).unwrap())
}

/// Signs somebody up whose account waits to be activated.
async fn signed_up(world: &World, carrier: &Carrier) -> (PersonId, AccountId) {
    let wang = applicant(PHONE, "王小明", CITIZEN, Some("bank-a"));
    let id = new_id(carrier);
    carrier.sign_up(wang.request(id)).await.unwrap();
    assert_eq!(decided(carrier, id).await.state(), pb::SignUpState::SignedUp);
    let inspected = world.federation.operator().unwrap().inspect_sign_up(id).await.unwrap();
    (PersonId::parse(&inspected.person_id).unwrap(), AccountId::parse(&inspected.account_id).unwrap())
}

fn proof(code: &str, known: Option<&str>, new_password: Option<&str>) -> ErrandProof {
    ErrandProof {
        code: SecretString::from(code),
        known: known.map(SecretString::from),
        new_password: new_password.map(SecretString::from),
    }
}

/// The code of the newest text that has one of six digits and speaks of this.
async fn code_by_sms(smsc: &Peer, of: &str, count: usize) -> String {
    let speaks = |state: &serde_json::Value| texts(state).iter().filter(|text| text.contains(of)).count() >= count;
    let state = smsc.becomes("the code", speaks).await;
    code_in(texts(&state).iter().rfind(|text| text.contains(of)).unwrap())
}

async fn done(terminal: &Terminal, pad: &Pad, begun: &Errand, proof: &ErrandProof) -> Errand {
    terminal.prove_errand(begun.id, proof, Some(pad)).await.unwrap()
}

async fn from_the_carrier_to_the_first_payment(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let Some(smsc) = Peer::smsc("hub", "secret").await else { return };
    let mut world = Setup::on(engine).start().await;
    by_sms(&mut world, &smsc);
    world.restart("hub-1").await;
    let carrier = world.federation.carrier("east", &["bank-a"]).await.unwrap();
    let (person, account) = signed_up(&world, &carrier).await;
    let (terminal, pad) = with_pad(&world, "00112233445566778899aabbccddeeff").await;
    let phone = PhoneNumber::parse(PHONE).unwrap();
    let till = world.till("till-1");
    let refused = till.insist(async |till| till.create_for(&till.new_id(), PHONE, fen(100)).await).await;
    assert_eq!(reason(&refused), "PAYER_UNAVAILABLE", "not active yet");

    let begun = terminal.begin_errand(ErrandKind::Activate, &phone).await.unwrap();
    let code = code_by_sms(&smsc, "激活号码", 1).await;
    assert_eq!(done(&terminal, &pad, &begun, &proof(&code, None, None)).await.state, ErrandState::Done);
    let begun = terminal.begin_errand(ErrandKind::SetPassword, &phone).await.unwrap();
    let code = code_by_sms(&smsc, "设置交易密码", 1).await;
    assert_eq!(done(&terminal, &pad, &begun, &proof(&code, None, Some("271828"))).await.state, ErrandState::Done);
    let begun = terminal.begin_errand(ErrandKind::ChangePassword, &phone).await.unwrap();
    let code = code_by_sms(&smsc, "修改交易密码", 1).await;
    let wrong = done(&terminal, &pad, &begun, &proof(&code, Some("999999"), Some("314159"))).await;
    assert_eq!((wrong.state, wrong.reason()), (ErrandState::Waiting, Some(Reason::VerificationFailed)));
    let changed = done(&terminal, &pad, &begun, &proof(&code, Some("271828"), Some("314159"))).await;
    assert_eq!(changed.state, ErrandState::Done);
    assert!(terminal.open_errands().is_empty());

    // Paid in in cash, and spent by number, code and the password that was just set.
    let paid = till.insist(async |till| till.top_up(&till.new_id(), PHONE, fen(5_000)).await).await;
    assert_eq!(paid.state(), PaymentState::Approved);
    let id = till.new_id();
    till.insist(async |till| till.create_for(&id, PHONE, fen(1_250)).await).await;
    let code = code_by_sms(&smsc, "12.50", 1).await;
    let attempt = till.new_id();
    till.insist(async |till| till.authorize(&id, &attempt, &code, "314159").await).await;
    assert_eq!(till.outcome(&id).await.state(), PaymentState::Approved);
    let counter = world.federation.operator().unwrap().counter(&BankId::parse("bank-a").unwrap()).await.unwrap();
    assert_eq!(counter.account(account).await.unwrap().available.unwrap().minor_units, 5_000 - 1_250);
    assert!(world.federation.operator().unwrap().enrolment_code(person).await.is_ok());
    drop(terminal);
    world.settled().await;
}

#[tokio::test]
async fn m3_signed_up_activated_with_a_password_topped_up_and_paid_on_sqlite() {
    from_the_carrier_to_the_first_payment(Engine::Sqlite).await;
}

#[tokio::test]
async fn m3_signed_up_activated_with_a_password_topped_up_and_paid_on_postgresql() {
    from_the_carrier_to_the_first_payment(Engine::Postgres).await;
}

/// The hub dies while it changes a password: it is the new one or the old one, and the terminal that sends the same try again hears which.
async fn killed_at(engine: Engine, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let payer = world.payer("bank-a", 10_000).await;
    let (terminal, pad) = with_pad(&world, "0f0e0d0c0b0a09080706050403020100").await;
    let begun = terminal.begin_errand(ErrandKind::ChangePassword, &payer.person.phone).await.unwrap();
    let code = payer.errand_code(&begun.id.to_string()).await;
    world.arm("hub-1", point, 1).await;
    let typed = proof(&code, Some(payer.password()), Some("314159"));
    let (changed, ()) = tokio::join!(done(&terminal, &pad, &begun, &typed), world.rise_again("hub-1"));
    assert_eq!(changed.state, ErrandState::Done, "{point}: {changed:?}");
    assert_eq!(terminal.get_errand(begun.id).await.unwrap(), changed);
    let till = world.till("till-1");
    let (id, code) = till.begin(&payer, fen(1_250)).await;
    let attempt = till.new_id();
    till.insist(async |till| till.authorize(&id, &attempt, &code, "314159").await).await;
    assert_eq!(till.outcome(&id).await.state(), PaymentState::Approved, "{point}");
    drop(terminal);
    world.settled().await;
}

kill! {
    m3_a_hub_killed_before_a_password_is_changed_changes_it_once: "errand.prove.before";
    m3_a_hub_killed_after_a_password_is_changed_has_changed_it: "errand.prove.after";
}
