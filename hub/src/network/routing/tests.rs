//! Which links may route, at replicas that share one database, on both engines.

use domain::OperatorId;
use proto::operator as pb;
use server_kit::audit;

use super::*;
use crate::testing::{TestHub, on_each_engine};

fn config(tls: bool) -> NetworkConfig {
    let tls = if tls { r#", "tls": {"certificate": "c", "key": "env:PATH", "client_ca": "a"}"# } else { "" };
    let link = format!(r#"{{"listen": "127.0.0.1:0", "acquirers": ["66280000"], "pin_key": "env:PATH"{tls}}}"#);
    serde_json::from_str(&format!(r#"{{"links": {{"acq": {link}}}}}"#)).unwrap()
}

async fn open(hub: &TestHub, replica: &str, tls: bool) -> Routing {
    let owner = Arc::new(Owner::take(&hub.store, replica, hub.id()).await.unwrap());
    Routing::start(&config(tls), hub.store.clone(), hub.keys.clone(), owner).0
}

fn by(name: &str) -> OperatorId {
    OperatorId::parse(name).unwrap()
}

fn allow(link: &str) -> pb::AllowRoutingRequest {
    pb::AllowRoutingRequest { link: link.to_owned() }
}

fn suspend(link: &str) -> pb::SuspendRoutingRequest {
    pb::SuspendRoutingRequest { link: link.to_owned() }
}

#[tokio::test]
async fn m9_what_operators_say_of_a_link_holds_at_once_at_every_replica_and_without_tls_never() {
    on_each_engine(async |hub| {
        let (one, two) = (open(&hub, "hub-1", true).await, open(&hub, "hub-2", true).await);
        let plain = open(&hub, "hub-3", false).await;
        assert!(!one.is_allowed("acq").await.unwrap());
        for _ in 0..2 {
            let link = one.allow(by("ann"), &allow("acq")).await.unwrap().link.unwrap();
            assert_eq!((link.routes, link.changed_by.as_str()), (true, "ann"));
            assert!(two.is_allowed("acq").await.unwrap(), "{}", hub.engine);
        }
        assert!(!plain.is_allowed("acq").await.unwrap(), "it was allowed to a link that has lost its TLS");
        assert!(!plain.list().await.unwrap().links[0].routes);
        assert_eq!(plain.allow(by("ann"), &allow("acq")).await, Err(Reason::RoutingNeedsTls));
        assert_eq!(one.allow(by("ann"), &allow("other")).await, Err(Reason::LinkUnknown));
        assert_eq!(one.suspend(by("ann"), &suspend("other")).await, Err(Reason::LinkUnknown));
        for malformed in ["", "Acq", "a/b", &"a".repeat(33)] {
            assert_eq!(one.allow(by("ann"), &allow(malformed)).await, Err(Reason::NameMalformed), "{malformed}");
        }
        for _ in 0..2 {
            let link = two.suspend(by("bob"), &suspend("acq")).await.unwrap().link.unwrap();
            assert_eq!((link.routes, link.changed_by.as_str()), (false, "bob"));
            assert!(!one.is_allowed("acq").await.unwrap());
        }
        // What was said twice is one line of the log, and names who said it.
        let reports = audit::verify(&hub.store, hub.keys.as_ref()).await.unwrap();
        let entries: i64 = reports.iter().filter(|it| it.chain.ends_with("/routing")).map(|it| it.entries).sum();
        assert_eq!(entries, 2, "{}", hub.engine);
    })
    .await;
}

async fn put(hub: &TestHub, sql: &'static str, args: Vec<server_kit::store::Value>) {
    let mut tx = hub.store.begin().await.unwrap();
    tx.execute(sql, args).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn m7_settlements_are_listed_in_pages_the_last_day_first() {
    on_each_engine(async |hub| {
        let routing = open(&hub, "hub-1", true).await;
        for (day, balance) in [("2026-11-20", 1_i64), ("2026-11-21", 0), ("2026-11-22", 1)] {
            for link in ["acq", "cup"] {
                let args = vec![link.into(), day.into(), balance.into()];
                let sql = "INSERT INTO network_settlements (link, business_day, currency, version, ours, theirs, in_balance, compared_at) \
                           VALUES ($1, $2, 'CNY', 1, 'ours', 'theirs', $3, 7)";
                put(&hub, sql, args).await;
            }
        }
        let args = vec!["cup".into(), "2026-11-21".into()];
        let sql = "INSERT INTO network_totals (link, business_day, currency, version, state, stan, sent_at, due_at, tries, ours, theirs, \
                   began_at, changed_at, sealed_message) VALUES ($1, $2, 'CNY', 1, 'TOLD', 3, 0, 5, 2, 'ours', '', 4, 5, $3)";
        let args: Vec<_> = args.into_iter().chain([Vec::<u8>::new().into()]).collect();
        put(&hub, sql, args).await;
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListDayTotalsRequest { only_troubled: false, page_size: 2, page_token };
            let page = routing.day_totals(&request).await.unwrap().unwrap();
            assert!(page.day_totals.len() <= 2);
            let name = |it: &pb::DayTotals| format!("{} {} {}", it.business_day, it.link, state_words(it.state()));
            found.extend(page.day_totals.iter().map(name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let expected = [
            "2026-11-22 acq IN_BALANCE",
            "2026-11-22 cup IN_BALANCE",
            "2026-11-21 acq OUT_OF_BALANCE",
            "2026-11-21 cup OUT_OF_BALANCE",
            "2026-11-21 cup OPEN",
            "2026-11-20 acq IN_BALANCE",
            "2026-11-20 cup IN_BALANCE",
        ];
        assert_eq!(found, expected, "{}", hub.engine);
        let troubled = pb::ListDayTotalsRequest { only_troubled: true, ..Default::default() };
        assert_eq!(routing.day_totals(&troubled).await.unwrap().unwrap().day_totals.len(), 3);
        for (size, token, reason) in
            [(201, "", Reason::PageSizeOutOfRange), (-1, "", Reason::PageSizeOutOfRange), (0, "x", Reason::PageTokenMalformed)]
        {
            let request = pb::ListDayTotalsRequest { page_size: size, page_token: token.to_owned(), ..Default::default() };
            assert_eq!(routing.day_totals(&request).await.unwrap(), Err(reason));
        }
    })
    .await;
}
