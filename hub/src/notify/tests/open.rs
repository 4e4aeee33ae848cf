//! All channels at once, as the hub opens them from its configuration.

use domain::DeviceId;
use domain::notice::{MailAddress, NoticeKind};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::{ChannelError, NotifyConfig, Preferences, PushTarget, Telling, Vendor};
use super::{Office, PHONE, charge, parts, quick};
use crate::testing::on_each_engine;
use crate::testing::peer::{PeerProcess, TlsFiles};

#[tokio::test]
async fn r6_a_charge_reaches_a_person_by_sms_mail_and_push_and_the_hub_drains() {
    on_each_engine(async |hub| {
        let files = TlsFiles::new();
        let (certificate, key) = (files.certificate(), files.key());
        let (ca, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        let Some(mut smsc) = PeerProcess::node("smpp", "smsc/smsc.js", &["hub", "secret", ca, key]).await else { return };
        let Some(mut push) = PeerProcess::node("smpp", "push/push.js", &[ca, key, "h2"]).await else { return };
        let args = ["--certificate", ca, "--key", key, "--mode", "implicit"];
        let Some(mut mail) = PeerProcess::python("aiosmtpd", "mail/mail.py", &args).await else { return };
        files.secret("password", "secret");
        let secret = format!("file:{}/password", files.folder.path().display());
        let config: NotifyConfig = serde_json::from_value(json!({
            "sms": { "host": "localhost", "port": smsc.port, "ca": ca, "system_id": "hub", "password": secret, "source": "bankhub" },
            "mail": { "host": "localhost", "port": mail.port, "ca": ca, "user": "hub", "password": secret, "from": "n@bankhub.example" },
            "push": { "hms": { "endpoint": format!("https://localhost:{}", push.port), "app": "app", "token": secret, "ca": ca } },
        }))
        .unwrap();
        let draining = CancellationToken::new();
        let Telling { notices, tasks } = Telling::start(&config, parts(&hub), quick(), &draining).unwrap();
        let office = Office { hub: hub.clone(), notices, draining };
        let person = office.person(PHONE).await;
        let mut preferences = Preferences { mail: MailAddress::parse("wang@example.com").ok(), ..Preferences::default() };
        preferences.choices.choose(NoticeKind::Charge, domain::notice::ChannelKind::Mail, true).unwrap();
        office.notices.set_preferences(person, preferences).await.unwrap();
        let target = PushTarget { vendor: Vendor::Hms, token: "token".to_owned() };
        office.notices.register_push(person, DeviceId::from_uuid(hub.id()), target).await.unwrap().unwrap();
        assert_eq!(office.queue(&[charge(person, "1")]).await, 3);
        office.becomes("SENT", 3).await;
        assert!(smsc.state().await["texts"][0]["text"].as_str().unwrap().contains("支出12.50元"));
        assert!(mail.state().await["messages"][0]["text"].as_str().unwrap().contains("支出12.50元"));
        assert_eq!(push.state().await["messages"].as_array().unwrap().len(), 1);
        office.draining.cancel();
        drop(office);
        for (name, task) in tasks {
            let ended = tokio::time::timeout(std::time::Duration::from_secs(20), task).await;
            ended.unwrap_or_else(|_| panic!("{name} does not end")).unwrap();
        }
        assert_eq!(smsc.state().await["unbinds"], 1);
    })
    .await;
}

#[tokio::test]
async fn r6_a_channel_that_cannot_be_opened_is_told_at_the_start() {
    on_each_engine(async |hub| {
        let draining = CancellationToken::new();
        let sms = json!({ "host": "h", "system_id": "s", "password": "file:/nowhere", "source": "bankhub" });
        let config = serde_json::from_value(json!({ "sms": sms })).unwrap();
        let failed = Telling::start(&config, parts(&hub), quick(), &draining);
        assert!(matches!(failed, Err(ChannelError::Secret(_))));
        let none = Telling::start(&NotifyConfig::default(), parts(&hub), quick(), &draining).unwrap();
        assert_eq!(none.tasks.len(), 1, "the writer alone");
    })
    .await;
}
