//! `[hsm]`: where the keys of the bank's cards are. Every key of the configuration, its unit and its default.

use std::path::PathBuf;

use serde::Deserialize;
use server_kit::config::{HumanDuration, SecretRef};

/// `[hsm]`: one of its two tables.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HsmConfig {
    /// `[hsm.sealed_file]`: the keys are in a sealed file.
    #[serde(default)]
    pub sealed_file: Option<SealedFileConfig>,
    /// `[hsm.pkcs11]`: the keys are in a hardware module.
    #[serde(default)]
    pub pkcs11: Option<Pkcs11Config>,
}

/// `[hsm.sealed_file]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedFileConfig {
    /// The sealed file; it is made at the first start, without a key. Must be set.
    pub file: PathBuf,
    /// The master key that it is sealed under: 32 bytes in base64. Must be set.
    pub master: SecretRef,
}

/// `[hsm.pkcs11]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11Config {
    /// The library of the module's maker, as in `/usr/lib/softhsm/libsofthsm2.so`. Must be set.
    pub library: PathBuf,
    /// The label of the token. Must be set.
    pub token: String,
    /// The PIN of the token's user. Must be set.
    pub pin: SecretRef,
    /// Sessions that work at the same time at most. Default 8.
    #[serde(default = "default_sessions")]
    pub sessions: usize,
    /// How long a call waits for a session before it is refused. Default `1s`.
    #[serde(default = "default_wait")]
    pub wait: HumanDuration,
}

const fn default_sessions() -> usize {
    8
}

const fn default_wait() -> HumanDuration {
    HumanDuration::from_secs(1)
}
