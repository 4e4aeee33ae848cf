//! Keys of the hub's columns: which columns there are, and their rotation while the hub runs (M8; ADR 40).

mod columns;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use server_kit::keystore::SharedKeyStore;
use server_kit::rotation::{KeyFile, Rotation, RotationError, RotationOptions, RotationParts};
use server_kit::store::{Owner, Store};
use tokio::task::JoinHandle;

use columns::COLUMNS;

pub(crate) use wire::{status, words};

/// What the hub's keys stand on.
#[derive(Clone, Debug)]
pub(crate) struct KeyParts {
    pub(crate) store: Store,
    pub(crate) keys: SharedKeyStore,
    pub(crate) file: Option<KeyFile>,
    pub(crate) owner: Arc<Owner>,
    pub(crate) options: RotationOptions,
}

/// Makes sure that the keys are those of the database. Nothing of the hub seals, opens or hashes anything before.
pub(crate) async fn open(parts: KeyParts) -> Result<(Rotation, JoinHandle<()>), RotationError> {
    let KeyParts { store, keys, file, owner, options } = parts;
    Rotation::open(RotationParts { store, keys, file, owner, columns: COLUMNS, options }).await
}
