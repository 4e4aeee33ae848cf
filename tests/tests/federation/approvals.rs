//! A payment is approved or declined on the payer's phone while its terminal waits (S2), with real processes that are killed on the way.

use std::path::Path;
use std::process::{Output, Stdio};

use bankhub::trial::NewPerson;
use domain::{Currency, PaymentId, Reason};
use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::till::{PATIENCE, Till, fen};
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use proto::cardholder::event::Kind;
use proto::cardholder::{Approval, ApprovalState, ApprovePaymentRequest, ApprovePaymentResponse};
use proto::terminal::{Payment, PaymentState, WatchPaymentRequest};
use serde_json::Value;
use server_kit::identity::Role;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{reason, refused};

const BALANCE: i64 = 100_000;
const PRICE: i64 = 3_550;

/// The payment among those that the phone is asked about.
async fn asked(payer: &Payer, id: &str) -> Approval {
    let listed = async || {
        let listed = payer.person.device.approvals().await.ok()?;
        listed.into_iter().find(|approval| approval.payment_id == id)
    };
    until("the phone to be asked", World::HEALING, listed).await
}

/// A payment that waits; gives its id.
async fn begun(till: &Till, payer: &Payer) -> String {
    let id = till.new_id();
    let begun = till.insist(async |till| till.create(&id, payer, fen(PRICE)).await).await;
    assert_eq!(begun.state(), PaymentState::AwaitingCode);
    id
}

/// Everything that a terminal is told of a payment until the stream ends.
async fn watched(till: &Till, id: &str) -> Vec<Payment> {
    let request = WatchPaymentRequest { payment_id: id.to_owned() };
    let mut stream = till.client.clone().watch_payment(request).await.unwrap().into_inner();
    let mut seen = Vec::new();
    bounded("the terminal's watch", PATIENCE, async {
        while let Some(message) = stream.message().await.unwrap() {
            seen.push(message.payment.unwrap());
        }
    })
    .await;
    seen
}

/// Waits until the payer's phone is told of the charge.
async fn charged(payer: &Payer, id: &str) {
    let mut feed = payer.person.device.follow(0);
    bounded("the charge", PATIENCE, async {
        loop {
            if let Kind::Charge(charge) = feed.next().await.unwrap().kind.unwrap()
                && charge.purchase.is_some_and(|purchase| purchase.payment_id == id)
            {
                return;
            }
        }
    })
    .await;
}

async fn approved_while_watched(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let world = Setup::on(engine).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", BALANCE).await);
    let stranger = world.payer("bank-a", BALANCE).await;
    let id = begun(&till, &payer).await;
    let approval = asked(&payer, &id).await;
    assert_eq!(approval.merchant.as_ref().unwrap().display_name, "Noodle House");
    assert_eq!((approval.place.as_str(), approval.bank_name.as_str()), ("Shanghai, Fuxing Road 12", "Bank A"));
    assert_eq!(stranger.person.device.approvals().await.unwrap(), []);
    let stolen = stranger.person.device.approve_text(&approval.text, &stranger.person.password).await;
    assert_eq!(stolen.unwrap_err().reason(), Some(Reason::PaymentUnknown));

    let approving = payer.person.device.approve(&approval, &payer.person.password);
    let (seen, answer) = tokio::join!(watched(&till, &id), approving);
    assert_eq!(answer.unwrap().state(), ApprovalState::Approved);
    let states: Vec<_> = seen.iter().map(Payment::state).collect();
    assert_eq!(states.last(), Some(&PaymentState::Approved), "{states:?}");
    charged(&payer, &id).await;
    assert_eq!(payer.person.device.approvals().await.unwrap(), []);

    // The other answer: the terminal hears it at once, and the code is of no use.
    let id = begun(&till, &payer).await;
    let code = payer.code(&id).await;
    let no = PaymentId::parse(&id).unwrap();
    let (seen, answer) = tokio::join!(watched(&till, &id), payer.person.device.decline_payment(no));
    assert_eq!(answer.unwrap().state(), ApprovalState::Declined);
    let last = seen.last().unwrap();
    assert_eq!((last.state(), reason(last)), (PaymentState::Declined, "PAYER_DECLINED"));
    let typed = till.authorize(&id, &till.new_id(), &code, payer.password()).await;
    assert_eq!(refused(typed), Reason::NotAwaitingCode);
    assert_eq!(world.available(&payer).await, BALANCE - PRICE);
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}

#[tokio::test]
async fn s2_the_phone_approves_while_the_terminal_watches_and_declines_the_next() {
    approved_while_watched(Engine::Sqlite).await;
    approved_while_watched(Engine::Postgres).await;
}

#[tokio::test]
async fn s2_the_phone_answers_at_one_hub_while_the_terminal_watches_at_another() {
    if !Engine::Postgres.is_there() {
        return;
    }
    let world = Setup::on(Engine::Postgres).with_hubs(2).start().await;
    let (till, payer) = (world.till_at("till-1", "hub-2"), world.payer("bank-a", BALANCE).await);
    for _ in 0..3 {
        let id = begun(&till, &payer).await;
        let approval = asked(&payer, &id).await;
        let approving = payer.person.device.approve(&approval, &payer.person.password);
        let (seen, answer) = tokio::join!(watched(&till, &id), approving);
        assert_eq!(answer.unwrap().state(), ApprovalState::Approved);
        assert_eq!(seen.last().unwrap().state(), PaymentState::Approved);
    }
    assert_eq!(world.settled().await.charged_minor(), 3 * PRICE);
}

/// What the phone has signed.
fn signed(payer: &Payer, text: &str) -> ApprovePaymentRequest {
    let device_id = payer.person.device.device_id().to_string();
    let message = format!("bankhub.v1.approval\n{device_id}\n{text}");
    ApprovePaymentRequest {
        signature: payer.person.device.key().sign(message.as_bytes()).unwrap(),
        text: text.to_owned(),
        device_id,
        transaction_password: payer.password().to_owned(),
    }
}

/// Sends the same yes until it is answered, as a phone does that does not know what became of it.
async fn insist(payer: &Payer, request: &ApprovePaymentRequest) -> ApprovePaymentResponse {
    let send = async || payer.person.device.send_approval(request.clone()).await.ok();
    until("the yes to be answered", World::HEALING, send).await
}

/// `server` kills itself at `point` with SIGKILL while a yes is on its way, and is started again.
async fn killed_at(engine: Engine, server: &str, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with("payments.decide_within", "10s").start().await;
    let payer = world.payer("bank-a", BALANCE).await;
    world.arm(server, point, 1).await;
    let till = world.till("till-1");
    let id = begun(&till, &payer).await;
    let request = signed(&payer, &asked(&payer, &id).await.text);
    let (first, ()) = tokio::join!(insist(&payer, &request), world.rise_again(server));
    assert!(matches!(first.state(), ApprovalState::Approved | ApprovalState::Pending), "{point}: {first:?}");
    let outcome = till.outcome(&id).await;
    let is_paid = outcome.state() == PaymentState::Approved;
    assert!(is_paid || reason(&outcome) == "DECISION_TIMED_OUT", "{point}: {outcome:?}");
    let again = insist(&payer, &request).await;
    assert_eq!(again.state(), if is_paid { ApprovalState::Approved } else { ApprovalState::Declined });
    let left = if is_paid { BALANCE - PRICE } else { BALANCE };
    let ledgers = world.settled().await;
    assert_eq!((ledgers.payments.len(), ledgers.charged_minor()), (1, BALANCE - left), "{point}");
}

kill! {
    s2_a_hub_killed_before_a_yes_is_durable_charges_once: "hub-1" at "D2.before";
    s2_a_hub_killed_after_a_yes_is_durable_charges_once: "hub-1" at "D2.after";
    s2_a_hub_killed_after_the_bank_has_held_for_a_yes_charges_once: "hub-1" at "hold.after";
    s2_a_bank_killed_after_it_holds_for_a_yes_charges_once: "bank-a" at "D3.after";
}

/// Runs `bankhub --output json …` with a line on its standard input.
async fn bankhub(arguments: &[&str], folder: &Path, line: &str) -> (Output, Vec<Value>) {
    let mut command = Command::new(federation_tests::bankhub());
    command.args(["--output", "json"]).args(arguments.iter().take(1));
    let option = if arguments.first() == Some(&"phone") { "--dir" } else { "--config" };
    command.arg(option).arg(folder).args(arguments.iter().skip(1));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(line.as_bytes()).await.unwrap();
    drop(input);
    let output = bounded("the command", PATIENCE, child.wait_with_output()).await.unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let values = serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect();
    (output, values)
}

#[tokio::test]
async fn s2_the_terminal_and_the_phone_in_the_terminal_do_it_and_say_what_came_of_it() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let password = "271828";
    let new = NewPerson {
        name: "Wang Xiaoming",
        phone: "+8613810009999",
        bank: "bank-a",
        balance_minor: BALANCE,
        currency: Currency::CNY,
        password,
    };
    let phone = world.federation.folder().join("phone");
    let payer = Payer::new(world.federation.person_in(&new, &phone).await.unwrap());
    drop(world.federation.terminal("till-1").unwrap());
    let till = world.federation.member(Role::Terminal, "till-1").unwrap().folder.join("terminal.toml");
    let pay = ["terminal", "pay", payer.number(), "35.50", "--item", "Beef noodles=35.50", "--in-app"];
    let waiting = async || {
        let (_, listed) = bankhub(&["phone", "approvals"], &phone, "").await;
        listed.first()?.as_array()?.first().cloned()
    };

    let yes = async {
        let approval = until("the phone to be asked", PATIENCE, waiting).await;
        assert_eq!(approval["amount"]["minor_units"], PRICE);
        assert_eq!((&approval["terminal_id"], &approval["merchant"]), (&"till-1".into(), &"Noodle House".into()));
        assert_eq!(approval["items"][0]["name"], "Beef noodles");
        let id = approval["payment_id"].as_str().unwrap();
        let (wrong, said) = bankhub(&["phone", "approve", id, "--password-stdin"], &phone, "000000\n").await;
        assert_eq!((wrong.status.code(), &said[0]["reason"]), (Some(1), &"VERIFICATION_FAILED".into()));
        let (right, said) =
            bankhub(&["phone", "approve", id, "--password-stdin"], &phone, &format!("{password}\n")).await;
        assert_eq!((right.status.code(), &said[0]["state"]), (Some(0), &"APPROVAL_STATE_APPROVED".into()), "{right:?}");
        let (late, _) = bankhub(&["phone", "approve", id, "--password-stdin"], &phone, &format!("{password}\n")).await;
        assert_eq!(late.status.code(), Some(1));
    };
    let (paid, ()) = tokio::join!(bankhub(&pay, &till, ""), yes);
    assert!(paid.0.status.success(), "{:?}", paid.0);

    let no = async {
        let approval = until("the phone to be asked again", PATIENCE, waiting).await;
        let id = approval["payment_id"].as_str().unwrap();
        let (declined, said) = bankhub(&["phone", "decline", id], &phone, "").await;
        assert_eq!((declined.status.code(), &said[0]["reason"]), (Some(0), &"PAYER_DECLINED".into()));
    };
    let (refused, ()) = tokio::join!(bankhub(&pay, &till, ""), no);
    assert_eq!(refused.0.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.0.stderr).contains("PAYER_DECLINED"), "{:?}", refused.0);
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}

/// Somebody at the terminal types the code of a payment that the phone has answered a moment before.
#[tokio::test]
async fn s2_a_terminal_that_hands_in_a_code_too_late_is_told_what_the_phone_has_answered() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", BALANCE).await;
    let terminal = world.federation.terminal("till-1").unwrap();
    let order = || bankhub::terminal::Order::new(payer.person.phone.clone(), domain::Money::new(Currency::CNY, PRICE));
    for is_yes in [true, false] {
        let begun = terminal.begin(&order()).await.unwrap();
        let id = begun.id.to_string();
        let code = payer.code(&id).await;
        if is_yes {
            let approval = asked(&payer, &id).await;
            payer.person.device.approve(&approval, &payer.person.password).await.unwrap();
        } else {
            payer.person.device.decline_payment(begun.id).await.unwrap();
        }
        let proof = bankhub::terminal::Proof::new(&code, payer.password());
        let told = terminal.authorize(begun.id, &proof).await.unwrap();
        assert_eq!(told.reason(), (!is_yes).then_some(Reason::PayerDeclined));
        assert_eq!(told.state == bankhub::terminal::PaymentState::Approved, is_yes);
    }
    assert!(terminal.open_payments().is_empty(), "nothing is owed");
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}

#[tokio::test]
async fn s2_ten_megabytes_and_a_session_without_its_key_approve_nothing() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", BALANCE).await);
    let thief = world.payer("bank-a", BALANCE).await;
    let id = begun(&till, &payer).await;
    let text = asked(&payer, &id).await.text;
    let session = world.session(&payer).await;
    let send = async |change: &dyn Fn(&mut ApprovePaymentRequest)| {
        let mut request = signed(&payer, &text);
        change(&mut request);
        refused(session.hub.clone().approve_payment(session.signed_in(request)).await)
    };
    let ten = 10 << 20;
    assert_eq!(send(&|it| it.text = "approve ".repeat(ten / 8)).await, Reason::MessageTooLarge);
    assert_eq!(send(&|it| it.signature = vec![7; ten]).await, Reason::MessageTooLarge);
    assert_eq!(send(&|it| it.text = "\u{7f}".repeat(4096)).await, Reason::ApprovalMalformed);
    // The session alone, with a key of somebody else.
    assert_eq!(send(&|it| it.signature = signed(&thief, &text).signature).await, Reason::SignatureRefused);
    assert_eq!(send(&|it| it.device_id = thief.person.device.device_id().to_string()).await, Reason::NotYours);
    let left = till.get(&id).await.unwrap();
    assert_eq!((left.state(), left.attempts_left, left.refusal), (PaymentState::AwaitingCode, 3, None));
    till.cancel(&id).await.unwrap();
    assert_eq!(world.settled().await.charged_minor(), 0);
}
