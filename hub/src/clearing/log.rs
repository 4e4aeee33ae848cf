//! The lines of the log that operators leave who take files out or bring some.

use std::sync::Arc;

use server_kit::audit::{Entry, HeldChain};
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;

use super::Clearing;

/// What was done with a file.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) kind: &'static str,
    pub(super) content: String,
}

/// The writer of such lines.
#[derive(Debug)]
pub(super) struct ClearingLog {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
}

impl StepSet for ClearingLog {
    const NAME: &'static str = "clearing-log";

    type Step = Line;
    type Outcome = ();

    async fn run(&self, tx: &mut Tx, lines: &[Line]) -> Result<Vec<()>, StoreError> {
        self.owner.fence(tx);
        let entry = |line: &Line| Entry { kind: line.kind, subject: Uuid::nil(), content: line.content.clone() };
        self.chain.append(tx, lines.iter().map(entry).collect()).await?;
        Ok(lines.iter().map(|_| ()).collect())
    }

    fn committed(&self, _: &[Line], _: &[()]) {
        self.chain.confirm();
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

impl Clearing {
    /// A file is given to nobody before the log has it.
    pub(super) async fn note(&self, kind: &'static str, content: String) -> Result<(), StoreError> {
        self.log.write(Line { kind, content }).await
    }
}
