//! Where the SDK says what it does: a sink of the app's, which may be slow or fail without holding anything up.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Lines that may wait for the sink; what comes while it is full is dropped.
const QUEUE: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, uniffi::Enum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// The sink could not take a line, which nobody does anything about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum LogError {
    #[error("the log sink failed")]
    Failed,
}

#[cfg(feature = "bindings")]
impl From<uniffi::UnexpectedUniFFICallbackError> for LogError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

/// Takes lines of the SDK's log, one after the other on a thread of the SDK's. No line has a secret, a phone number or an amount.
#[uniffi::export(foreign)]
pub trait LogSink: Send + Sync + fmt::Debug {
    fn log(&self, level: LogLevel, message: String) -> Result<(), LogError>;
}

/// The way to the sink. Clones share the queue, and the thread ends with the last of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    lines: Option<SyncSender<(LogLevel, String)>>,
}

impl Log {
    pub(crate) fn to(sink: Arc<dyn LogSink>) -> Self {
        let (lines, waiting) = sync_channel::<(LogLevel, String)>(QUEUE);
        let writer = std::thread::Builder::new().name("bankhub-log".to_owned()).spawn(move || {
            for (level, message) in waiting {
                // A sink that throws loses its line and nothing else.
                let _ = catch_unwind(AssertUnwindSafe(|| sink.log(level, message)));
            }
        });
        Self { lines: writer.is_ok().then_some(lines) }
    }

    pub(crate) fn say(&self, level: LogLevel, message: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let _ = lines.try_send((level, message()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Throwing(SyncSender<String>);

    impl LogSink for Throwing {
        fn log(&self, _: LogLevel, message: String) -> Result<(), LogError> {
            let _ = self.0.send(message);
            panic!("the sink threw");
        }
    }

    #[test]
    fn s1_a_sink_that_throws_loses_its_line_and_nothing_else() {
        let (send, got) = sync_channel(8);
        let log = Log::to(Arc::new(Throwing(send)));
        for line in ["one", "two"] {
            log.say(LogLevel::Info, || line.to_owned());
        }
        assert_eq!([got.recv().unwrap(), got.recv().unwrap()], ["one", "two"]);
        Log::default().say(LogLevel::Info, || panic!("nobody listens"));
    }
}
