//! The time that something took, and where it stood in its trace.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::context::TraceContext;
use super::export::Ended;
use super::{TRACER, Tracer};
use crate::clock::Stopwatch;

/// Attributes of one span; what comes after them is left out.
const MOST_NOTES: usize = 32;
/// Other traces that one span is linked with.
const MOST_LINKS: usize = 128;

/// What a span is, seen from its neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Within this process.
    Internal,
    /// An answer to another process.
    Server,
    /// A question to another process.
    Client,
}

/// What has been begun and is not over. Dropped, it is over.
///
/// Of a trace that is not kept, it carries the context and nothing else, and costs as much as that.
pub struct Span {
    current: Option<Current>,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span").field("context", &self.context()).finish()
    }
}

/// What work knows of the trace that it is done for.
#[derive(Clone)]
pub(super) struct Current {
    context: TraceContext,
    kept: Option<Arc<Kept>>,
}

/// A span that is kept, until it is over.
struct Kept {
    tracer: &'static Tracer,
    watch: Stopwatch,
    /// Taken when it is over: what is noted of it later is nobody's.
    open: Mutex<Option<Ended>>,
}

tokio::task_local! {
    static CURRENT: Option<Current>;
}

pub(super) fn current() -> Option<Current> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

pub(super) fn within<F: Future>(current: Option<Current>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current, work)
}

impl Span {
    /// Begins a span below whatever is being worked for here, or a trace of its own.
    pub fn begin(name: &str, kind: Kind) -> Self {
        Self::below(current().map(|current| current.context), name, kind)
    }

    /// Begins a span below another one, wherever that is; or a trace of its own.
    pub fn below(parent: Option<TraceContext>, name: &str, kind: Kind) -> Self {
        let Some(tracer) = TRACER.get() else { return Self { current: None } };
        let Some(above) = parent.or_else(|| tracer.begin()) else { return Self { current: None } };
        let kept = above.sampled && tracer.queue.is_some();
        let mut id = [0; 8];
        // A span whose id cannot be told from others is not kept.
        if !kept || tracer.rng.fill(&mut id).is_err() || id == [0; 8] {
            return Self { current: Some(Current { context: above, kept: None }) };
        }
        let context = TraceContext { span: id, ..above };
        let ended = Ended {
            context,
            parent: parent.map(|parent| parent.span),
            name: name.to_owned(),
            kind,
            started_at: tracer.clock.now(),
            took: std::time::Duration::ZERO,
            notes: Vec::new(),
            links: Vec::new(),
            failed: false,
        };
        let kept = Kept { tracer, watch: Stopwatch::start(), open: Mutex::new(Some(ended)) };
        Self { current: Some(Current { context, kept: Some(Arc::new(kept)) }) }
    }

    /// Where it stands.
    pub fn context(&self) -> Option<TraceContext> {
        self.current.as_ref().map(|current| current.context)
    }

    /// Adds to it, if it is kept.
    pub fn note(&self, name: &'static str, value: impl FnOnce() -> String) {
        if let Some(current) = &self.current {
            current.note(name, value);
        }
    }

    /// Says that what it was for did not come about.
    pub fn fail(&self) {
        self.change(|ended| ended.failed = true);
    }

    /// Says which other spans it was for as well.
    pub fn link(&self, others: impl Iterator<Item = TraceContext>) {
        self.change(|ended| {
            let room = MOST_LINKS.saturating_sub(ended.links.len());
            ended.links.extend(others.take(room));
        });
    }

    /// Runs `work` for it. It is over when it is dropped, and not before.
    pub fn run<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        within(self.current.clone(), work)
    }

    /// The same for what does not wait.
    pub fn run_now<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.current.clone(), work)
    }

    fn change(&self, change: impl FnOnce(&mut Ended)) {
        if let Some(kept) = self.current.as_ref().and_then(|current| current.kept.as_ref()) {
            kept.change(change);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(kept) = self.current.take().and_then(|current| current.kept) {
            kept.end();
        }
    }
}

impl Current {
    pub(super) fn context(&self) -> TraceContext {
        self.context
    }

    pub(super) fn note(&self, name: &'static str, value: impl FnOnce() -> String) {
        if let Some(kept) = &self.kept {
            kept.change(|ended| {
                if ended.notes.len() < MOST_NOTES {
                    ended.notes.push((name, value()));
                }
            });
        }
    }
}

impl Kept {
    fn change(&self, change: impl FnOnce(&mut Ended)) {
        if let Some(open) = self.open.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            change(open);
        }
    }

    fn end(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(open), Some(queue)) = (open, &self.tracer.queue) {
            queue.push(Ended { took: self.watch.elapsed(), ..open });
        }
    }
}
