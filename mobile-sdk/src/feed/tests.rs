use pb::event::Kind;

use super::*;

fn event(sequence: i64) -> pb::Event {
    pb::Event { sequence, ..pb::Event::default() }
}

#[test]
fn s1_no_code_is_read_where_a_queue_is_shown() {
    let feed = Feed::new(0);
    let (queue, _) = feed.add(None);
    let code = pb::PaymentCode { code: "602214".to_owned(), ..pb::PaymentCode::default() };
    queue.offer(&pb::Event { kind: Some(Kind::PaymentCode(code)), ..event(1) });
    assert!(!format!("{queue:?} {feed:?}").contains("602214"));
}

#[tokio::test]
async fn s1_a_queue_takes_each_event_once_whatever_comes_again_and_is_bounded() {
    let feed = Feed::new(10);
    let (queue, is_first) = feed.add(None);
    assert!(is_first && !feed.add(Some(3)).1);
    assert_eq!(feed.lowest_offered(), Some(3));
    for sequence in [9, 10, 11, 11, 12, 11, 12] {
        assert_eq!(queue.offer(&event(sequence)), Offer::Done);
    }
    for sequence in [11, 12] {
        assert_eq!(queue.next().await.unwrap().sequence, sequence);
    }
    for sequence in 13..1_000 {
        let wanted = if sequence < 13 + QUEUE as i64 { Offer::Done } else { Offer::Full };
        assert_eq!(queue.offer(&event(sequence)), wanted, "{sequence}");
    }
}

#[tokio::test]
async fn s1_the_cursor_is_the_least_that_all_have_handled() {
    let feed = Feed::new(0);
    let ((quick, _), (slow, _)) = (feed.add(None), feed.add(None));
    for sequence in 1..=5 {
        for queue in [&quick, &slow] {
            queue.offer(&event(sequence));
            queue.next().await.unwrap();
        }
        feed.note_handled(&quick, sequence).unwrap();
    }
    assert_eq!(feed.to_keep(), None);
    feed.note_handled(&slow, 2).unwrap();
    feed.note_handled(&slow, 1).unwrap();
    assert_eq!(feed.to_keep(), Some(2));
    assert_eq!(feed.note_handled(&slow, 6), Err(Trouble::EventNotTaken));
    feed.remove(&slow);
    assert_eq!(feed.to_keep(), Some(5));
    feed.remove(&quick);
    assert_eq!(feed.to_keep(), Some(5), "what the last one has handled still counts");
    assert_eq!(feed.note_handled(&quick, 5), Err(Trouble::SubscriptionCancelled));
    assert_eq!(quick.next().await.unwrap_err(), Trouble::SubscriptionCancelled.into());
}

#[tokio::test]
async fn s1_whoever_waits_is_told_once_that_the_stream_has_stopped() {
    let feed = Feed::new(0);
    let (queue, _) = feed.add(None);
    queue.offer(&event(1));
    feed.set_phase(Phase::Stopped(Trouble::KeyRefused.into()));
    assert_eq!(queue.next().await.unwrap().sequence, 1, "what has come is told first");
    assert_eq!(queue.next().await.unwrap_err(), Trouble::KeyRefused.into());
    queue.offer(&event(2));
    assert_eq!(queue.next().await.unwrap().sequence, 2);
}
