//! The durable steps of a rotation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::Reason;
use domain::key_rotation::{Next, Standing, may_retire, next};
use uuid::Uuid;

use super::column::{Column, Found, cursor_of};
use super::sql::{self, KnownVersion, Progress};
use super::{RotationError, RotationOptions, RotationParts};
use crate::audit::{Entry, HeldChain};
use crate::fault;
use crate::keystore::{KeyName, KeyStore};
use crate::store::{Page, StepSet, StoreError, Swap, Tx, Value};

/// Damaged rows that are named for each page; all of them are counted by looking at the rows.
const MOST_NAMED: usize = 20;

#[derive(Debug)]
pub(super) enum Step {
    /// Says what is held, and switches to what all hold.
    Announce,
    /// Takes a column that is to be rewritten.
    Claim,
    /// Rewrites a page.
    Rewrite {
        column: usize,
        version: u32,
        after: Option<Vec<Value>>,
        most: i64,
        /// What is old stays so, and is named, since another row is in its way.
        stays: bool,
    },
    /// Gives a column back.
    GiveBack {
        column: usize,
        version: u32,
        is_done: bool,
    },
    Retire {
        name: KeyName,
        version: u32,
        rows: u64,
        by: String,
    },
}

/// What came of a step.
#[derive(Debug)]
pub(super) enum Done {
    Announced(Announced),
    /// A column by its place, and the version that it is rewritten to.
    Claimed(Option<(usize, u32)>),
    Rewritten(Rewritten),
    /// The column is another server's by now.
    Lost,
    Retired(Result<(), Reason>),
    Noted,
}

/// What a page has come to.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// What names the last row; none when the page was the last.
    pub(super) last: Option<Vec<Value>>,
    pub(super) damaged: u64,
}

/// How keys stand in the database.
#[derive(Clone, Debug, Default)]
pub(super) struct Announced {
    pub(super) currents: BTreeMap<KeyName, u32>,
    pub(super) versions: Vec<KnownVersion>,
}

impl Announced {
    pub(super) fn retired(&self) -> impl Iterator<Item = (KeyName, u32)> {
        self.versions.iter().filter(|known| known.retired).map(|known| (known.name, known.version))
    }
}

/// Uses what the database says. Says whether anything has changed. What was read before somebody switched takes nothing back: a transaction that is
/// under way may have pinned the newer version.
pub(super) fn adopt(keys: &dyn KeyStore, announced: &Announced, is_start: bool) -> Result<bool, RotationError> {
    let mut changed = false;
    for (name, version) in &announced.currents {
        let (name, version) = (*name, *version);
        let Some(held) = keys.held(name).into_iter().find(|held| held.version == version) else {
            return Err(RotationError::Lacking { name, version });
        };
        let mut known = announced.versions.iter().filter(|known| known.name == name && known.version == version);
        if known.any(|known| known.check.as_slice() != held.check) {
            return Err(RotationError::Foreign { name, version });
        }
        if is_start && keys.current_version(name) != Some(version) || keys.current_version(name) < Some(version) {
            keys.use_version(name, version)?;
            changed = true;
        }
    }
    Ok(changed)
}

/// Says what this server holds; switches to a version that all hold. A key that was never written with begins with the newest that is held.
pub(super) async fn announce(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    (replica, options): (&str, RotationOptions),
    log: &mut Vec<Entry>,
) -> Result<Announced, StoreError> {
    let before = sql::versions(tx).await?;
    for name in KeyName::rotating() {
        for held in keys.held(name) {
            let is_known = before.iter().any(|known| known.name == name && known.version == held.version);
            if !is_known && sql::note_version(tx, name, held).await? && held.version > 1 {
                log.push(entry("KEY_ANNOUNCED", format!("key={} version={}", name.as_str(), held.version)));
            }
        }
    }
    let versions = sql::versions(tx).await?;
    let is_mine = |known: &&KnownVersion| {
        let held = keys.held(known.name);
        !known.retired && held.iter().any(|held| held.version == known.version && known.check.as_slice() == held.check)
    };
    let mine: BTreeSet<(KeyName, u32)> =
        versions.iter().filter(is_mine).map(|known| (known.name, known.version)).collect();
    let mut currents = sql::currents(tx).await?;
    sql::hold(tx, replica, keys, &mine, options.gone).await?;
    let holders = sql::holders(tx, options.alive).await?;
    for name in KeyName::rotating() {
        let held: Vec<BTreeSet<u32>> = sql::held_of(&holders, name).into_values().collect();
        let newest = mine.iter().filter(|(held, _)| *held == name).map(|(_, version)| *version).max();
        if let (None, Some(newest)) = (currents.get(&name), newest)
            && held.iter().all(|held| held.contains(&newest))
        {
            // A key that nobody has written with yet begins when every server that lives has it, as after an upgrade.
            sql::begin_current(tx, name, newest).await?;
        }
        let current = currents.get(&name).copied().unwrap_or(u32::MAX);
        if let Next::Switch(version) = next(current, &held) {
            switch(tx, (name, version), options, log).await?;
        }
    }
    // Read last, under a lock on PostgreSQL that a server which switches waits for: whoever has said what it holds before a switch was waited for.
    for name in KeyName::rotating() {
        if let Some(current) = sql::pin(tx, name).await? {
            currents.insert(name, current);
        }
    }
    Ok(Announced { currents, versions })
}

/// Looks once more while nobody writes with the key, and switches.
async fn switch(
    tx: &mut Tx,
    (name, version): (KeyName, u32),
    options: RotationOptions,
    log: &mut Vec<Entry>,
) -> Result<(), StoreError> {
    let Some(current) = sql::lock_current(tx, name).await? else { return Ok(()) };
    let holders = sql::holders(tx, options.alive).await?;
    let held: Vec<BTreeSet<u32>> = sql::held_of(&holders, name).into_values().collect();
    if next(current, &held) != Next::Switch(version) {
        return Ok(());
    }
    sql::switch(tx, name, version).await?;
    log.push(entry("KEY_SWITCHED", format!("key={} from={current} to={version}", name.as_str())));
    Ok(())
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct KeySteps {
    pub(super) chain: HeldChain,
    pub(super) parts: Arc<RotationParts>,
}

impl StepSet for KeySteps {
    const NAME: &'static str = "keys-writer";

    type Step = Step;
    type Outcome = Done;

    // The steps are few and each is a transaction of its own in all but name.
    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Done>, StoreError> {
        self.parts.owner.fence(tx);
        let (mut log, mut outcomes) = (Vec::new(), Vec::with_capacity(steps.len()));
        for step in steps {
            outcomes.push(self.apply(tx, step, &mut log).await?);
        }
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        if steps.iter().any(|step| matches!(step, Step::Rewrite { .. })) {
            tx.flush().await?;
            fault::point("keys.rewrite.before");
        }
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], _: &[Done]) {
        self.chain.confirm();
        if steps.iter().any(|step| matches!(step, Step::Rewrite { .. })) {
            fault::point("keys.rewrite.after");
        }
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.parts.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

impl KeySteps {
    async fn apply(&self, tx: &mut Tx, step: &Step, log: &mut Vec<Entry>) -> Result<Done, StoreError> {
        let (keys, replica) = (&*self.parts.keys, self.parts.owner.name());
        match step {
            Step::Announce => announce(tx, keys, (replica, self.parts.options), log).await.map(Done::Announced),
            Step::Claim => self.claim(tx).await.map(Done::Claimed),
            Step::Rewrite { column, version, after, most, stays } => {
                let Some(column) = self.parts.columns.get(*column) else { return Ok(Done::Lost) };
                self.rewrite(tx, (column, *version), Page { after: after.clone(), most: *most }, *stays).await
            }
            Step::GiveBack { column, version, is_done } => {
                let Some(column) = self.parts.columns.get(*column) else { return Ok(Done::Lost) };
                let name = column.name();
                let rows = sql::give_back(tx, (&name, *version), replica, *is_done).await?;
                if let (Some(rows), true) = (rows, *is_done) {
                    log.push(entry("KEY_REWRITTEN", format!("column={name} version={version} rows={rows}")));
                }
                Ok(Done::Noted)
            }
            Step::Retire { name, version, rows, by } => {
                self.retire(tx, (*name, *version), (*rows, by), log).await.map(Done::Retired)
            }
        }
    }

    /// Takes a column of a key of which older versions are there, and which nobody rewrites at the moment.
    async fn claim(&self, tx: &mut Tx) -> Result<Option<(usize, u32)>, StoreError> {
        let (versions, currents) = (sql::versions(tx).await?, sql::currents(tx).await?);
        let is_old = |name: KeyName, current: u32| {
            versions.iter().any(|known| known.name == name && known.version < current && !known.retired)
        };
        if !currents.iter().any(|(name, current)| is_old(*name, *current)) {
            return Ok(None);
        }
        let settled = sql::settled(tx, self.parts.options.settle).await?;
        let (rewrites, now) = (sql::rewrites(tx).await?, tx.now());
        for (place, column) in self.parts.columns.iter().enumerate() {
            let Some(current) = currents.get(&column.key).copied().filter(|current| is_old(column.key, *current))
            else {
                continue;
            };
            let name = column.name();
            let before = rewrites.get(&name);
            let is_done = before.is_some_and(|before| before.version == current && before.is_finished);
            // This server rewrites to what it writes itself, and to nothing that the others have not switched to yet.
            let is_behind =
                self.parts.keys.current_version(column.key) != Some(current) || !settled.contains(&column.key);
            if is_done || is_behind || before.is_some_and(|before| before.leased_until > now) {
                continue;
            }
            let mine = (self.parts.owner.name(), self.parts.options.lease);
            if sql::claim(tx, (&name, current), mine).await? {
                return Ok(Some((place, current)));
            }
        }
        Ok(None)
    }

    async fn rewrite(
        &self,
        tx: &mut Tx,
        (column, version): (&Column, u32),
        page: Page,
        stays: bool,
    ) -> Result<Done, StoreError> {
        let (keys, most, name) = (&*self.parts.keys, page.most, column.name());
        if keys.current_version(column.key) != Some(version) {
            return Ok(Done::Lost);
        }
        let rows = tx.page(&column.cells, page).await?;
        let (mut swaps, mut damaged): (Vec<Swap>, Vec<String>) = (Vec::new(), Vec::new());
        for row in &rows {
            let found = match column.look(keys, row)? {
                Found::Old { .. } if stays => Found::Damaged("another row has what it would have".to_owned()),
                found => found,
            };
            match found {
                Found::Current => {}
                Found::Old { swap, .. } => swaps.push(swap),
                Found::Damaged(why) => {
                    let row = column.row_name(row);
                    tracing::error!(
                        row,
                        why,
                        "a row cannot be rewritten to another version of its key; it stays as it is"
                    );
                    damaged.push(row);
                }
            }
        }
        let rewritten = tx.swap(&column.cells, swaps).await?;
        let named: String = damaged.iter().take(MOST_NAMED).map(|row| format!("{row}\n")).collect();
        let progress = Progress { rewritten, damaged: named };
        let mine = (self.parts.owner.name(), self.parts.options.lease);
        if !sql::renew(tx, (&name, version), mine, &progress).await? {
            // Whoever has it by now finds the rows as they have just been made, or makes them again.
            return Ok(Done::Lost);
        }
        let is_full = rows.len() as i64 >= most;
        let last = rows.last().filter(|_| is_full).map(|row| cursor_of(column.sorts, row)).transpose()?;
        Ok(Done::Rewritten(Rewritten { last, damaged: damaged.len() as u64 }))
    }

    async fn retire(
        &self,
        tx: &mut Tx,
        (name, version): (KeyName, u32),
        (rows, by): (u64, &str),
        log: &mut Vec<Entry>,
    ) -> Result<Result<(), Reason>, StoreError> {
        let found = sql::standing_in(tx, (name, version), self.parts.options).await?;
        if found.is_retired {
            return Ok(Ok(()));
        }
        if let Err(reason) = may_retire(Standing { rows, ..found.standing }) {
            if reason == Reason::KeyVersionHasRows {
                // Something was written after the columns were done.
                for column in self.parts.columns.iter().filter(|column| column.key == name) {
                    sql::reopen(tx, &column.name()).await?;
                }
            }
            return Ok(Err(reason));
        }
        sql::retire(tx, name, version).await?;
        log.push(entry("KEY_RETIRED", format!("key={} version={version} by={by}", name.as_str())));
        Ok(Ok(()))
    }
}

const fn entry(kind: &'static str, content: String) -> Entry {
    // Keys have names and no ids.
    Entry { kind, subject: Uuid::nil(), content }
}
