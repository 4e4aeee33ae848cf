//! Push over HTTPS, against Node's own HTTP/2 and HTTP/1.1.

use std::sync::Arc;
use std::time::Duration;

use domain::DeviceId;
use domain::notice::{ChannelKind, NoticeKind, RetryPolicy};
use serde_json::{Value, json};
use server_kit::clock::SystemClock;
use server_kit::rng::SystemRng;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::super::channel::{Address, Channel as _, Letter, PushTarget, SendError, Vendor};
use super::super::tests::{PHONE, charge, open, quick};
use super::super::{ChannelError, NoticesOptions};
use super::{Push, PushOptions, TokenSource};
use crate::testing::on_each_engine;
use crate::testing::peer::{PeerProcess, TlsFiles};

pub(super) const VENDORS: [(Vendor, &str); 3] =
    [(Vendor::Fcm, "t:ok-en_1"), (Vendor::Apns, "00ff00ff"), (Vendor::Hms, "token")];

pub(super) async fn service(files: &TlsFiles, protocol: &str) -> Option<PeerProcess> {
    let (certificate, key) = (files.certificate(), files.key());
    // Node is there where its packages are.
    PeerProcess::node("smpp", "push/push.js", &[certificate.to_str().unwrap(), key.to_str().unwrap(), protocol]).await
}

fn options(files: &TlsFiles, port: u16) -> Vec<PushOptions> {
    let of = |(vendor, _): (Vendor, &str)| PushOptions {
        vendor,
        endpoint: format!("https://localhost:{port}"),
        app: "cn.bankhub.app".to_owned(),
        token: TokenSource::Kept(files.secret("bearer", "bearer-token")),
        ca: Some(files.certificate()),
        answer_within: Duration::from_secs(2),
    };
    VENDORS.map(of).to_vec()
}

fn open_push(services: Vec<PushOptions>) -> Result<Push, ChannelError> {
    Push::new(services, &SystemClock::shared())
}

pub(super) fn letter(vendor: Vendor, token: &str) -> Letter {
    let mut id = [0; 16];
    SystemRng::shared().fill(&mut id).unwrap();
    Letter {
        notice_id: Uuid::from_bytes(id),
        kind: NoticeKind::Charge,
        to: Address::Push(PushTarget { vendor, token: token.to_owned() }),
        subject: String::new(),
        text: String::new(),
        html: None,
        expires_at: None,
    }
}

pub(super) fn code_of(error: &SendError) -> String {
    format!("{error:?}").split(' ').next().unwrap().to_owned() + " " + error.code()
}

#[tokio::test]
async fn r6_a_vendor_is_told_an_id_and_nothing_else() {
    for (protocol, version) in [("h2", "2.0"), ("http1", "1.1")] {
        let files = TlsFiles::new();
        let Some(mut service) = service(&files, protocol).await else { return };
        let push = open_push(options(&files, service.port)).unwrap();
        let letters = VENDORS.map(|(vendor, token)| letter(vendor, token));
        for letter in &letters {
            push.send(letter).await.unwrap();
            push.send(letter).await.unwrap();
        }
        let state = service.state().await;
        // Of HTTP/2 each service has one connection, which it shares.
        assert_eq!(state["connections"], if protocol == "h2" { 3 } else { 6 });
        let got: Vec<_> = state["messages"].as_array().unwrap().iter().step_by(2).collect();
        assert!(got.iter().all(|got| got["version"] == version && got["authorization"] == "Bearer bearer-token"));
        let ids: Vec<_> = letters.iter().map(|letter| letter.notice_id.to_string()).collect();
        assert_eq!(got[0]["path"], "/v1/projects/cn.bankhub.app/messages:send");
        assert_eq!(
            got[0]["body"],
            json!({ "message": { "token": "t:ok-en_1", "data": { "id": ids[0] }, "android": { "priority": "HIGH" } } })
        );
        assert_eq!((&got[1]["path"], &got[1]["topic"]), (&"/3/device/00ff00ff".into(), &"cn.bankhub.app".into()));
        assert_eq!(got[1]["id"], ids[1]);
        assert_eq!(
            got[1]["body"],
            json!({ "aps": { "alert": { "loc-key": "NOTICE" }, "mutable-content": 1 }, "id": ids[1] })
        );
        assert_eq!(got[2]["path"], "/v2/cn.bankhub.app/messages:send");
        let data: Value = serde_json::from_str(got[2]["body"]["message"]["data"].as_str().unwrap()).unwrap();
        assert_eq!((&got[2]["body"]["message"]["token"], data), (&json!(["token"]), json!({ "id": ids[2] })));
    }
}

#[tokio::test]
async fn r6_what_a_push_service_says_no_to_is_told_apart() {
    let files = TlsFiles::new();
    let Some(mut service) = service(&files, "h2").await else { return };
    let push = open_push(options(&files, service.port)).unwrap();
    for (vendor, token) in VENDORS {
        let of = |fcm, apns, hms| match vendor {
            Vendor::Fcm => fcm,
            Vendor::Apns => apns,
            Vendor::Hms => hms,
        };
        for (how, said) in [
            ("gone", of("Gone HTTP_404", "Gone HTTP_410", "Gone HMS_80300007")),
            ("invalid", of("Refused HTTP_400", "Refused HTTP_400", "Refused HMS_80100003")),
            ("auth", "Away HTTP_401"),
            ("busy", "Later HTTP_429"),
            ("broken", "Later HTTP_503"),
            ("drop-before", "Unknown CONNECTION"),
            ("drop-after", "Unknown CONNECTION"),
            ("mute", "Unknown TIMED_OUT"),
            ("huge", "Unknown CONNECTION"),
        ] {
            service.tell(&format!("fault {how}")).await;
            let error = push.send(&letter(vendor, token)).await.unwrap_err();
            assert_eq!(code_of(&error), said, "{vendor:?} {how}");
            if how == "busy" {
                assert!(matches!(error, SendError::Later { pause, .. } if pause == Duration::from_secs(7)));
            }
        }
        assert!(push.send(&letter(vendor, token)).await.is_ok(), "{vendor:?}");
    }
    let strange = push.send(&letter(Vendor::Apns, "../../admin")).await.unwrap_err();
    assert_eq!(code_of(&strange), "Gone TOKEN");
}

#[tokio::test]
async fn r6_a_push_service_that_is_away_or_another_is_not_the_letters_fault() {
    let files = TlsFiles::new();
    let Some(service) = service(&files, "h2").await else { return };
    let usual = options(&files, service.port)[0].clone();
    let token = VENDORS[0].1;
    for changed in [
        PushOptions { endpoint: "https://localhost:1".to_owned(), ..usual.clone() },
        PushOptions { endpoint: format!("https://127.0.0.1:{}", service.port), ..usual.clone() },
        PushOptions { ca: None, ..usual.clone() },
    ] {
        let error = open_push(vec![changed]).unwrap().send(&letter(Vendor::Fcm, token)).await.unwrap_err();
        assert_eq!(code_of(&error), "Away CONNECTION");
    }
    let only_fcm = open_push(vec![usual.clone()]).unwrap();
    let elsewhere = only_fcm.send(&letter(Vendor::Hms, token)).await.unwrap_err();
    assert_eq!(code_of(&elsewhere), "Refused NO_SUCH_VENDOR");
    for endpoint in ["http://localhost:1", "localhost", "https://a@localhost", "https://localhost/?x", ""] {
        let bad = PushOptions { endpoint: endpoint.to_owned(), ..usual.clone() };
        assert!(matches!(open_push(vec![bad]), Err(ChannelError::Endpoint { .. })), "{endpoint}");
    }
    for app in ["", "a/b", "a b", "a\r\nb"] {
        let bad = PushOptions { app: app.to_owned(), ..usual.clone() };
        assert!(matches!(open_push(vec![bad]), Err(ChannelError::App { .. })), "{app}");
    }
}

#[tokio::test]
async fn r6_each_phone_of_a_person_is_woken_and_one_that_is_gone_no_more() {
    on_each_engine(async |hub| {
        let files = TlsFiles::new();
        let Some(mut service) = service(&files, "h2").await else { return };
        let push = Arc::new(open_push(options(&files, service.port)).unwrap());
        let retry = RetryPolicy { most_tries: 50, ..quick().retry };
        let one_by_one = NoticesOptions { retry, at_once: 1, kept_for_urgent: 0, ..quick() };
        let office = open(&hub, one_by_one, &[ChannelKind::Push]);
        let person = office.person(PHONE).await;
        for (vendor, token) in VENDORS {
            let target = PushTarget { vendor, token: token.to_owned() };
            office.notices.register_push(person, DeviceId::from_uuid(hub.id()), target).await.unwrap().unwrap();
        }
        for how in ["gone", "broken", "drop-after"] {
            service.tell(&format!("fault {how}")).await;
        }
        let (_receipts, receipts) = mpsc::channel(1);
        let worker = tokio::spawn(office.notices.clone().deliver(push, receipts, office.draining.clone()));
        assert_eq!(office.queue(&[charge(person, "1")]).await, 3);
        office.becomes("SENT", 2).await;
        office.becomes("DEAD", 1).await;
        let state = service.state().await;
        assert!(!state.to_string().contains("12.50") && !state.to_string().contains("面馆"), "{state}");
        assert_eq!(office.queue(&[charge(person, "2")]).await, 2);
        office.becomes("SENT", 4).await;
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}
