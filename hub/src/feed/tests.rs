//! The feed under a writer that does not wait for its watchers: nothing lost, nothing twice, in order (S1).

use std::sync::Arc;
use std::time::Duration;

use domain::feed::{Event, EventKind, News, Topic};
use domain::{PersonId, Timestamp};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Feed, FeedOptions, FeedParts, Feeds, Watch, WatchError};
use crate::testing::past::{CODE, Past, items, terminal};
use crate::testing::{TestHub, on_each_engine, on_postgres};

/// Long enough for the slowest machine; only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);

fn open(hub: &TestHub, options: FeedOptions) -> (Feed, CancellationToken) {
    let draining = CancellationToken::new();
    let parts = FeedParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        replica: hub.id(),
        draining: draining.clone(),
    };
    (Feed::new(parts, options), draining)
}

async fn next(watch: &mut Watch) -> Arc<Event> {
    timeout(PATIENCE, watch.next()).await.expect("an event in time").expect("a stream that goes on").unwrap()
}

async fn take(watch: &mut Watch, count: usize) -> Vec<Arc<Event>> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(next(watch).await);
    }
    events
}

#[tokio::test]
async fn s1_what_was_stored_comes_first_and_then_what_happens_and_both_say_the_same() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions { page: 3, ..FeedOptions::default() });
        let past = Past::new(&hub, &feed);
        let person = past.person().await;
        let mut told = past.happen(&[person], 10).await;
        let mut watch = feed.watch(person, 0).unwrap();
        assert_eq!(take(&mut watch, 10).await, told, "{}", hub.engine);
        for _ in 0..5 {
            let live = past.happen(&[person], 2).await;
            assert_eq!(take(&mut watch, 2).await, live, "{}", hub.engine);
            told.extend(live);
        }
        let mut from_the_middle = feed.watch(person, 7).unwrap();
        assert_eq!(take(&mut from_the_middle, 13).await, told[7..]);
    })
    .await;
}

#[tokio::test]
async fn r3_a_charge_tells_where_it_was_and_what_was_bought() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions::default());
        let past = Past::new(&hub, &feed);
        let person = past.person().await;
        past.happen(&[person], 2).await;
        let mut watch = feed.watch(person, 1).unwrap();
        let event = next(&mut watch).await;
        let EventKind::Charge(purchase) = &event.kind else { panic!("{event:?}") };
        assert_eq!(purchase.items, items(), "{}", hub.engine);
        assert_eq!(purchase.merchant, terminal().merchant);
        assert_eq!((purchase.place.clone(), purchase.location), (terminal().place, terminal().location));
        assert_eq!((purchase.account_masked.as_str(), purchase.bank_id.as_str()), ("****4821", "bank-a"));
        // What comes back later shows when the charge is told again.
        let mut tx = hub.store.begin().await.unwrap();
        tx.execute("UPDATE purchases SET given_back_minor = 150", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let again = next(&mut feed.watch(person, 1).unwrap()).await;
        let EventKind::Charge(purchase) = &again.kind else { panic!("{again:?}") };
        assert_eq!(purchase.given_back_minor, 150);
    })
    .await;
}

#[tokio::test]
async fn m5_a_code_is_told_until_it_has_ended_and_not_after() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions::default());
        let past = Past::new(&hub, &feed);
        let person = past.person().await;
        past.happen(&[person], 1).await;
        let told = |event: &Event| match &event.kind {
            EventKind::Code { code, .. } => code.as_ref().map(|code| code.reveal().to_owned()),
            _ => panic!("{event:?}"),
        };
        let event = next(&mut feed.watch(person, 0).unwrap()).await;
        assert_eq!(told(&event).as_deref(), Some(CODE), "{}", hub.engine);
        assert!(!format!("{event:?}").contains(CODE));
        hub.clock.advance(Duration::from_secs(181));
        assert_eq!(told(&*next(&mut feed.watch(person, 0).unwrap()).await), None);
        // It is nowhere in the table either.
        let row = hub.store.fetch_one("SELECT sealed_code FROM events", Vec::new()).await.unwrap().unwrap();
        assert!(!row.bytes(0).unwrap().windows(CODE.len()).any(|bytes| bytes == CODE.as_bytes()));
    })
    .await;
}

/// A watch that has told all there is, and waits for what happens.
async fn live(past: &Past, feed: &Feed, person: PersonId) -> Watch {
    let mut watch = feed.watch(person, 0).unwrap();
    let told = past.happen(&[person], 1).await;
    assert_eq!(take(&mut watch, told.len()).await, told);
    watch
}

#[tokio::test]
async fn s1_a_watcher_that_is_too_slow_reads_what_ran_over() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions { mailbox: 3, page: 4, ..FeedOptions::default() });
        let past = Past::new(&hub, &feed);
        // Each number, so that the mailbox also runs over with the very last event, which nothing follows.
        for count in 1..=12 {
            let person = past.person().await;
            let mut watch = live(&past, &feed, person).await;
            let told = past.happen(&[person], count).await;
            assert_eq!(take(&mut watch, count).await, told, "{} {count}", hub.engine);
        }
    })
    .await;
}

#[tokio::test]
async fn s1_a_gap_in_what_is_published_is_filled_and_what_comes_twice_is_told_once() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions::default());
        let (elsewhere, _) = open(&hub, FeedOptions::default());
        let (here, there) = (Past::new(&hub, &feed), Past::new(&hub, &elsewhere));
        let person = here.person().await;
        let mut watch = live(&here, &feed, person).await;
        // Six events of which this process hears the third only.
        let told = there.happen(&[person], 6).await;
        feed.publish(&told[2..3]);
        assert_eq!(take(&mut watch, 6).await, told, "{}", hub.engine);
        feed.publish(&told[0..2]);
        feed.publish(&told);
        let last = here.happen(&[person], 1).await;
        assert_eq!(next(&mut watch).await, last[0]);
    })
    .await;
}

#[tokio::test]
async fn s1_what_is_published_after_the_subscription_is_told_even_if_the_read_came_too_early_for_it() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions::default());
        let (elsewhere, _) = open(&hub, FeedOptions::default());
        let person = Past::new(&hub, &feed).person().await;
        let stored = Past::new(&hub, &elsewhere).happen(&[person], 1).await;
        let mut watch = feed.watch(person, 0).unwrap();
        // The table does not show it, as a read that began before the commit would not.
        let second = Arc::new(Event { sequence: 2, ..Event::clone(&stored[0]) });
        feed.publish(std::slice::from_ref(&second));
        assert_eq!(take(&mut watch, 2).await, [stored[0].clone(), second], "{}", hub.engine);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s1_watchers_who_come_and_go_lose_nothing_while_the_writer_writes() {
    on_each_engine(async |hub| {
        const PERSONS: usize = 6;
        const EVENTS: usize = 240;
        let (feed, _) = open(&hub, FeedOptions { mailbox: 4, page: 7, ..FeedOptions::default() });
        let past = Past::new(&hub, &feed);
        let mut persons = Vec::new();
        for _ in 0..PERSONS {
            persons.push(past.person().await);
        }
        let watchers: Vec<_> = (0..3 * PERSONS)
            .map(|i| tokio::spawn(come_and_go(feed.clone(), persons[i % PERSONS], i + 1, EVENTS)))
            .collect();
        let mut told = Vec::new();
        // Sets of changing size and of changing people.
        for (i, size) in [1, 3, 2, 6, 4, 8].into_iter().cycle().enumerate() {
            let some: Vec<PersonId> = if i % 2 == 0 { persons.clone() } else { persons[..3].to_vec() };
            told.extend(past.happen(&some, size).await);
            if persons.iter().all(|person| told.iter().filter(|event| event.person_id == *person).count() >= EVENTS) {
                break;
            }
        }
        for watcher in watchers {
            let (person, seen) = timeout(PATIENCE, watcher).await.expect("all in time").unwrap();
            let of_person: Vec<_> =
                told.iter().filter(|event| event.person_id == person).take(EVENTS).cloned().collect();
            assert_eq!(seen, of_person, "{}", hub.engine);
        }
        assert_eq!(feed.watchers(), 0);
    })
    .await;
}

/// Watches in many short streams, each from where the one before ended.
async fn come_and_go(feed: Feed, person: PersonId, stay: usize, count: usize) -> (PersonId, Vec<Arc<Event>>) {
    let mut seen: Vec<Arc<Event>> = Vec::new();
    while seen.len() < count {
        let cursor = seen.last().map_or(0, |event| event.sequence);
        let mut watch = feed.watch(person, cursor).unwrap();
        let more = stay.min(count - seen.len());
        seen.extend(take(&mut watch, more).await);
    }
    (person, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s1_what_one_replica_writes_the_other_ones_watchers_hear() {
    on_postgres(async |hub| {
        let (here, draining) = open(&hub, FeedOptions::default());
        let (there, _) = open(&hub, FeedOptions::default());
        let listening = tokio::spawn(here.clone().listen());
        let past = Past::new(&hub, &there);
        let mut persons = Vec::new();
        for _ in 0..300 {
            persons.push(past.person().await);
        }
        let mut watches: Vec<Watch> = persons.iter().map(|person| here.watch(*person, 0).unwrap()).collect();
        for _ in 0..3 {
            // More than fit into one notice.
            let told = past.happen(&persons, 2).await;
            for (person, watch) in persons.iter().zip(&mut watches) {
                let of_person: Vec<_> = told.iter().filter(|event| event.person_id == *person).cloned().collect();
                assert_eq!(take(watch, 2).await, of_person);
            }
        }
        // The server cuts every connection that listens; what is written meanwhile is heard all the same.
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE query LIKE 'LISTEN%' AND datname = current_database()";
        let row = hub.store.fetch_one(cut, Vec::new()).await.unwrap().unwrap();
        assert!(row.int(0).unwrap() >= 1);
        let told = past.happen(&persons[..1], 1).await;
        assert_eq!(next(&mut watches[0]).await, told[0]);
        draining.cancel();
        timeout(PATIENCE, listening).await.expect("the listener ends").unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_when_the_hub_drains() {
    on_each_engine(async |hub| {
        let (feed, draining) = open(&hub, FeedOptions::default());
        let past = Past::new(&hub, &feed);
        let person = past.person().await;
        let told = past.happen(&[person], 1).await;
        let mut watch = feed.watch(person, 0).unwrap();
        assert_eq!(next(&mut watch).await, told[0], "{}", hub.engine);
        let ending = tokio::spawn(async move { watch.next().await.is_none() && watch.next().await.is_none() });
        draining.cancel();
        assert!(timeout(PATIENCE, ending).await.expect("it ends").unwrap());
        assert_eq!(feed.watchers(), 0);
    })
    .await;
}

#[tokio::test]
async fn there_are_only_so_many_watchers() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions { per_person: 2, in_all: 3, ..FeedOptions::default() });
        let past = Past::new(&hub, &feed);
        let (one, other) = (past.person().await, past.person().await);
        let mut watches = vec![feed.watch(one, 0).unwrap(), feed.watch(one, 0).unwrap()];
        assert!(matches!(feed.watch(one, 0), Err(WatchError::TooMany)), "{}", hub.engine);
        watches.push(feed.watch(other, 0).unwrap());
        assert!(matches!(feed.watch(other, 0), Err(WatchError::TooMany)));
        watches.truncate(1);
        assert_eq!(feed.watchers(), 1);
        assert!(feed.watch(one, 0).is_ok() && feed.watch(other, 0).is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_cursor_that_is_no_place_in_the_feed_is_refused_instead_of_waiting_for_ever() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions::default());
        let past = Past::new(&hub, &feed);
        let person = past.person().await;
        past.happen(&[person], 3).await;
        for cursor in [-1, i64::MIN] {
            assert!(matches!(feed.watch(person, cursor), Err(WatchError::NoSuchPlace)), "{}", hub.engine);
        }
        for cursor in [4, i64::MAX] {
            let mut watch = feed.watch(person, cursor).unwrap();
            let refused = timeout(PATIENCE, watch.next()).await.unwrap();
            assert!(matches!(refused, Some(Err(WatchError::NoSuchPlace))), "{refused:?}");
            assert!(watch.next().await.is_none());
        }
        let mut at_the_end = feed.watch(person, 3).unwrap();
        let told = past.happen(&[person], 1).await;
        assert_eq!(next(&mut at_the_end).await, told[0]);
    })
    .await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_ends_the_stream_with_an_error() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions::default());
        let past = Past::new(&hub, &feed);
        let person = past.person().await;
        past.happen_until(&[person], 1, Timestamp::from_secs(4_000_000_000)).await;
        let mut tx = hub.store.begin().await.unwrap();
        tx.execute("UPDATE payments SET merchant = '{}'", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let mut watch = feed.watch(person, 0).unwrap();
        assert!(matches!(watch.next().await, Some(Err(WatchError::Store(_)))), "{}", hub.engine);
        assert!(watch.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn s1_news_stands_in_the_feed_among_payments_and_reads_as_it_was_told() {
    on_each_engine(async |hub| {
        let (feed, _) = open(&hub, FeedOptions::default());
        let past = Past::new(&hub, &feed);
        let person = past.person().await;
        let mut told = past.happen(&[person], 3).await;
        let mut watch = feed.watch(person, 0).unwrap();
        let mut tx = hub.store.begin().await.unwrap();
        let mut feeds = Feeds::load(&mut tx, [person, PersonId::from_uuid(hub.id())].into()).await.unwrap();
        for topic in Topic::ALL {
            let (english, chinese) = (format!("{topic:?}"), "消息".to_owned());
            let news = News { topic, subject: hub.id(), english, chinese };
            told.push(feeds.tell_news(person, news.clone(), tx.now()).unwrap());
            assert_eq!(feeds.tell_news(PersonId::from_uuid(hub.id()), news, tx.now()), None);
        }
        feed.announce(&mut tx, &[person]);
        feeds.write(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        feed.publish(&told[3..]);
        told.extend(past.happen(&[person], 2).await);
        assert_eq!(take(&mut watch, told.len()).await, told, "{}", hub.engine);
        assert_eq!(take(&mut feed.watch(person, 0).unwrap(), told.len()).await, told, "{}", hub.engine);
    })
    .await;
}
