//! The numbers of DESIGN §2 and §5, as one operator may set them.

use std::time::Duration;

use super::{SendLimit, TopUpLimits};

/// How long, how often, how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a code lives.
    pub code_ttl: Duration,
    /// Wrong tries that a payment allows.
    pub attempts: u8,
    /// Wrong tries in a row, over all payments of a payer, that block the payer …
    pub failures_to_block: u32,
    /// … for this long.
    pub block_for: Duration,
    /// How often codes may be sent to one number.
    pub sends: Vec<SendLimit>,
    /// How long after HOLDING a hold may be committed.
    pub decide_within: Duration,
    /// How long a pre-authorisation waits for its completion.
    pub authorised_for: Duration,
    /// How long a routed payment waits for what its network tells of it.
    pub routed_for: Duration,
    /// How long the replica that took a step has before a sweeper looks at it.
    pub head_start: Duration,
    /// The longest pause between two tries of the sweeper.
    pub most_backoff: Duration,
    /// How much cash may be paid in.
    pub top_ups: TopUpLimits,
}

impl Policy {
    /// The pause before the sweeper tries again: twice as long each time, at most the longest. `spread` in 0..1000 keeps many from
    /// coming back at once.
    pub fn pause(&self, tries: u32, spread: u16) -> Duration {
        let pause = Duration::from_secs(1).saturating_mul(1 << tries.min(10)).min(self.most_backoff);
        pause + pause.mul_f64(f64::from(spread.min(1000)) / 4000.0)
    }
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            code_ttl: Duration::from_secs(180),
            attempts: 3,
            failures_to_block: 5,
            block_for: minutes(30),
            sends: vec![
                SendLimit { most: 1, within: minutes(1) },
                SendLimit { most: 3, within: minutes(10) },
                SendLimit { most: 10, within: minutes(24 * 60) },
            ],
            decide_within: Duration::from_secs(30),
            authorised_for: minutes(30 * 24 * 60),
            routed_for: minutes(2),
            head_start: Duration::from_secs(10),
            most_backoff: Duration::from_secs(15),
            top_ups: TopUpLimits::default(),
        }
    }
}
