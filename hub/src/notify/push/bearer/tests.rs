//! Tokens of push services, against Node's own signatures and HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use server_kit::clock::{Clock as _, ManualClock, SystemClock};

use super::super::super::channel::{Channel as _, Vendor};
use super::super::tests::{VENDORS, code_of, letter, service};
use super::super::{Push, PushOptions};
use super::*;
use crate::testing::peer::{PeerProcess, TlsFiles};

const MINUTE: Duration = Duration::from_secs(60);

/// A push service that is strict about tokens, and the hub's side of it.
struct World {
    files: TlsFiles,
    service: PeerProcess,
    clock: Arc<ManualClock>,
    push: Arc<Push>,
}

impl World {
    async fn open() -> Option<Self> {
        let files = TlsFiles::new();
        let mut service = service(&files, "h2").await?;
        service.tell("strict").await;
        let account = service.tell("account").await;
        let provider: String = serde_json::from_str(&service.tell("provider").await).unwrap();
        let sources = [
            TokenSource::ServiceAccount { key: files.secret("account.json", &account) },
            TokenSource::ProviderKey {
                key: files.secret("provider.p8", &provider),
                key_id: "KEY1234567".to_owned(),
                team_id: "TEAM123456".to_owned(),
            },
            TokenSource::ClientCredentials {
                endpoint: format!("https://localhost:{}/oauth2/v3/token", service.port),
                client_id: "cn.bankhub.app".to_owned(),
                secret: files.secret("secret", "s&cret=1/+ %"),
            },
        ];
        let options = VENDORS.into_iter().zip(sources).map(|((vendor, _), token)| PushOptions {
            vendor,
            endpoint: format!("https://localhost:{}", service.port),
            app: "cn.bankhub.app".to_owned(),
            token,
            ca: Some(files.certificate()),
            answer_within: Duration::from_secs(2),
        });
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let push = Push::new(options.collect(), &(clock.clone() as SharedClock)).unwrap();
        Some(Self { files, service, clock, push: Arc::new(push) })
    }

    /// What comes of a letter: nothing when it was taken.
    async fn send(&self, vendor: Vendor) -> String {
        let to = VENDORS.iter().find(|(known, _)| *known == vendor).unwrap().1;
        self.push.send(&letter(vendor, to)).await.err().map(|error| code_of(&error)).unwrap_or_default()
    }

    /// How many tokens were given, and how often one was asked for.
    async fn tokens(&mut self) -> (u64, u64) {
        let state = self.service.state().await;
        (state["tokens"]["given"].as_u64().unwrap(), state["tokens"]["asked"].as_u64().unwrap())
    }
}

#[tokio::test]
async fn r6_a_token_is_got_once_for_many_letters_and_anew_before_its_end() {
    let Some(mut world) = World::open().await else { return };
    for vendor in [Vendor::Fcm, Vendor::Hms] {
        let (given, asked) = world.tokens().await;
        let sent = futures_util::future::join_all((0..20).map(|_| world.send(vendor))).await;
        assert!(sent.iter().all(String::is_empty), "{vendor:?} {sent:?}");
        assert_eq!(world.tokens().await, (given + 1, asked + 1), "{vendor:?}");
        world.clock.advance(54 * MINUTE);
        assert_eq!(world.send(vendor).await, "", "{vendor:?}");
        assert_eq!(world.tokens().await, (given + 1, asked + 1), "{vendor:?}: it is good for an hour");
        world.clock.advance(2 * MINUTE);
        let sent = futures_util::future::join_all((0..20).map(|_| world.send(vendor))).await;
        assert!(sent.iter().all(String::is_empty), "{vendor:?} {sent:?}");
        assert_eq!(world.tokens().await, (given + 2, asked + 2), "{vendor:?}: five minutes were left");
        world.clock.set(SystemClock.now());
    }
    assert_eq!(world.service.state().await["tokens"]["most"], 1, "two renewals at once");
}

#[tokio::test]
async fn r6_a_token_that_is_refused_is_renewed_once_and_the_letter_arrives() {
    let Some(mut world) = World::open().await else { return };
    for (vendor, _) in VENDORS {
        assert_eq!(world.send(vendor).await, "", "{vendor:?}");
    }
    let (given, _) = world.tokens().await;
    world.service.tell("expire").await;
    for vendor in [Vendor::Fcm, Vendor::Hms] {
        let sent = futures_util::future::join_all((0..10).map(|_| world.send(vendor))).await;
        assert!(sent.iter().all(String::is_empty), "{vendor:?} {sent:?}");
    }
    assert_eq!(world.tokens().await.0, given + 2, "one for each vendor");
    // Apple takes no more than one in 20 minutes: until then it is as if it were away.
    assert_eq!(world.send(Vendor::Apns).await, "Away HTTP_403");
    world.clock.advance(21 * MINUTE);
    assert_eq!(world.send(Vendor::Apns).await, "");
    let state = world.service.state().await;
    assert_eq!(state["messages"].as_array().unwrap().len(), 24);
}

#[tokio::test]
async fn r6_without_a_token_nothing_is_sent_and_the_endpoint_is_left_alone_for_longer_and_longer() {
    let Some(mut world) = World::open().await else { return };
    for vendor in [Vendor::Fcm, Vendor::Hms] {
        for (how, said) in [
            ("throttle", "Away TOKEN_BUSY"),
            ("broken", "Away TOKEN_AWAY"),
            ("drop", "Away TOKEN_AWAY"),
            ("mute", "Away TOKEN_AWAY"),
            ("garbage", "Away TOKEN_UNREADABLE"),
            ("empty", "Away TOKEN_UNREADABLE"),
            ("refuse", "Away TOKEN_REFUSED"),
        ] {
            let (_, asked) = world.tokens().await;
            world.service.tell(&format!("token {how}")).await;
            for _ in 0..5 {
                assert_eq!(world.send(vendor).await, said, "{vendor:?} {how}");
            }
            assert_eq!(world.tokens().await.1, asked + 1, "{vendor:?} {how}: asked again too early");
            if how == "throttle" {
                world.clock.advance(Duration::from_secs(6));
                assert_eq!(world.send(vendor).await, said);
                assert_eq!(world.tokens().await.1, asked + 1, "it wanted seven seconds");
            }
            world.clock.advance(16 * MINUTE);
        }
        world.clock.set(SystemClock.now());
        assert_eq!(world.send(vendor).await, "", "{vendor:?}");
    }
    assert!(world.service.state().await["messages"].as_array().unwrap().len() == 2);
}

#[tokio::test]
async fn r6_a_key_that_is_wrong_sends_nothing_until_it_is_exchanged() {
    let Some(mut world) = World::open().await else { return };
    // Another account in the vendor's console ends the one before, and so does another key.
    let account = world.service.tell("account").await;
    let provider: String = serde_json::from_str(&world.service.tell("provider").await).unwrap();
    world.files.secret("secret", "another");
    for (vendor, said) in
        [(Vendor::Fcm, "Away TOKEN_REFUSED"), (Vendor::Apns, "Away HTTP_403"), (Vendor::Hms, "Away TOKEN_REFUSED")]
    {
        assert_eq!(world.send(vendor).await, said);
    }
    assert_eq!(world.service.state().await["messages"], serde_json::json!([]));
    world.files.secret("account.json", &account);
    world.files.secret("provider.p8", &provider);
    world.files.secret("secret", "s&cret=1/+ %");
    world.clock.advance(21 * MINUTE);
    for (vendor, _) in VENDORS {
        assert_eq!(world.send(vendor).await, "", "{vendor:?}");
    }
}

#[tokio::test]
async fn what_is_no_key_is_told_at_the_start_and_no_secret_with_it() {
    let files = TlsFiles::new();
    let open = |source| {
        let clock = SystemClock::shared();
        Bearer::open("X", &source, Some(files.certificate()), MINUTE, clock).err().map(|error| error.to_string())
    };
    let p256 = std::fs::read_to_string(files.key()).unwrap();
    let account = |key: &str, uri: &str| {
        let text =
            serde_json::json!({ "client_email": "a", "private_key_id": "b", "private_key": key, "token_uri": uri });
        TokenSource::ServiceAccount { key: files.secret("account", &text.to_string()) }
    };
    for (source, said) in [
        (account(&p256, "https://localhost/token"), "service account"),
        (account("secret", "https://localhost/token"), "service account"),
        (TokenSource::ServiceAccount { key: files.secret("account", "secret") }, "service account"),
        (provider(&files, "secret"), "provider's key"),
    ] {
        let error = open(source).unwrap();
        assert!(error.contains(said) && !error.contains("secret"), "{error}");
    }
    assert_eq!(open(provider(&files, &p256)), None);
}

fn provider(files: &TlsFiles, pem: &str) -> TokenSource {
    let (key_id, team_id) = ("K".to_owned(), "T".to_owned());
    TokenSource::ProviderKey { key: files.secret("provider", pem), key_id, team_id }
}

#[test]
fn r6_a_token_is_renewed_when_a_tenth_of_its_time_is_left() {
    let got_at = Timestamp::from_secs(1_000);
    let age = |good_for, seconds: i64| {
        let token = Token { text: SecretString::from("t"), number: 1 };
        Held { token, got_at, good_for }.age(Timestamp::from_secs(1_000 + seconds))
    };
    let minute = MINUTE;
    for (good_for, seconds, wanted) in [
        (60 * minute, 0, Age::Fresh),
        (60 * minute, 3_299, Age::Fresh),
        (60 * minute, 3_300, Age::Due),
        (60 * minute, 3_599, Age::Due),
        (60 * minute, 3_600, Age::Over),
        (Duration::from_secs(10), 8, Age::Fresh),
        (Duration::from_secs(10), 9, Age::Due),
        (Duration::from_secs(10), 10, Age::Over),
        // The clock was set back: it may be of any age.
        (60 * minute, -1, Age::Due),
    ] {
        assert_eq!(age(good_for, seconds), wanted, "{good_for:?} {seconds}");
    }
}

#[test]
fn r6_pauses_double_up_to_a_minute_or_a_quarter_of_an_hour() {
    let now = Timestamp::from_secs(1_000);
    let pauses = |denied, count: usize| {
        let mut failure = None;
        let mut pauses = Vec::new();
        for _ in 0..count {
            failure = Some(Failure::next(failure.as_ref(), denied, now));
            pauses.push(failure.as_ref().map_or(0, |failure| failure.pause.as_secs()));
        }
        pauses
    };
    assert_eq!(pauses(Denied::Away, 8), [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(pauses(Denied::Refused, 12)[9..], [512, 900, 900]);
    let busy = |pause| pauses(Denied::Busy { pause: Some(Duration::from_secs(pause)) }, 1);
    assert_eq!((busy(0), busy(7), busy(1_000_000)), (vec![1], vec![7], vec![900]));
    let failure = Failure::next(None, Denied::Away, now);
    assert!(failure.holds(now) && !failure.holds(now.plus(Duration::from_secs(1))));
    assert!(!failure.holds(now.minus(MINUTE)), "a clock that was set back holds nobody up");
}
