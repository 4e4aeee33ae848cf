//! `[sign_in]` of the hub's configuration.

pub(super) const SIGN_IN: &str = r#"[sign_in]
# How people sign in at the self-service pages: how long a code is good for, wrong tries of one sign-in, wrong tries in a row over all of a
# person's that block signing in, and for how long.
# code_ttl = "3m"
# attempts = 3
# failures_to_block = 5
# block_for = "30m"
# Codes that may be sent to one number; 0 is no limit.
# sends_per_minute = 1
# sends_per_ten_minutes = 3
# sends_per_day = 10
# How long a session lives without a request, and with requests at most.
# idle = "5m"
# session_at_most = "1h"
"#;
