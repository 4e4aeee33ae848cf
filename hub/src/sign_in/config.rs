//! `[sign_in]` of the hub's configuration.

use std::num::NonZeroU32;
use std::time::Duration;

use domain::payment::SendLimit;
use domain::sign_in::Policy;
use serde::Deserialize;
use server_kit::config::HumanDuration;

/// How people sign in at the self-service pages, and how often they may try.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignInConfig {
    /// How long a code is good for.
    pub code_ttl: HumanDuration,
    /// Wrong tries of one sign-in.
    pub attempts: NonZeroU32,
    /// Wrong tries in a row, over all sign-ins of a person, that block signing in …
    pub failures_to_block: NonZeroU32,
    /// … for this long.
    pub block_for: HumanDuration,
    /// Codes to one number; 0 is no limit.
    pub sends_per_minute: usize,
    pub sends_per_ten_minutes: usize,
    pub sends_per_day: usize,
    /// How long a session lives without a request …
    pub idle: HumanDuration,
    /// … and with requests at most.
    pub session_at_most: HumanDuration,
}

impl Default for SignInConfig {
    fn default() -> Self {
        let policy = Policy::default();
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            code_ttl: HumanDuration(policy.code_ttl),
            attempts: at_least_one(policy.attempts),
            failures_to_block: at_least_one(policy.failures_to_block),
            block_for: HumanDuration(policy.block_for),
            sends_per_minute: 1,
            sends_per_ten_minutes: 3,
            sends_per_day: 10,
            idle: HumanDuration(policy.idle),
            session_at_most: HumanDuration(policy.session_at_most),
        }
    }
}

impl SignInConfig {
    pub(crate) fn policy(&self) -> Policy {
        let limit = |most, minutes: u64| SendLimit { most, within: Duration::from_secs(60 * minutes) };
        let sends =
            [limit(self.sends_per_minute, 1), limit(self.sends_per_ten_minutes, 10), limit(self.sends_per_day, 1_440)];
        Policy {
            code_ttl: self.code_ttl.get(),
            attempts: self.attempts.get(),
            failures_to_block: self.failures_to_block.get(),
            block_for: self.block_for.get(),
            sends: sends.into_iter().filter(|limit| limit.most > 0).collect(),
            idle: self.idle.get(),
            session_at_most: self.session_at_most.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f3_without_a_word_in_the_configuration_signing_in_is_as_the_rules_have_it() {
        assert_eq!(SignInConfig::default().policy(), Policy::default());
        let without = SignInConfig { sends_per_minute: 0, sends_per_ten_minutes: 0, ..SignInConfig::default() };
        assert_eq!(without.policy().sends, Policy::default().sends[2..]);
    }
}
