//! Budgets at replicas that share one database, on both engines.

use std::num::NonZeroU32;

use domain::Reason;
use domain::lookup::Scope;
use server_kit::audit;
use server_kit::store::Dialect;

use super::{Budget, Listed, Lookups, LookupsConfig};
use crate::testing::{TestHub, on_each_engine};

/// Budgets of which there are none, for tests of something else.
pub(crate) fn unbounded(hub: &TestHub, replica: &str) -> Lookups {
    let none = LookupsConfig { terminal_burst: 0, merchant_burst: 0, link_burst: 0, ..LookupsConfig::default() };
    open(hub, replica, LookupsConfig { carrier_burst: 0, bank_burst: 0, ..none })
}

/// Budgets that no test of something else uses up, however much it asks at once.
pub(crate) fn roomy() -> LookupsConfig {
    LookupsConfig { terminal_burst: 10_000_000, merchant_burst: 100_000_000, ..LookupsConfig::default() }
}

/// Room for ten misses, and one more in an hour.
fn small() -> LookupsConfig {
    LookupsConfig {
        terminal_burst: 200,
        terminal_per_hour: NonZeroU32::new(20).unwrap(),
        merchant_burst: 0,
        ..LookupsConfig::default()
    }
}

pub(crate) fn open(hub: &TestHub, replica: &str, config: LookupsConfig) -> Lookups {
    Lookups::start((hub.store.clone(), hub.clock()), hub.keys.clone(), replica, config).0
}

fn till(id: &str) -> Vec<Budget> {
    vec![Budget::new(Scope::Terminal, id)]
}

/// Whether a number that nobody has could be looked up.
async fn miss(lookups: &Lookups, budgets: Vec<Budget>) -> bool {
    match lookups.pay(budgets).await.unwrap() {
        Ok(look_up) => {
            look_up.miss();
            true
        }
        Err(reason) => {
            assert_eq!(reason, Reason::LookupsExhausted);
            false
        }
    }
}

async fn misses(lookups: &Lookups, id: &str, tries: usize) -> usize {
    let mut done = 0;
    for _ in 0..tries {
        done += usize::from(miss(lookups, till(id)).await);
    }
    done
}

async fn listed(lookups: &Lookups, id: &str) -> Option<Listed> {
    lookups.list(false, "", 100).await.unwrap().into_iter().find(|listed| listed.budget.id == id)
}

async fn logged(hub: &TestHub, kind: &str) -> usize {
    let mut found = 0;
    for chain in ["hub-1/lookups", "hub-2/lookups", "hub-3/lookups"] {
        let lines = audit::read_chain(&hub.store, chain).await.unwrap();
        found += lines.iter().filter(|line| line.kind == kind).count();
    }
    found
}

#[tokio::test]
async fn m4_replicas_share_a_budget_and_no_restart_fills_it_up() {
    on_each_engine(async |hub| {
        let (first, second) = (open(&hub, "hub-1", small()), open(&hub, "hub-2", small()));
        let mut done = 0;
        for _ in 0..20 {
            done += misses(&first, "till-1", 1).await + misses(&second, "till-1", 1).await;
        }
        assert_eq!(done, 10, "{}: ten in all, whoever is asked", hub.engine);
        drop((first, second));
        let third = open(&hub, "hub-3", small());
        assert_eq!(misses(&third, "till-1", 5).await, 0, "{}", hub.engine);
        assert_eq!(misses(&third, "till-2", 5).await, 5, "{}: others have their own", hub.engine);
        assert_eq!(logged(&hub, "LOOKUPS_DRY").await, 1, "{}: it is said once", hub.engine);
        let dry = third.list(true, "", 10).await.unwrap();
        assert_eq!(dry.len(), 1, "{}", hub.engine);
        assert_eq!((dry[0].budget.id.as_str(), dry[0].left, dry[0].dry_times), ("till-1", Some(0), 1));
    })
    .await;
}

#[tokio::test]
async fn m4_what_dies_with_a_replica_is_lost_and_not_given_twice() {
    on_each_engine(async |hub| {
        let mut done = 0;
        for _ in 0..10 {
            // Each draws a part, uses one look-up of it and is killed.
            done += misses(&open(&hub, "hub-1", small()), "till-1", 1).await;
        }
        assert_eq!(done, 3, "{}: three parts of eighty, eighty and forty", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m4_many_at_once_draw_no_more_than_there_is() {
    on_each_engine(async |hub| {
        let (first, second) = (open(&hub, "hub-1", small()), open(&hub, "hub-2", small()));
        let asked = (0..64).map(|n| miss(if n % 2 == 0 { &first } else { &second }, till("till-1")));
        let done = futures_util::future::join_all(asked).await.into_iter().filter(|done| *done).count();
        assert_eq!(done, 10, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m4_a_look_up_that_finds_somebody_costs_little_and_the_database_is_asked_seldom() {
    on_each_engine(async |hub| {
        let lookups = open(&hub, "hub-1", small());
        for _ in 0..60 {
            lookups.pay(till("till-1")).await.unwrap().unwrap().hit();
        }
        let version = "SELECT version FROM lookup_budgets";
        let drawn = hub.store.fetch_one(version, Vec::new()).await.unwrap().unwrap().int(0).unwrap();
        assert_eq!(drawn, 1, "{}: one draw for sixty look-ups", hub.engine);
        let left = listed(&lookups, "till-1").await.unwrap();
        assert_eq!((left.left, left.burst, left.dry_since), (Some(120), 200, None), "{}", hub.engine);
        lookups.pay(till("till-1")).await.unwrap().unwrap().told_nothing();
        // Twenty are left, which is one look-up; a payment gives back.
        assert_eq!(misses(&lookups, "till-1", 1).await, 1);
    })
    .await;
}

#[tokio::test]
async fn m4_what_one_budget_refuses_costs_the_other_nothing() {
    on_each_engine(async |hub| {
        let config = LookupsConfig { merchant_burst: 40, ..small() };
        let lookups = open(&hub, "hub-1", config);
        let both = |till| vec![Budget::new(Scope::Terminal, till), Budget::new(Scope::Merchant, "noodles")];
        for (till, allowed) in [("till-1", true), ("till-2", true), ("till-3", false), ("till-1", false)] {
            assert_eq!(miss(&lookups, both(till)).await, allowed, "{}: {till}", hub.engine);
        }
        // The third till has spent nothing of its own: ten misses are still there.
        let alone = open(&hub, "hub-2", LookupsConfig { merchant_burst: 0, ..config });
        drop(lookups);
        assert_eq!(misses(&alone, "till-3", 20).await, 6, "{}: what was drawn has died with its replica", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m9_an_operator_fills_a_budget_up_and_the_log_says_who() {
    on_each_engine(async |hub| {
        let (lookups, other) = (open(&hub, "hub-1", small()), open(&hub, "hub-2", small()));
        let unknown = lookups.fill(Budget::new(Scope::Terminal, "till-1"), "anna").await.unwrap();
        assert_eq!(unknown, Err(Reason::LookupBudgetUnknown));
        assert_eq!(misses(&lookups, "till-1", 20).await, 10);
        lookups.fill(Budget::new(Scope::Terminal, "till-1"), "anna").await.unwrap().unwrap();
        let left = listed(&lookups, "till-1").await.unwrap();
        assert_eq!((left.left, left.dry_since, left.dry_times), (Some(200), None, 1), "{}", hub.engine);
        assert_eq!(misses(&lookups, "till-1", 4).await, 4, "{}: at once", hub.engine);
        assert_eq!(misses(&other, "till-1", 20).await, 6, "{}", hub.engine);
        let lines = audit::read_chain(&hub.store, "hub-1/lookups").await.unwrap();
        let said: Vec<_> = lines.iter().map(|line| (line.kind.as_str(), line.content.as_str())).collect();
        let (dry, filled) = ("scope=TERMINAL id=till-1", "scope=TERMINAL id=till-1 by=anna");
        assert_eq!(said, [("LOOKUPS_DRY", dry), ("LOOKUPS_FILLED", filled)], "{}", hub.engine);
        assert_eq!(logged(&hub, "LOOKUPS_DRY").await, 2, "{}: it ran dry again", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m4_a_budget_comes_back_with_time_and_trickling_is_one_dry_time() {
    on_each_engine(async |hub| {
        // PostgreSQL's transactions have the server's own time, which no test moves.
        if hub.store.dialect() == Dialect::Postgres {
            return;
        }
        let lookups = open(&hub, "hub-1", small());
        assert_eq!(misses(&lookups, "till-1", 20).await, 10);
        for _ in 0..3 {
            hub.clock.advance(std::time::Duration::from_secs(3_601));
            assert_eq!(misses(&lookups, "till-1", 5).await, 1, "twenty tokens an hour");
        }
        assert_eq!(logged(&hub, "LOOKUPS_DRY").await, 1);
        hub.clock.advance(std::time::Duration::from_secs(100 * 3_600));
        assert_eq!(misses(&lookups, "till-1", 30).await, 10);
        assert_eq!(logged(&hub, "LOOKUPS_DRY").await, 2);
    })
    .await;
}
