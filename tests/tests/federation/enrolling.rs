//! A phone is enrolled by a code that comes by SMS, over the line of an SMSC that is somebody else's program, and over SIGKILL of the hub.

use bankhub::carrier::Carrier;
use bankhub::phone::{DeviceKey, Enrolment, Phone, PhoneError};
use domain::{PersonId, PhoneNumber, Reason};
use federation_tests::databases::Engine;
use federation_tests::peers::Peer;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use secrecy::SecretString;
use serde_json::Value;
use tonic::transport::Channel;

use crate::channels_killed::{by_sms, texts};
use crate::sign_up::{CITIZEN, applicant, decided, new_id};

const NUMBER: &str = "+8613800138000";
const PASSWORD: &str = "271828";

fn number() -> PhoneNumber {
    PhoneNumber::parse(NUMBER).unwrap()
}

async fn ask(channel: Channel) {
    let asked = async || Phone::ask_enrolment_code(channel.clone(), &number()).await.ok();
    let good_for = until("the hub to take the request", World::HEALING, asked).await;
    assert_eq!(good_for.as_secs(), 600);
}

/// The codes of eight digits that have come to the number.
fn codes(state: &Value) -> Vec<String> {
    let runs = |text: &String| text.split(|c: char| !c.is_ascii_digit()).map(str::to_owned).collect::<Vec<_>>();
    texts(state).iter().flat_map(runs).filter(|run| run.len() == 8).collect()
}

async fn enrol(world: &World, code: &str, password: &str) -> Result<Phone, PhoneError> {
    let enrolment = Enrolment {
        phone: number(),
        code: SecretString::from(code),
        transaction_password: Some(SecretString::from(password)),
    };
    Phone::enrol(world.federation.phone_channel().unwrap(), DeviceKey::generate().unwrap(), &enrolment).await
}

/// Somebody whom a carrier has signed up, at a hub that sends SMS.
async fn signed_up(world: &mut World, smsc: &Peer) -> (Carrier, PersonId) {
    by_sms(world, smsc);
    world.restart("hub-1").await;
    let carrier = world.federation.carrier("east", &["bank-a"]).await.unwrap();
    let id = new_id(&carrier);
    carrier.sign_up(applicant(NUMBER, "王小明", CITIZEN, None).request(id)).await.unwrap();
    decided(&carrier, id).await;
    let inspected = world.federation.operator().unwrap().inspect_sign_up(id).await.unwrap();
    (carrier, PersonId::parse(&inspected.person_id).unwrap())
}

async fn from_the_carriers_shop_to_the_phone(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let Some(smsc) = Peer::smsc("hub", "secret").await else { return };
    let mut world = Setup::on(engine).start().await;
    let (_, person) = signed_up(&mut world, &smsc).await;
    let channel = world.federation.phone_channel().unwrap();
    let stranger = PhoneNumber::parse("+8613900139000").unwrap();
    assert_eq!(Phone::ask_enrolment_code(channel, &stranger).await.unwrap().as_secs(), 600);
    ask(world.federation.phone_channel().unwrap()).await;
    let state = smsc.becomes("the code", |state| codes(state).len() == 1).await;
    let sent = state["texts"].as_array().unwrap();
    assert!(sent.iter().all(|it| it["to"] == sent[0]["to"]), "nothing goes to a number of nobody: {state}");
    let code = &codes(&state)[0];
    let phone = enrol(&world, code, PASSWORD).await.unwrap();
    assert_eq!(phone.person_id(), person);
    let used = enrol(&world, code, PASSWORD).await;
    assert_eq!(used.err().and_then(|error| error.reason()), Some(Reason::EnrolmentRefused));
    smsc.becomes("the person is told", |state| texts(state).iter().any(|text| text.contains("短信登记码"))).await;
    world.settled().await;
}

#[tokio::test]
async fn s1_m1_a_person_whom_a_carrier_signed_up_enrols_a_phone_by_sms_without_an_operator() {
    from_the_carriers_shop_to_the_phone(Engine::Sqlite).await;
    from_the_carriers_shop_to_the_phone(Engine::Postgres).await;
}

#[tokio::test]
async fn s1_a_code_reaches_the_phone_and_counts_when_the_hub_dies_while_it_is_sent() {
    let Some(smsc) = Peer::smsc("hub", "secret").await else { return };
    let mut world = Setup::on(Engine::Sqlite).with("notify.send_within", "1s").start().await;
    signed_up(&mut world, &smsc).await;
    let before = texts(&smsc.state().await).len();
    assert!(before <= 1, "the news of the sign-up at most");
    smsc.becomes("the news of the sign-up", |state| texts(state).len() == 1).await;
    world.arm("hub-1", "hub.notify.leased", 1).await;
    let channel = world.federation.phone_channel().unwrap();
    let ((), ()) = tokio::join!(ask(channel), world.rise_again("hub-1"));
    let state = smsc.becomes("the code", |state| !codes(state).is_empty()).await;
    let code = codes(&state).pop().unwrap();
    enrol(&world, &code, PASSWORD).await.unwrap();
    world.settled().await;
}
