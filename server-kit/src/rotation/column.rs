//! What a server knows of a column that hangs on a key, and what becomes of one of its rows.

use zeroize::Zeroizing;

use crate::keystore::{KeyError, KeyName, KeyStore, sealed_version};
use crate::store::{Cells, Row, StoreError, Swap, Value};

/// A column that is sealed or hashed under a key.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub key: KeyName,
    pub cells: Cells,
    /// Of what sort the columns are that name a row.
    pub sorts: &'static [Sort],
    pub kind: Kind,
}

/// A sort of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Id,
    Int,
    Text,
    Bytes,
}

/// What was hashed, part by part.
pub type Plain = Vec<Zeroizing<Vec<u8>>>;

/// What is done with a row: by what names it, then the cell, then what is read with it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Sealed, with the context that this gives.
    Sealed(fn(&Row) -> Result<Vec<u8>, StoreError>),
    /// A keyed hash of what this finds in the row. None when nobody looks it up any more, and it is emptied.
    Hashed(fn(&dyn KeyStore, &Row) -> Result<Option<Plain>, StoreError>),
}

/// What a row is found to be.
#[derive(Debug)]
pub(super) enum Found {
    Current,
    Old {
        version: Option<u32>,
        swap: Swap,
    },
    /// It cannot be read, and why.
    Damaged(String),
}

impl Column {
    /// As it is called in tables and logs.
    pub fn name(&self) -> String {
        format!("{}.{}", self.cells.table, self.cells.column)
    }

    /// Which row it is, for people: hashes by their first bytes.
    pub(super) fn row_name(&self, row: &Row) -> String {
        let part = |(at, sort): (usize, &Sort)| match sort {
            Sort::Id => row.id(at).map(|id| id.to_string()),
            Sort::Int => row.int(at).map(|number| number.to_string()),
            Sort::Text => row.text(at),
            Sort::Bytes => row.bytes(at).map(|bytes| bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()),
        };
        let parts: Vec<String> =
            self.sorts.iter().enumerate().map(|at| part(at).unwrap_or_else(|_| "?".to_owned())).collect();
        format!("{} {}", self.name(), parts.join("/"))
    }

    /// Looks at a row, and makes what is to stand in the place of what is old.
    pub(super) fn look(&self, keys: &dyn KeyStore, row: &Row) -> Result<Found, StoreError> {
        let (by, cell) = (cursor_of(self.sorts, row)?, row.bytes(self.sorts.len())?);
        let current = keys.current_version(self.key).ok_or(KeyError::Missing { name: self.key })?;
        let found = match self.kind {
            Kind::Sealed(context) => {
                let version = sealed_version(&cell);
                if version == Some(current) {
                    return Ok(Found::Current);
                }
                resealed(keys, self.key, &context(row)?, &cell).map(|new| (version, new))
            }
            Kind::Hashed(plain) => match plain(keys, row) {
                Ok(Some(plain)) => match rehashed(keys, self.key, &plain, &cell) {
                    Ok(Some((version, _))) if version == current => return Ok(Found::Current),
                    Ok(Some((version, new))) => Ok((Some(version), new)),
                    Ok(None) => return Ok(Found::Damaged("it is the hash of something else".to_owned())),
                    Err(error) => Err(error),
                },
                Ok(None) => Ok((None, Vec::new())),
                Err(error) => return Ok(Found::Damaged(error.to_string())),
            },
        };
        Ok(match found {
            Ok((version, new)) => Found::Old { version, swap: Swap { by, old: cell, new } },
            // A key store that cannot be asked says nothing about the row.
            Err(error @ (KeyError::Unavailable { .. } | KeyError::Rng(_) | KeyError::Missing { .. })) => {
                return Err(error.into());
            }
            Err(error) => Found::Damaged(error.to_string()),
        })
    }
}

fn resealed(keys: &dyn KeyStore, key: KeyName, context: &[u8], cell: &[u8]) -> Result<Vec<u8>, KeyError> {
    let opened = Zeroizing::new(keys.open(key, context, cell)?);
    keys.seal(key, context, &opened)
}

fn rehashed(keys: &dyn KeyStore, key: KeyName, plain: &Plain, cell: &[u8]) -> Result<Option<(u32, Vec<u8>)>, KeyError> {
    let parts: Vec<&[u8]> = plain.iter().map(|part| part.as_slice()).collect();
    let Some(version) = keys.mac_version(key, &parts, cell)? else { return Ok(None) };
    Ok(Some((version, keys.mac(key, &parts)?.to_vec())))
}

/// What names a row, as values of a statement.
pub fn cursor_of(sorts: &[Sort], row: &Row) -> Result<Vec<Value>, StoreError> {
    let value = |(at, sort): (usize, &Sort)| {
        Ok(match sort {
            Sort::Id => Value::Id(row.id(at)?),
            Sort::Int => Value::Int(row.int(at)?),
            Sort::Text => Value::Text(row.text(at)?),
            Sort::Bytes => Value::Bytes(row.bytes(at)?),
        })
    };
    sorts.iter().enumerate().map(value).collect()
}
