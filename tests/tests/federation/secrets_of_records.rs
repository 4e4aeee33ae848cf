//! What records, notices and credit histories are about stands in no log and, in the clear, in no database (M8).

use domain::credit_history::{Asker, ConsentForm, Field, Fields, Purpose};
use domain::{BankId, ConsentId, Timestamp};
use federation_tests::databases::Engine;
use federation_tests::payer::{Payer, another_code};
use federation_tests::peers::Peer;
use federation_tests::session::Session;
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use proto::cardholder as phone;
use proto::common::{NoticeChannel, NoticeKind, NoticeLanguage};
use proto::federation as bank;
use proto::terminal::PaymentState;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};
use server_kit::shown::holds;

const MAIL: &str = "wang.xiaoming.private@example.com";
const PUSH_TOKEN: &str = "push:token-that-nobody-may-see_0123456789";
const TEMPLATE: &str = "My own secret words: {{ amount }}";
const PASSWORD_OF_CHANNELS: &str = "Ch4nnel!";

fn new_id() -> String {
    IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid().unwrap().to_string()
}

/// Something that must not be seen, and where: in a log, or in a database, too.
struct Secret {
    what: &'static str,
    bytes: Vec<u8>,
    /// Six digits may stand in a database by chance, and a signature is what it has to keep.
    in_logs_alone: bool,
}

fn secret(what: &'static str, text: &str) -> Secret {
    Secret { what, bytes: text.as_bytes().to_vec(), in_logs_alone: false }
}

fn logged(what: &'static str, bytes: &[u8]) -> Secret {
    Secret { what, bytes: bytes.to_vec(), in_logs_alone: true }
}

/// The peers of all channels, and the hub set to use them.
struct Channels {
    smsc: Peer,
    mail: Peer,
    push: Peer,
}

impl Channels {
    async fn open(world: &mut World) -> Option<(Self, Vec<Secret>)> {
        let tls = world.certificate("peer", |shape| shape.dns_names = vec!["localhost".to_owned()]);
        let (certificate, key) = (tls.certificate.unwrap(), world.federation.folder().join("peer.key"));
        let smsc = Peer::smsc("hub", PASSWORD_OF_CHANNELS).await?;
        let mail = Peer::mail(&certificate, &key).await?;
        let push = Peer::push(&certificate, &key).await?;
        push.tell("strict").await;
        let account = push.tell("account").await;
        let ca = world.federation.authority_certificate().display().to_string();
        let (sms_password, mail_password) =
            (world.secret("sms-password", PASSWORD_OF_CHANNELS), world.secret("mail-password", "secret"));
        let account_file = world.secret("account.json", &account);
        let ports = [smsc.port, mail.port, push.port].map(|port| port.to_string());
        let endpoint = format!("https://localhost:{}", push.port);
        for (key, value) in [
            ("sms.host", "127.0.0.1"),
            ("sms.port", &ports[0]),
            ("sms.tls", "false"),
            ("sms.system_id", "hub"),
            ("sms.source", "bankhub"),
            ("sms.password", &sms_password),
            ("mail.host", "localhost"),
            ("mail.port", &ports[1]),
            ("mail.ca", &ca),
            ("mail.user", "hub"),
            ("mail.password", &mail_password),
            ("mail.from", "notices@bankhub.example"),
            ("push.fcm.endpoint", &endpoint),
            ("push.fcm.app", "cn.bankhub.app"),
            ("push.fcm.service_account", &account_file),
            ("push.fcm.ca", &ca),
        ] {
            world.set_for_hubs(&format!("notify.{key}"), value);
        }
        let account: serde_json::Value = serde_json::from_str(&account).unwrap();
        let line = account["private_key"].as_str().unwrap().lines().nth(2).unwrap().to_owned();
        let secrets = vec![secret("password of the SMSC", PASSWORD_OF_CHANNELS), secret("vendor's key", &line)];
        Some((Self { smsc, mail, push }, secrets))
    }
}

/// The six digits of a text.
fn code_in(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).unwrap().to_owned()
}

/// The person is told by every channel, in words of its own.
async fn be_told(payer: &Payer, session: &Session, channels: &Channels) -> Vec<Secret> {
    let device = &payer.person.device;
    let mut hub = session.hub.clone();
    let target = phone::RegisterPushRequest { vendor: phone::PushVendor::Fcm.into(), token: PUSH_TOKEN.to_owned() };
    hub.register_push(session.signed_in(target)).await.unwrap();
    let choice = |channel: NoticeChannel| phone::NoticeChoice {
        kind: NoticeKind::Charge.into(),
        channel: channel.into(),
        wanted: true,
    };
    let usual = device.preferences().await.unwrap().preferences.unwrap();
    let wanted = phone::Preferences {
        mail_address: MAIL.to_owned(),
        language: NoticeLanguage::English.into(),
        choices: [NoticeChannel::Sms, NoticeChannel::Mail, NoticeChannel::Push].map(choice).to_vec(),
        ..usual
    };
    device.set_preferences(wanted).await.unwrap();
    let letter = channels.mail.has("messages", 1).await[0]["text"].as_str().unwrap().to_owned();
    let code = code_in(&letter);
    device.confirm_mail(&another_code(&code)).await.unwrap_err();
    device.confirm_mail(&code).await.unwrap();
    let words = |text: &str| phone::SaveTemplateRequest {
        kind: NoticeKind::Charge.into(),
        language: NoticeLanguage::English.into(),
        channel: NoticeChannel::Sms.into(),
        text: text.to_owned(),
    };
    device.save_template(words("My own secret words: {% for %}")).await.unwrap_err();
    device.save_template(words(TEMPLATE)).await.unwrap();
    vec![
        logged("code to an address", code.as_bytes()),
        secret("address", MAIL),
        secret("push token", PUSH_TOKEN),
        secret("person's own words", "My own secret words"),
        secret("code's letter", letter.lines().next().unwrap()),
    ]
}

/// A person pays, with a wrong code first, and gets some of it back.
async fn pay(world: &World, payer: &Payer, channels: &Channels) -> Vec<Secret> {
    let till = world.till("till-1");
    let (id, code) = till.begin(payer, fen(1_250)).await;
    let told = channels.smsc.has("texts", 1).await[0]["text"].as_str().unwrap().to_owned();
    assert!(told.contains(&code), "{told}");
    till.authorize(&id, &till.new_id(), &another_code(&code), payer.password()).await.unwrap();
    till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
    assert_eq!(till.outcome(&id).await.state(), PaymentState::Approved);
    till.refund(&till.new_id(), &id, fen(50)).await.unwrap();
    vec![logged("code", code.as_bytes()), secret("text with a code", &told)]
}

/// The person consents, and a bank asks: rightly, again, and with what is wrong.
async fn be_asked_about(world: &World, payer: &Payer, session: &Session) -> Vec<Secret> {
    let now = SystemClock.now().micros() / 1_000_000;
    let form = ConsentForm {
        id: ConsentId::parse(&new_id()).unwrap(),
        person_id: payer.person.id,
        asker: Asker::Bank(BankId::parse("bank-b").unwrap()),
        purpose: Purpose::LoanApplication,
        fields: Fields::new([Field::Summary]).unwrap(),
        from: Timestamp::from_secs(now - 60),
        until: Timestamp::from_secs(now + 3_600),
    };
    let (text, device_id) = (form.to_string(), payer.person.device.device_id().to_string());
    let sign = |text: &str| {
        let message = format!("bankhub.v1.consent\n{device_id}\n{text}");
        payer.person.device.key().sign(message.as_bytes()).unwrap()
    };
    let give = |text: &str, signature: &[u8]| phone::GiveConsentRequest {
        text: text.to_owned(),
        device_id: device_id.clone(),
        signature: signature.to_vec(),
    };
    let signature = sign(&text);
    let mut hub = session.hub.clone();
    hub.give_consent(session.signed_in(give(&text.replace("bank-b", "bank-a"), &signature))).await.unwrap_err();
    hub.give_consent(session.signed_in(give(&text, &signature))).await.unwrap();
    let inquiry = |name: &str, phone_number: &str| bank::InquireCreditHistoryRequest {
        inquiry_id: new_id(),
        name: name.to_owned(),
        phone_number: phone_number.to_owned(),
        purpose: bank::InquiryPurpose::LoanApplication.into(),
        fields: vec![bank::ReportField::Summary.into()],
        consent_id: form.id.to_string(),
    };
    let mut banks = world.hub_as_bank("bank-b");
    banks.inquire_credit_history(inquiry("Somebody Else", payer.number())).await.unwrap_err();
    banks.inquire_credit_history(inquiry(&payer.person.name, "+8613899999999")).await.unwrap_err();
    banks.inquire_credit_history(inquiry("\u{0}", "secret-number")).await.unwrap_err();
    let right = inquiry(&payer.person.name, payer.number());
    for _ in 0..2 {
        banks.inquire_credit_history(right.clone()).await.unwrap();
    }
    banks.inquire_credit_history(inquiry(&payer.person.name, payer.number())).await.unwrap_err();
    let text = form.to_string();
    vec![
        secret("consent's text", text.lines().take(2).collect::<Vec<_>>().join("\n").as_str()),
        logged("consent's period", text.lines().find(|line| line.starts_with("until:")).unwrap().as_bytes()),
        logged("signature", &signature),
        secret("name", &payer.person.name),
        secret("name that was asked for", "Somebody Else"),
        secret("number that was asked for", "13899999999"),
        secret("what is no number", "secret-number"),
    ]
}

/// How people write bytes down.
fn spellings(bytes: &[u8], is_digits: bool) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut all = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes(), list.into_bytes()];
    if is_digits {
        // Six digits are found as a word alone, and not in a number.
        all.truncate(1);
    }
    all
}

async fn nothing_is_seen(engine: Engine, format: &'static str) {
    if !engine.is_there() {
        return;
    }
    let setup = Setup::on(engine).with_banks(&["bank-a", "bank-b"]).with("log.format", format);
    let mut world = setup.with("log.filter", "trace").with("notify.send_within", "2s").start().await;
    let payer = world.payer("bank-a", 10_000).await;
    let Some((channels, mut secrets)) = Channels::open(&mut world).await else { return };
    world.restart("hub-1").await;
    let session = world.session(&payer).await;
    secrets.extend([secret("session's token", session.token()), secret("number", &payer.number()[1..])]);
    secrets.extend([secret("national number", &payer.number()[3..]), logged("password", payer.password().as_bytes())]);
    // Everything that may go wrong on the way is logged too.
    for fault in ["throttle", "drop-after"] {
        channels.smsc.tell(&format!("fault {fault}")).await;
    }
    secrets.extend(be_told(&payer, &session, &channels).await);
    channels.mail.tell("fault later").await;
    channels.push.tell("fault gone").await;
    secrets.extend(pay(&world, &payer, &channels).await);
    secrets.extend(be_asked_about(&world, &payer, &session).await);
    channels.mail.has("messages", 2).await;
    channels.push.tell("token refuse").await;
    let charged = async || {
        let texts = channels.smsc.state().await["texts"].as_array().unwrap().len();
        (texts >= 3).then_some(())
    };
    until("the notices", World::HEALING, charged).await;
    let database = world.databases["hub-1"].clone();
    let dump = database.dump().await;
    world.federation.stop().await.unwrap_or_else(|error| panic!("{error}"));
    let mut places = vec![("a log".to_owned(), world.logs().into_bytes(), true)];
    places.extend(dump.map(|dump| ("the hub's database".to_owned(), dump, false)));
    let folder = world.federation.server("hub-1").unwrap().member().folder.clone();
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("books.db") {
            places.push((name, std::fs::read(&file).unwrap(), false));
        }
    }
    assert!(engine == Engine::Postgres || places.len() > 1);
    // Whoever searches finds what is there.
    let is_there =
        |is_log: bool, what: &[u8]| places.iter().any(|(_, bytes, of_log)| *of_log == is_log && holds(bytes, what));
    assert!(
        is_there(true, b"TRACE") && is_there(true, b"a notice was sent"),
        "the logs say too little to prove anything"
    );
    assert!(is_there(false, b"noodle-house") || places.len() == 1, "the database says too little to prove anything");
    for Secret { what, bytes, in_logs_alone } in &secrets {
        let is_digits = bytes.len() == 6;
        for (place, found, _) in places.iter().filter(|(_, _, is_log)| *is_log || !in_logs_alone) {
            let spelling = spellings(bytes, is_digits).into_iter().find(|spelling| holds(found, spelling));
            let line = spelling.map(|spelling| around(found, &spelling));
            assert_eq!(line, None, "a {what} stands in {place}");
        }
    }
    world.forget().await;
}

/// Where it stands, for whoever has to mend it.
fn around(place: &[u8], spelling: &[u8]) -> String {
    let at = place.windows(spelling.len()).position(|window| window == spelling).unwrap_or_default();
    String::from_utf8_lossy(&place[at.saturating_sub(300)..(at + 200).min(place.len())]).into_owned()
}

#[tokio::test]
async fn m8_no_log_and_no_database_has_what_people_are_told_and_consent_to_in_it_on_sqlite() {
    nothing_is_seen(Engine::Sqlite, "json").await;
}

#[tokio::test]
async fn m8_no_log_and_no_database_has_what_people_are_told_and_consent_to_in_it_on_postgresql() {
    nothing_is_seen(Engine::Postgres, "pretty").await;
}
