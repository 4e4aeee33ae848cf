//! What merchants are charged and paid, at the console.

use super::*;

const TERMS: [(&str, &str); 11] = [
    ("merchant", "noodles"),
    ("category", "*"),
    ("way", "*"),
    ("currency", "CNY"),
    ("fixed", "0.10"),
    ("floor", "0"),
    ("cap", "25"),
    ("issuer", "70"),
    ("hub", "10"),
    ("returns", "PROPORTIONAL"),
    ("why", "the contract"),
];

async fn set(browser: &mut Browser<'_>, rate: &str, other: (&'static str, &'static str)) -> Told {
    browser.get("/fees").await;
    let kept = TERMS.into_iter().filter(|(name, _)| *name != other.0);
    let fields: Vec<(&str, &str)> = kept.chain([("rate", rate), other]).collect();
    browser.post("/fees/set", &fields).await
}

async fn rows(browser: &mut Browser<'_>, path: &str) -> Vec<serde_json::Value> {
    let json: serde_json::Value = serde_json::from_str(&browser.get(path).await.body).unwrap();
    json["rows"].as_array().unwrap().clone()
}

#[tokio::test]
async fn m9_a_fee_is_set_by_two_persons_and_withdrawn_by_one_and_the_day_is_shown_as_a_file() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let mut ann = world.signed_in("ann").await;
        let from = ("from", "2026-12-01T00:00:00+08:00");
        let later = jiff::Timestamp::from_microsecond(hub.clock().now().micros()).unwrap();
        let later: &'static str = later.checked_add(jiff::SignedDuration::from_hours(24)).unwrap().to_string().leak();
        assert_eq!(set(&mut ann, "0.38", ("from", later)).await.location, "/fees?done=waits", "{}", hub.engine);
        assert!(rows(&mut ann, "/fees?format=json").await.is_empty(), "nothing is done before it is approved");
        let mut bob = world.signed_in("bob").await;
        let shown = bob.get("/approvals").await.body;
        assert!(shown.contains("fee of merchant noodles, CNY: 0.3800 % + 0.10, at most 25.00"), "{shown}");
        let path = shown.split_once("action=\"/approvals/").unwrap().1.split('"').next().unwrap().to_owned();
        assert_eq!(bob.post(&format!("/approvals/{path}"), &[]).await.location, "/approvals?all=1");
        let listed = rows(&mut bob, "/fees?format=json").await;
        assert_eq!(listed[0]["scope"], "noodles * * CNY", "{}: {listed:?}", hub.engine);
        let schedule = listed[0]["schedule_id"].as_str().unwrap().to_owned();
        ann.get("/fees").await;
        let withdrawn = ann.post("/fees/withdraw", &[("schedule", &schedule)]).await;
        assert_eq!(withdrawn.location, "/fees?done=withdrawn", "{}", withdrawn.body);
        assert!(rows(&mut ann, "/fees?format=json").await.is_empty(), "{}", hub.engine);
        assert_eq!(rows(&mut ann, "/fees?all=1&format=json").await[0]["withdrawn_by"], "ann");
        for (rate, other) in [
            ("-1", from),
            ("101", from),
            ("x", from),
            ("1", ("merchant", "No Body")),
            ("1", ("category", "0001")),
            ("1", ("way", "CASH")),
            ("1", ("currency", "cny")),
            ("1", ("fixed", "-0.01")),
            ("1", ("cap", "0.001")),
            ("1", ("floor", "26")),
            ("1", ("issuer", "91")),
            ("1", ("returns", "SOME")),
            ("1", ("from", "tomorrow")),
        ] {
            let told = set(&mut ann, rate, other).await;
            assert!(told.status.is_client_error(), "{rate} {other:?}: {} {}", told.status, told.location);
        }
        let mut tx = hub.store.begin().await.unwrap();
        let sql = "INSERT INTO settlement_entries (day, merchant_id, payment_id, kind, terminal_id, currency, amount_minor, \
                   fee_minor, issuer_minor, hub_minor, occurred_at) \
                   VALUES ('2026-11-22', 'noodles', $1, 'SALE', 'till-1', 'CNY', 10000, 48, 33, 4, 0)";
        tx.execute(sql, vec![hub.id().into()]).await.unwrap();
        tx.commit().await.unwrap();
        let csv = ann.get("/settlements?day=2026-11-22&format=csv").await.body;
        assert!(csv.ends_with("2026-11-22,noodles,CNY,1,10000,0,0,0,0,48,33,4,11,9952\n"), "{csv}");
        let empty = rows(&mut ann, "/settlements?day=2026-11-22&merchant=tea&format=json").await;
        assert!(empty.is_empty(), "{empty:?}");
        let bad = ann.get("/settlements?day=2026-02-30").await;
        assert!(bad.status.is_client_error(), "{}", bad.status);
    })
    .await;
}
