//! What those who watch a federation are told of it: rate, errors and duration of each call and each bank, and how old is what nobody has settled.

use std::collections::BTreeMap;

use federation_tests::cards::PIN;
use federation_tests::databases::Engine;
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use proto::common::Nature;
use proto::terminal::PaymentState;
use server_kit::clock::{Clock as _, SystemClock};

/// Longer than any certificate of a federation that was made for a test has been there.
const A_DAY: f64 = 86_400.0;

/// Series by name and labels, in order of the labels' names.
struct Told(BTreeMap<String, f64>);

impl Told {
    async fn by(world: &World, server: &str) -> Self {
        let answer = world.operations(server, "/metrics").await;
        let (_, text) = answer.split_once("\r\n\r\n").expect("an answer with a body");
        let series = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            (in_order(name), value.parse().unwrap_or_else(|_| panic!("{line}")))
        };
        Self(text.lines().filter(|line| !line.starts_with('#') && line.contains(' ')).map(series).collect())
    }

    /// The value of a series that has to be there.
    #[track_caller]
    fn value(&self, series: &str) -> f64 {
        let name = series.split('{').next().unwrap_or_default();
        let near = || self.0.iter().filter(|(known, _)| known.starts_with(name)).collect::<Vec<_>>();
        *self.0.get(&in_order(series)).unwrap_or_else(|| panic!("{series} is not there: {:?}", near()))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn in_order(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return series.to_owned() };
    let mut labels: Vec<_> = labels.trim_end_matches('}').split("\",").map(|it| it.trim_end_matches('"')).collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

#[tokio::test]
async fn m9_payments_are_counted_and_timed_by_call_and_by_bank_with_what_was_refused() {
    let mut world = Setup::on(Engine::Sqlite).with_banks(&["bank-a", "bank-b"]).with_cards().start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 100_000).await);
    for _ in 0..2 {
        assert_eq!(till.pay(&payer, fen(1_250)).await.state(), PaymentState::Approved);
    }
    assert_eq!(till.pay(&payer, fen(999_999)).await.state(), PaymentState::Declined);
    assert!(till.get(&till.new_id()).await.is_err(), "nobody has made this payment");
    let holder = world.holder(1, "bank-b", 50_000, 30_000).await;
    let card = holder.read(&world.pad("till-1"), Some(PIN));
    assert_eq!(till.with_card(&card, Nature::Purchase, 1_250).await.state(), PaymentState::Approved);
    let hub = until("nothing to be unsettled", World::HEALING, async || {
        let told = Told::by(&world, "hub-1").await;
        (told.value("bankhub_payments_unsettled") == 0.0).then_some(told)
    });
    let hub = hub.await;
    let calls = |call: &str, result: &str| {
        hub.value(&format!("bankhub_calls_total{{service=\"TerminalService\",call=\"{call}\",result=\"{result}\"}}"))
    };
    assert!(calls("CreatePayment", "OK") >= 3.0 && calls("AuthorizePayment", "OK") >= 3.0);
    assert_eq!(calls("GetPayment", "NOT_FOUND"), 1.0);
    let timed = |series: &str| hub.value(&series.replacen('{', "_count{", 1));
    assert!(timed("bankhub_call_seconds{service=\"TerminalService\",call=\"AuthorizePayment\"}") >= 3.0);
    let asked = |bank: &str| {
        hub.value(&format!("bankhub_bank_requests_total{{bank=\"{bank}\",call=\"hold_legs\",result=\"answered\"}}"))
    };
    // A bank that has too little money to hold has answered, too.
    assert_eq!((asked("bank-a"), asked("bank-b")), (3.0, 1.0));
    assert_eq!(timed("bankhub_bank_request_seconds{bank=\"bank-a\",call=\"hold_legs\"}"), 3.0);
    assert_eq!(hub.value("bankhub_oldest_unsettled_seconds"), 0.0);
    let now = SystemClock.now().micros() as f64 / 1e6;
    for server in ["hub-1", "bank-a", "bank-b"] {
        let told = Told::by(&world, server).await;
        let ends: Vec<_> =
            told.0.iter().filter(|(it, _)| it.starts_with("bankhub_certificate_ends_seconds{")).collect();
        assert!(!ends.is_empty() && ends.iter().all(|(_, ends)| **ends > now + A_DAY), "{server}: {ends:?}");
        assert!(told.names().any(|it| it.starts_with("bankhub_writer_set_seconds")), "{server}");
    }
    let bank = Told::by(&world, "bank-b").await;
    assert_eq!(bank.value("bankhub_bank_calls_total{service=\"bank\",call=\"HoldLegs\",result=\"OK\"}"), 1.0);
    assert!(bank.value("bankhub_hsm_seconds_count{result=\"answered\"}") >= 1.0);
    assert!(bank.names().any(|it| it.starts_with("bankhub_ledger_steps_total{")));
    // A bank that is away is seen where it is asked.
    world.server("bank-a").kill().await.unwrap();
    let (id, code) = till.begin(&payer, fen(100)).await;
    till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
    let hub = Told::by(&world, "hub-1").await;
    assert!(hub.value("bankhub_bank_requests_total{bank=\"bank-a\",call=\"hold_legs\",result=\"failed\"}") >= 1.0);
    world.server("bank-a").start().await.unwrap();
    till.outcome(&id).await;
    world.settled().await;
}
