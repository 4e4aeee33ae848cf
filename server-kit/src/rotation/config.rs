//! How quickly keys rotate: `[keys.rotation]` of both servers.

use std::num::NonZeroU16;

use serde::Deserialize;

use super::RotationOptions;
use crate::config::HumanDuration;

/// `[keys.rotation]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RotationConfig {
    /// How often a server says which versions it holds, and looks which are written. Default `5s`.
    pub every: HumanDuration,
    /// How long after a switch to a new version columns are rewritten. Default `15s`, which is longer than any look-up takes.
    pub settle: HumanDuration,
    /// Rows that are rewritten in one transaction. Default 200.
    pub page: NonZeroU16,
    /// The least pause between two such transactions. Default `50ms`.
    pub pause: HumanDuration,
}

impl Default for RotationConfig {
    fn default() -> Self {
        let options = RotationOptions::default();
        Self {
            every: HumanDuration(options.every),
            settle: HumanDuration(options.settle),
            page: NonZeroU16::new(options.page).unwrap_or(NonZeroU16::MIN),
            pause: HumanDuration(options.pause),
        }
    }
}

impl RotationConfig {
    pub fn options(&self) -> RotationOptions {
        RotationOptions {
            every: self.every.get(),
            settle: self.settle.get(),
            page: self.page.get(),
            pause: self.pause.get(),
            ..RotationOptions::default()
        }
    }
}
