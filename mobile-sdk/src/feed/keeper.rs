//! Stores how far everybody is, and tells the hub.

use std::sync::PoisonError;

use proto::cardholder as pb;
use tokio::task::block_in_place;

use super::{CURSOR_FILE, reader};
use crate::error::Trouble;
use crate::log::LogLevel;
use crate::phone::Inner;
use crate::vault::Lasting;

impl Inner {
    pub(super) async fn keep_on(&self) {
        loop {
            self.feed.handled.notified().await;
            if let Err(trouble) = self.keep_cursor().await {
                self.log.say(LogLevel::Error, || format!("the cursor was not kept: {}", trouble.code()));
            }
            while self.is_ahead() && !self.tell_hub().await {
                // The hub may be away for long; what is handled meanwhile is kept all the same.
                tokio::select! {
                    () = reader::rest() => {}
                    () = self.feed.handled.notified() => {
                        let _ = self.keep_cursor().await;
                    }
                }
            }
        }
    }

    /// Stores the cursor if it has moved. An older one that is found after a crash only means that events are told again.
    pub(crate) async fn keep_cursor(&self) -> Result<(), Trouble> {
        block_in_place(|| {
            let _turn = self.feed.keeping.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(sequence) = self.feed.to_keep() else { return Ok(()) };
            self.vault.write(CURSOR_FILE, &sequence.to_be_bytes(), Lasting::Now)?;
            let mut board = self.feed.board();
            board.kept = board.kept.max(sequence);
            Ok(())
        })
    }

    /// Stores what was handled and tells the hub at once, before a process ends; a hub that is away hears of it later.
    pub(crate) async fn settle(&self) -> Result<(), Trouble> {
        self.keep_cursor().await?;
        if self.is_ahead() {
            self.tell_hub().await;
        }
        Ok(())
    }

    fn is_ahead(&self) -> bool {
        let (kept, acknowledged) = self.feed.cursor();
        kept > acknowledged
    }

    /// Whether the hub knows it now.
    async fn tell_hub(&self) -> bool {
        let (kept, _) = self.feed.cursor();
        let request = pb::AcknowledgeEventsRequest { through_sequence: kept };
        let told = self.in_session(request, |mut hub, request| async move { hub.acknowledge_events(request).await });
        match told.await {
            Ok(answer) => {
                let mut board = self.feed.board();
                board.acknowledged = board.acknowledged.max(answer.acknowledged_sequence);
                // A hub that says less than it was told was set back; telling it again would not end.
                board.acknowledged = board.acknowledged.max(kept);
                true
            }
            Err(failure) => {
                self.log.say(LogLevel::Debug, || format!("the hub was not told of the cursor: {}", failure.code()));
                false
            }
        }
    }
}
