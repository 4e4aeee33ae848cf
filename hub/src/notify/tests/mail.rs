//! E-mail, against aiosmtpd.

use std::sync::Arc;
use std::time::Duration;

use domain::notice::{ChannelKind, MailAddress, NoticeKind};
use serde_json::Value;
use server_kit::clock::SystemClock;
use server_kit::rng::SystemRng;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::super::channel::{Address, Channel as _, Letter, SendError};
use super::super::mail::{Mail, MailOptions, MailTls};
use super::super::{ChannelError, Preferences};
use super::{PHONE, charge, open, quick};
use crate::testing::on_each_engine;
use crate::testing::peer::{PeerProcess, TlsFiles};

async fn server(files: &TlsFiles, mode: &str) -> Option<PeerProcess> {
    let (certificate, key) = (files.certificate(), files.key());
    let args = ["--certificate", certificate.to_str().unwrap(), "--key", key.to_str().unwrap(), "--mode", mode];
    PeerProcess::python("aiosmtpd", "mail/mail.py", &args).await
}

pub(super) fn options(files: &TlsFiles, port: u16, tls: MailTls) -> MailOptions {
    MailOptions {
        host: "localhost".to_owned(),
        port,
        tls,
        ca: Some(files.certificate()),
        login: Some(("hub".to_owned(), files.secret("mail", "secret"))),
        from: MailAddress::parse("notices@bankhub.example").unwrap(),
        connections: 2,
        answer_within: Duration::from_secs(5),
    }
}

pub(super) fn mail(options: &MailOptions) -> Mail {
    Mail::new(options.clone(), SystemClock::shared()).unwrap()
}

fn letter(subject: &str, text: &str) -> Letter {
    let mut id = [0; 16];
    SystemRng::shared().fill(&mut id).unwrap();
    Letter {
        notice_id: Uuid::from_bytes(id),
        kind: NoticeKind::Charge,
        to: Address::Mail(MailAddress::parse("wang@example.com").unwrap()),
        subject: subject.to_owned(),
        text: text.to_owned(),
        html: Some(format!("<p>{text}</p>")),
        expires_at: None,
    }
}

fn code_of(error: &SendError) -> String {
    format!("{error:?}").split(' ').next().unwrap().to_owned() + " " + error.code()
}

fn messages(state: &Value) -> &Vec<Value> {
    state["messages"].as_array().unwrap()
}

#[tokio::test]
async fn r6_a_mail_arrives_as_text_and_page_under_tls() {
    for (mode, tls) in [("starttls", MailTls::StartTls), ("implicit", MailTls::Implicit)] {
        let files = TlsFiles::new();
        let Some(mut server) = server(&files, mode).await else { return };
        let mail = mail(&options(&files, server.port, tls));
        let long = format!("{}\n.\n..dots", "您的第一银行****4821支出12.50元。".repeat(40));
        let letter = letter("支出提醒", &long);
        mail.send(&letter).await.unwrap();
        mail.send(&letter).await.unwrap();
        let state = server.state().await;
        assert_eq!((&state["logins"], messages(&state).len()), (&1.into(), 2), "{mode}: one connection is used again");
        let got = &messages(&state)[0];
        assert_eq!((&got["tls"], &got["from"]), (&true.into(), &"notices@bankhub.example".into()));
        assert_eq!(got["to"], Value::from(vec!["wang@example.com"]));
        assert_eq!(got["headers"]["Subject"], "支出提醒");
        assert_eq!(got["headers"]["Auto-Submitted"], "auto-generated");
        assert_eq!(got["headers"]["Message-ID"], format!("<{}@bankhub.example>", letter.notice_id));
        assert_eq!(got["headers"]["Message-ID"], messages(&state)[1]["headers"]["Message-ID"]);
        assert_eq!(got["text"].as_str().unwrap().replace("\r\n", "\n").trim_end(), long, "{mode}");
        assert!(got["html"].as_str().unwrap().starts_with("<p>您的第一银行"), "{mode}");
    }
}

#[tokio::test]
async fn r6_nothing_in_a_subject_becomes_a_header() {
    let files = TlsFiles::new();
    let Some(mut server) = server(&files, "starttls").await else { return };
    let mail = mail(&options(&files, server.port, MailTls::StartTls));
    for subject in
        ["x\r\nBcc: all@example.com\r\n\r\n<b>", "x\nX-Evil: 1", "账单\u{2028}\r\nTo: x@y.cn", &"长".repeat(500)]
    {
        mail.send(&letter(subject, "text")).await.unwrap();
    }
    let state = server.state().await;
    for got in messages(&state) {
        let names: Vec<_> = got["headers"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(names.iter().all(|name| !matches!(*name, "Bcc" | "X-Evil")), "{names:?}");
        assert_eq!(got["headers"]["To"], "wang@example.com");
        assert_eq!(got["to"], Value::from(vec!["wang@example.com"]));
        assert_eq!(got["text"].as_str().unwrap().trim_end(), "text");
    }
    assert_eq!(messages(&state)[0]["headers"]["Subject"], "xBcc: all@example.com<b>");
}

#[tokio::test]
async fn r6_what_the_mail_server_says_no_to_is_told_apart() {
    let files = TlsFiles::new();
    let Some(mut server) = server(&files, "starttls").await else { return };
    let usual = options(&files, server.port, MailTls::StartTls);
    let mail = mail(&usual);
    for (how, said) in [
        ("refuse", "Refused SMTP_550"),
        ("refuse-sender", "Refused SMTP_553"),
        ("later", "Later SMTP_451"),
        ("busy", "Later SMTP_421"),
        ("drop-before", "Unknown CONNECTION"),
        ("drop-after", "Unknown CONNECTION"),
    ] {
        server.tell(&format!("fault {how}")).await;
        let error = mail.send(&letter("x", "y")).await.unwrap_err();
        assert_eq!(code_of(&error), said, "{how}");
    }
    assert!(mail.send(&letter("x", "y")).await.is_ok());
}

#[tokio::test]
async fn r6_a_mail_server_that_is_away_or_does_not_know_the_hub_is_not_the_letters_fault() {
    let files = TlsFiles::new();
    let Some(server) = server(&files, "starttls").await else { return };
    let usual = options(&files, server.port, MailTls::StartTls);
    let refused = MailOptions { login: Some(("hub".to_owned(), files.secret("wrong", "wrong"))), ..usual.clone() };
    let elsewhere = MailOptions { host: "127.0.0.1".to_owned(), ..usual.clone() };
    let strangers = MailOptions { ca: None, ..usual.clone() };
    let nobody = MailOptions { port: 1, ..usual.clone() };
    for (options, what) in [(refused, "login"), (elsewhere, "name"), (strangers, "authority"), (nobody, "port")] {
        let error = mail(&options).send(&letter("x", "y")).await.unwrap_err();
        assert!(matches!(error, SendError::Away { .. }), "{what}: {error:?}");
        assert!(!error.to_string().contains("wang"), "{what}");
    }
    let missing = MailOptions { ca: Some("/nowhere.pem".into()), ..usual };
    assert!(matches!(Mail::new(missing, SystemClock::shared()), Err(ChannelError::Certificates { .. })));
}

#[tokio::test]
async fn m8_nothing_is_sent_to_a_server_that_does_not_offer_tls() {
    let files = TlsFiles::new();
    let Some(mut server) = server(&files, "plain").await else { return };
    for tls in [MailTls::StartTls, MailTls::Implicit] {
        let error = mail(&options(&files, server.port, tls)).send(&letter("x", "y")).await.unwrap_err();
        assert!(matches!(error, SendError::Away { .. }), "{tls:?}: {error:?}");
    }
    let state = server.state().await;
    assert_eq!((&state["logins"], messages(&state).len()), (&0.into(), 0), "neither password nor mail");
}

#[tokio::test]
async fn r6_a_mail_whose_fate_is_not_known_goes_out_again_under_its_message_id() {
    on_each_engine(async |hub| {
        let files = TlsFiles::new();
        let Some(mut server) = server(&files, "implicit").await else { return };
        for how in ["drop-after", "later", "drop-before"] {
            server.tell(&format!("fault {how}")).await;
        }
        let retry = domain::notice::RetryPolicy { most_tries: 50, ..quick().retry };
        let office = open(&hub, super::NoticesOptions { retry, ..quick() }, &[ChannelKind::Mail]);
        let person = office.person(PHONE).await;
        let mut preferences =
            Preferences { mail: MailAddress::parse("wang@example.com").ok(), ..Preferences::default() };
        preferences.choices.choose(NoticeKind::Charge, ChannelKind::Mail, true).unwrap();
        office.notices.set_preferences(person, preferences).await.unwrap();
        let mail = Arc::new(mail(&options(&files, server.port, MailTls::Implicit)));
        let (_receipts, receipts) = mpsc::channel(1);
        let worker = tokio::spawn(office.notices.clone().deliver(mail, receipts, office.draining.clone()));
        office.queue(&[charge(person, "1")]).await;
        office.becomes("SENT", 1).await;
        let state = server.state().await;
        let ids: Vec<_> = messages(&state).iter().map(|got| &got["headers"]["Message-ID"]).collect();
        assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
        assert!(messages(&state)[0]["text"].as_str().unwrap().contains("支出12.50元"));
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}
