//! Which keys there are in which versions, and which of them may be used.

use std::collections::BTreeMap;

use domain::Timestamp;

use super::HsmError;
use super::key::{Algorithm, Kcv, KeyInfo, KeyName, KeyState};

/// One version of a key. `K` is what the store works with: the key itself, or a handle of it.
#[derive(Debug)]
pub(super) struct Entry<K> {
    pub(super) name: KeyName,
    pub(super) version: u32,
    pub(super) algorithm: Algorithm,
    pub(super) created: Timestamp,
    pub(super) kcv: Kcv,
    pub(super) retired: bool,
    pub(super) key: K,
}

/// Every version of every key.
#[derive(Debug)]
pub(super) struct Directory<K> {
    names: BTreeMap<KeyName, BTreeMap<u32, Entry<K>>>,
}

impl<K> Directory<K> {
    /// Two entries of one name and version are refused, since nobody could say which of them is meant.
    pub(super) fn of(entries: Vec<Entry<K>>) -> Result<Self, HsmError> {
        let mut names = BTreeMap::<KeyName, BTreeMap<u32, Entry<K>>>::new();
        for entry in entries {
            let versions = names.entry(entry.name.clone()).or_default();
            let (name, version) = (entry.name.clone(), entry.version);
            if versions.insert(version, entry).is_some() {
                return Err(HsmError::unavailable(format!("there are two keys {name} of version {version}")));
            }
        }
        Ok(Self { names })
    }

    /// The key that makes what is new: the last version. When that one is retired there is none, for an earlier key
    /// must not come back unnoticed.
    pub(super) fn current(&self, name: &KeyName) -> Result<&Entry<K>, HsmError> {
        let last = self.names.get(name).and_then(|versions| versions.last_key_value());
        match last {
            Some((_, entry)) if !entry.retired => Ok(entry),
            _ => Err(HsmError::NoCurrentKey { name: name.clone() }),
        }
    }

    /// The key that verifies or opens what was made with this version.
    pub(super) fn version(&self, name: &KeyName, version: u32) -> Result<&Entry<K>, HsmError> {
        match self.names.get(name).and_then(|versions| versions.get(&version)) {
            None => Err(HsmError::UnknownVersion { name: name.clone(), version }),
            Some(entry) if entry.retired => Err(HsmError::Retired { name: name.clone(), version }),
            Some(entry) => Ok(entry),
        }
    }

    /// [`Self::version`] when there is one, otherwise [`Self::current`].
    pub(super) fn chosen(&self, name: &KeyName, version: Option<u32>) -> Result<&Entry<K>, HsmError> {
        version.map_or_else(|| self.current(name), |version| self.version(name, version))
    }

    /// The number of the next version. Those of retired keys are not used again.
    pub(super) fn next_version(&self, name: &KeyName) -> u32 {
        let last = self.names.get(name).and_then(|versions| versions.last_key_value());
        last.map_or(1, |(version, _)| version.saturating_add(1))
    }

    /// What may be told, by name and version.
    pub(super) fn infos(&self) -> Vec<KeyInfo> {
        let of_name = |versions: &BTreeMap<u32, Entry<K>>| {
            let last = versions.last_key_value().map_or(0, |(version, _)| *version);
            versions.values().map(|entry| entry.info(last)).collect::<Vec<_>>()
        };
        self.names.values().flat_map(of_name).collect()
    }

    /// What may be told of one version.
    pub(super) fn info(&self, name: &KeyName, version: u32) -> Result<KeyInfo, HsmError> {
        let found = self.infos().into_iter().find(|info| info.name == *name && info.version == version);
        found.ok_or_else(|| HsmError::UnknownVersion { name: name.clone(), version })
    }
}

impl<K> Entry<K> {
    fn info(&self, last: u32) -> KeyInfo {
        let state = match self.retired {
            true => KeyState::Retired,
            false if self.version == last => KeyState::Current,
            false => KeyState::Earlier,
        };
        KeyInfo {
            name: self.name.clone(),
            version: self.version,
            algorithm: self.algorithm,
            created: self.created,
            kcv: self.kcv,
            state,
        }
    }
}
