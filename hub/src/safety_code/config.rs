//! `[safety_code]` of the hub's configuration.

use std::num::NonZeroU32;

use domain::safety_code::Policy;
use serde::Deserialize;
use server_kit::config::{HumanDuration, SecretRef};

/// How safety codes are set and tried.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SafetyCodeConfig {
    /// How long after an identity check a person may set the code.
    pub window: HumanDuration,
    /// Wrong tries in a row, over all channels, that block it …
    pub failures_to_block: NonZeroU32,
    /// … for this long.
    pub block_for: HumanDuration,
    /// What one caller's number may ask for at this replica.
    pub calls_per_number_per_minute: NonZeroU32,
    /// What all callers together may ask for at this replica.
    pub calls_in_all_per_minute: NonZeroU32,
    /// The name under which banks have the key of PINs that callers type.
    pub pin_pad: String,
    /// That key: 16 bytes of AES in hexadecimal digits, `file:` or `env:`. Without it no caller sets a code by card and PIN.
    pub pin_pad_key: Option<SecretRef>,
}

impl Default for SafetyCodeConfig {
    fn default() -> Self {
        let policy = Policy::default();
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            window: HumanDuration(policy.window),
            failures_to_block: at_least_one(policy.failures_to_block),
            block_for: HumanDuration(policy.block_for),
            calls_per_number_per_minute: at_least_one(10),
            calls_in_all_per_minute: at_least_one(600),
            pin_pad: "hub-voice".to_owned(),
            pin_pad_key: None,
        }
    }
}

impl SafetyCodeConfig {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            window: self.window.get(),
            failures_to_block: self.failures_to_block.get(),
            block_for: self.block_for.get(),
        }
    }
}
