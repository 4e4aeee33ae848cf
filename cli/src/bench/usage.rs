//! What a process has used, as Linux tells it in /proc.

use std::time::Duration;

/// CPU time and peak memory of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time together.
    pub cpu: Duration,
    pub peak_kib: u64,
}

/// The clock ticks of /proc/<pid>/stat: fixed at 100 a second by the kernel's interface (proc(5), USER_HZ).
const TICKS_PER_SECOND: u64 = 100;

/// What the process has used since it began; nothing when it is gone or this is not Linux.
pub fn of(pid: u32) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Usage { cpu: cpu(&stat)?, peak_kib: peak_kib(&status)? })
}

fn cpu(stat: &str) -> Option<Duration> {
    // The name of the process may have spaces and parentheses; the fields begin after the last one.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * (1000 / TICKS_PER_SECOND)))
}

/// How much memory the process has; nothing when it is gone or this is not Linux.
pub fn resident_kib(pid: u32) -> Option<u64> {
    kib(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

fn peak_kib(status: &str) -> Option<u64> {
    kib(status, "VmHWM:")
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_proc_are_read_past_an_awkward_name() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 1 1 1 18446744073709551615";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(peak_kib("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t  1234 kB\n"), Some(1234));
        assert_eq!(cpu("nonsense"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        assert!(of(std::process::id()).is_some_and(|usage| usage.peak_kib > 0));
        assert!(resident_kib(std::process::id()).is_some_and(|kib| kib > 0));
    }
}
