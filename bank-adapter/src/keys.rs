//! Keys of the bank's columns: which columns there are, and their rotation while the node runs (M8; ADR 40). The keys of cards, which make
//! CVVs and PINs, are in the key store for cards and no part of this.

use std::sync::Arc;

use server_kit::keystore::{KeyName, KeyStore};
use server_kit::rotation::{
    Column, KeyFile, Kind, Plain, Rotation, RotationError, RotationOptions, RotationParts, Sort,
};
use server_kit::store::{Cells, Owner, Row, Store, StoreError};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

const fn column(key: KeyName, cells: Cells, kind: Kind) -> Column {
    Column { key, cells, sorts: &[Sort::Id], kind }
}

const COLUMNS: &[Column] = &[
    column(
        KeyName::CardIndex,
        Cells { table: "cards", by: &["card_id"], column: "pan_hash", also: &["pan_sealed"] },
        Kind::Hashed(number),
    ),
    column(
        KeyName::CardNumber,
        Cells { table: "cards", by: &["card_id"], column: "pan_sealed", also: &[] },
        Kind::Sealed(|row| bound(b"cards.pan\n", row)),
    ),
    column(
        KeyName::SealedPayload,
        Cells { table: "account_openings", by: &["account_id"], column: "citizen_sealed", also: &[] },
        Kind::Sealed(|row| bound(b"account_openings.citizen\n", row)),
    ),
    column(
        KeyName::SealedPayload,
        Cells { table: "pin_changes", by: &["change_id"], column: "sealed_block", also: &[] },
        Kind::Sealed(|row| bound(b"pin_changes.sealed_block ", row)),
    ),
];

fn bound(word: &[u8], row: &Row) -> Result<Vec<u8>, StoreError> {
    Ok([word, row.id(0)?.as_bytes().as_slice()].concat())
}

fn number(keys: &dyn KeyStore, row: &Row) -> Result<Option<Plain>, StoreError> {
    let number = keys.open(KeyName::CardNumber, &bound(b"cards.pan\n", row)?, &row.bytes(2)?)?;
    Ok(Some(vec![Zeroizing::new(number)]))
}

/// Makes sure that the keys are those of the database. Nothing of the node seals, opens or hashes anything before.
pub(crate) async fn open(
    store: &Store,
    owner: &Arc<Owner>,
    file: KeyFile,
    options: RotationOptions,
) -> Result<(Rotation, JoinHandle<()>), RotationError> {
    let (store, keys, owner) = (store.clone(), file.keys.clone(), owner.clone());
    Rotation::open(RotationParts { store, keys, file: Some(file), owner, columns: COLUMNS, options }).await
}
