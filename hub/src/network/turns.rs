//! Turns: a message that comes many times at once is worked on by one after the other, so that the second finds what the first has done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use uuid::Uuid;

type Waiting = HashMap<Uuid, Arc<AsyncMutex<()>>>;

/// Whose turn it is, by message. There are never more than messages that are worked on at this moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    waiting: Arc<Mutex<Waiting>>,
}

/// The turn of one who works on a message.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    message: Uuid,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    pub(super) async fn take(&self, message: Uuid) -> Turn {
        let place = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.entry(message).or_default().clone()
        };
        let held = place.lock_owned().await;
        Turn { turns: self.clone(), message, held: Some(held) }
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        let mut waiting = self.turns.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever still waits holds the place too.
        if waiting.get(&self.message).is_some_and(|place| Arc::strong_count(place) == 1) {
            waiting.remove(&self.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn m7_one_works_on_a_message_at_a_time_and_nothing_is_left_behind() {
        let (turns, working) = (Turns::default(), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..200_u128)
            .map(|n| {
                let (turns, working) = (turns.clone(), working.clone());
                tokio::spawn(async move {
                    let _turn = turns.take(Uuid::from_u128(0)).await;
                    assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    working.fetch_sub(1, Ordering::SeqCst);
                    let _other = turns.take(Uuid::from_u128(n + 1)).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(turns.count(), 0);
    }
}
