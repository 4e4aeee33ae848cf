//! Carriers sign people up and speak of their numbers, with real processes.

use std::time::Duration;

use bankhub::carrier::{Applicant, Carrier, CarrierError};
use bankhub::identity_simulator::{Rule, Rules, SimulatedAnswer};
use bankhub::phone::{DeviceKey, Enrolment, Phone};
use bankhub::trial::Person;
use domain::sign_up::{CitizenNumber, PersonName};
use domain::{AccountId, BankId, Currency, Money, PersonId, PhoneNumber, Reason, SignUpId};
use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::till::fen;
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use proto::cardholder::event::Kind;
use proto::carrier as pb;
use proto::counter::allow_safety_code_request::Instrument;
use proto::terminal::PaymentState;
use secrecy::{ExposeSecret as _, SecretString};

use crate::reason;

pub(super) const CITIZEN: &str = "11010519491231002X";
const OTHER: &str = "440524188001010014";
const PASSWORD: &str = "271828";

pub(super) fn applicant(phone: &str, name: &str, citizen: &str, bank: Option<&str>) -> Applicant {
    Applicant {
        phone: PhoneNumber::parse(phone).unwrap(),
        name: PersonName::parse(name).unwrap(),
        citizen: CitizenNumber::stored(citizen).unwrap(),
        bank: bank.map(|bank| BankId::parse(bank).unwrap()),
        terms: "2026-11".to_owned(),
        how: "shop 12, on paper".to_owned(),
    }
}

pub(super) fn new_id(carrier: &Carrier) -> SignUpId {
    SignUpId::from_uuid(carrier.new_id().unwrap())
}

/// Waits until a sign-up is decided.
pub(super) async fn decided(carrier: &Carrier, id: SignUpId) -> pb::SignUp {
    let look = async || carrier.get(id).await.ok().filter(|it| it.state() != pb::SignUpState::Pending);
    until("the sign-up to be decided", World::HEALING, look).await
}

/// Signs somebody up.
async fn sign_up(carrier: &Carrier, applicant: &Applicant) -> (SignUpId, pb::SignUp) {
    let id = new_id(carrier);
    carrier.sign_up(applicant.request(id)).await.unwrap();
    (id, decided(carrier, id).await)
}

fn why(sign_up: &pb::SignUp) -> &str {
    sign_up.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str())
}

/// Somebody who was signed up, with money in the account and a phone that is enrolled.
async fn with_phone(world: &World, id: SignUpId, applicant: &Applicant, balance_minor: i64) -> Payer {
    let operator = world.federation.operator().unwrap();
    let inspected = operator.inspect_sign_up(id).await.unwrap();
    assert_eq!(inspected.state, "TOLD");
    let person = PersonId::parse(&inspected.person_id).unwrap();
    let account = AccountId::parse(&inspected.account_id).unwrap();
    let bank = BankId::parse(&inspected.bank_id).unwrap();
    let counter = operator.counter(&bank).await.unwrap();
    counter.deposit(account, Money::new(Currency::CNY, balance_minor)).await.unwrap();
    let issued = operator.enrolment_code(person).await.unwrap();
    let enrolment = Enrolment {
        phone: applicant.phone.clone(),
        code: SecretString::from(issued.enrolment_code),
        transaction_password: Some(SecretString::from(PASSWORD)),
    };
    let channel = world.federation.phone_channel().unwrap();
    let device = Phone::enrol(channel, DeviceKey::generate().unwrap(), &enrolment).await.unwrap();
    Payer::new(Person {
        id: person,
        name: applicant.name.as_str().to_owned(),
        phone: applicant.phone.clone(),
        bank: bank.to_string(),
        account,
        account_masked: String::new(),
        password: SecretString::from(PASSWORD),
        device,
    })
}

async fn from_the_shop_to_the_first_payment(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let world = Setup::on(engine).with_banks(&["bank-a", "bank-b"]).start().await;
    let carrier = world.federation.carrier("east", &["bank-a", "bank-b"]).await.unwrap();
    let mut watched = carrier.watch(0).await.unwrap();
    let wang = applicant("+8613800138000", "王小明", CITIZEN, Some("bank-b"));
    let (id, signed_up) = sign_up(&carrier, &wang).await;
    assert_eq!((signed_up.state(), signed_up.bank_id.as_str()), (pb::SignUpState::SignedUp, "bank-b"), "{signed_up:?}");
    assert!(signed_up.account_masked.starts_with("****"), "{signed_up:?}");
    let answer = bounded("the answer", Duration::from_secs(10), watched.message()).await.unwrap().unwrap();
    let answer = answer.answer.unwrap();
    assert_eq!((answer.sequence, answer.sign_up.unwrap().sign_up_id), (1, id.to_string()));
    assert_eq!(world.federation.identity().asked(), 1);

    let payer = with_phone(&world, id, &wang, 10_000).await;
    let mut feed = payer.person.device.follow(0);
    let first = bounded("the news", Duration::from_secs(10), feed.next()).await.unwrap();
    let Some(Kind::News(news)) = first.kind else { panic!("{first:?}") };
    assert!(news.subject_id == id.to_string() && first.sequence == 1, "the phone is told: {news:?}");
    let till = world.till("till-1");
    till.sell(&payer, fen(1_250)).await;
    assert_eq!(world.available(&payer).await, 10_000 - 1_250);

    // A change of bank: another account, and the one that pays from now on. The same sign-up again is the same.
    let request = applicant("+8613800138000", "王小明", CITIZEN, None).request(new_id(&carrier));
    let second = SignUpId::parse(&request.sign_up_id).unwrap();
    carrier.sign_up(request.clone()).await.unwrap();
    let changed = decided(&carrier, second).await;
    assert_eq!(changed.bank_id, "bank-a");
    assert_eq!(carrier.sign_up(request).await.unwrap(), changed);
    let poor = till.pay(&payer, fen(1_250)).await;
    assert_eq!(reason(&poor), "INSUFFICIENT_FUNDS", "the new account has nothing in it yet");
    world.settled().await;
}

#[tokio::test]
async fn m1_m2_from_the_carriers_shop_to_the_first_payment_and_to_another_bank() {
    from_the_shop_to_the_first_payment(Engine::Sqlite).await;
    from_the_shop_to_the_first_payment(Engine::Postgres).await;
}

#[tokio::test]
async fn m2_whom_the_identity_service_does_not_know_gets_no_account_and_its_silence_is_no_answer() {
    let rule = |name: &str, answer| Rule { name: Some(name.to_owned()), citizen_number: None, answer };
    let rules = Rules {
        rules: vec![
            rule("张三", SimulatedAnswer::Mismatch),
            rule("李四", SimulatedAnswer::Unknown),
            rule("王五", SimulatedAnswer::Timeout),
            rule("赵六", SimulatedAnswer::Away),
        ],
        otherwise: SimulatedAnswer::Match,
    };
    let world = Setup::on(Engine::Sqlite).with_identity(rules).start().await;
    let carrier = world.federation.carrier("east", &["bank-a"]).await.unwrap();
    for (n, (name, no)) in [("张三", "IDENTITY_MISMATCH"), ("李四", "CITIZEN_UNKNOWN")].into_iter().enumerate() {
        let (_, refused) = sign_up(&carrier, &applicant(&format!("+861380013800{n}"), name, CITIZEN, None)).await;
        assert_eq!((refused.state(), why(&refused)), (pb::SignUpState::Refused, no), "{name}");
    }
    let mut silent = Vec::new();
    for (n, name) in ["王五", "赵六"].into_iter().enumerate() {
        let id = new_id(&carrier);
        let asked = applicant(&format!("+861390013900{n}"), name, CITIZEN, None);
        carrier.sign_up(asked.request(id)).await.unwrap();
        silent.push(id);
    }
    // Three tries for each of the two, and more with each look.
    let asked = async || (world.federation.identity().asked() >= 2 + 6).then_some(());
    until("the service to be asked again", World::HEALING, asked).await;
    for id in silent {
        assert_eq!(carrier.get(id).await.unwrap().state(), pb::SignUpState::Pending);
    }
    assert_eq!(carrier.answers(0).await.unwrap().len(), 2);
    world.settled().await;
}

#[tokio::test]
async fn m1_carriers_meet_over_one_number_and_only_one_has_it() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let east = world.federation.carrier("east", &["bank-a"]).await.unwrap();
    let west = world.federation.carrier("west", &["bank-a"]).await.unwrap();
    let north = world.federation.unregistered_carrier("north").unwrap();
    let wang = applicant("+8613800138000", "王小明", CITIZEN, None);
    let refused = |answer: Result<pb::SignUp, CarrierError>| answer.unwrap_err().reason();
    assert_eq!(refused(north.sign_up(wang.request(new_id(&north))).await), Some(Reason::CarrierUnknown));
    let (one, other) =
        tokio::join!(east.sign_up(wang.request(new_id(&east))), west.sign_up(wang.request(new_id(&west))));
    let lost = if one.is_ok() { refused(other) } else { refused(one) };
    assert!(matches!(lost, Some(Reason::SignUpUnderWay | Reason::PhoneNumberTaken)), "{lost:?}");
    let both = async || {
        let (east, west) = (east.answers(0).await.unwrap(), west.answers(0).await.unwrap());
        (east.len() + west.len() == 1).then_some(())
    };
    until("one answer", World::HEALING, both).await;
    // A person whom an operator has registered is no carrier's to take.
    let payer = world.payer("bank-a", 1_000).await;
    let theirs = applicant(payer.number(), "李雷", OTHER, None);
    assert_eq!(refused(west.sign_up(theirs.request(new_id(&west))).await), Some(Reason::PhoneNumberTaken));
    world.settled().await;
}

async fn sim_change_between_code_and_confirmation(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let world = Setup::on(engine).start().await;
    let carrier = world.federation.carrier("east", &["bank-a"]).await.unwrap();
    let wang = applicant("+8613800138000", "王小明", CITIZEN, None);
    let (id, _) = sign_up(&carrier, &wang).await;
    let payer = with_phone(&world, id, &wang, 10_000).await;
    let till = world.till("till-1");
    till.sell(&payer, fen(1_000)).await;

    let (payment, code) = till.begin(&payer, fen(2_000)).await;
    let report = carrier.new_id().unwrap();
    let changed = carrier.report(report, &wang.phone, pb::NumberChange::SimChanged, None).await.unwrap();
    assert_eq!(changed, 1);
    let again = carrier.report(report, &wang.phone, pb::NumberChange::SimChanged, None).await.unwrap();
    assert_eq!(again, 1, "the same report again");
    let password = payer.person.password.expose_secret();
    let late = till.authorize(&payment, &till.new_id(), &code, password).await.unwrap();
    assert_eq!((late.state(), reason(&late)), (PaymentState::Declined, "NUMBER_CHANGED"));

    // Until who it is is proved, no code counts, old or new, and none is tried in vain.
    let (payment, code) = till.begin(&payer, fen(2_000)).await;
    for _ in 0..5 {
        let closed = till.authorize(&payment, &till.new_id(), &code, password).await.unwrap();
        assert_eq!((closed.state(), reason(&closed)), (PaymentState::AwaitingCode, "NUMBER_NOT_PROVED"));
    }
    let operator = world.federation.operator().unwrap();
    let counter = operator.counter(&BankId::parse("bank-a").unwrap()).await.unwrap();
    let account = Instrument::AccountId(payer.person.account.to_string());
    let check = carrier.new_id().unwrap();
    counter.checked(check, account.clone(), ("ID card and photo", false)).await.unwrap();
    let closed = till.authorize(&payment, &till.new_id(), &code, password).await.unwrap();
    assert_eq!(reason(&closed), "NUMBER_NOT_PROVED", "a check without the number opens nothing");
    counter.checked(carrier.new_id().unwrap(), account, ("ID card and SIM card", true)).await.unwrap();
    till.authorize(&payment, &till.new_id(), &code, password).await.unwrap();
    assert_eq!(till.outcome(&payment).await.state(), PaymentState::Approved);
    assert_eq!(world.available(&payer).await, 10_000 - 1_000 - 2_000);
    world.settled().await;
}

#[tokio::test]
async fn m5_a_sim_change_between_code_and_confirmation_is_refused_and_nothing_is_charged() {
    sim_change_between_code_and_confirmation(Engine::Sqlite).await;
    sim_change_between_code_and_confirmation(Engine::Postgres).await;
}

#[tokio::test]
async fn m5_a_recycled_number_pays_for_nobody_until_somebody_is_signed_up_with_it() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let east = world.federation.carrier("east", &["bank-a"]).await.unwrap();
    let west = world.federation.carrier("west", &["bank-a"]).await.unwrap();
    let wang = applicant("+8613800138000", "王小明", CITIZEN, None);
    let (id, _) = sign_up(&east, &wang).await;
    let payer = with_phone(&world, id, &wang, 10_000).await;
    let till = world.till("till-1");
    let stranger = west.report(west.new_id().unwrap(), &wang.phone, pb::NumberChange::Recycled, None).await;
    assert_eq!(stranger.unwrap_err().reason(), Some(Reason::NumberNotYours));
    till.sell(&payer, fen(1_000)).await;
    east.report(east.new_id().unwrap(), &wang.phone, pb::NumberChange::Recycled, None).await.unwrap();
    let refused = till.create(&till.new_id(), &payer, fen(1_000)).await.unwrap();
    assert_eq!((refused.state(), reason(&refused)), (PaymentState::Declined, "PAYER_UNAVAILABLE"));

    let li = applicant("+8613800138000", "李雷", OTHER, None);
    let (id, signed_up) = sign_up(&east, &li).await;
    assert_eq!(signed_up.state(), pb::SignUpState::SignedUp, "{signed_up:?}");
    let next = with_phone(&world, id, &li, 5_000).await;
    assert_ne!(next.person.id, payer.person.id);
    till.sell(&next, fen(1_000)).await;
    assert_eq!((world.available(&payer).await, world.available(&next).await), (9_000, 4_000));
    world.settled().await;
}
