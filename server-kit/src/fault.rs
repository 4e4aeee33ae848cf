//! Fault points: named places at which a test lets a server die.
//!
//! A durable system is only as good as its worst moment to be killed. The federation harness starts real processes
//! with `BANKHUB_FAULT=hub.commit.before`, and the process kills itself with SIGKILL at that place: no destructor, no
//! flush, no answer, exactly as when the power fails. Then the harness starts it again and looks at the books.
//!
//! Without the cargo feature `fault-points` a point is an empty inline function, and no environment variable can harm a
//! released binary.

/// The variable that arms fault points: `name`, or `name@N` for the N-th passage (from 1); several separated by comma.
pub const ENVIRONMENT: &str = "BANKHUB_FAULT";

/// Passes the fault point `name`, and dies there if it is armed.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn point(_name: &str) {}

/// Passes the fault point `name`, and dies there if it is armed.
#[cfg(feature = "fault-points")]
pub fn point(name: &str) {
    static ARMED: std::sync::OnceLock<Vec<armed::Fault>> = std::sync::OnceLock::new();
    let faults = ARMED.get_or_init(|| armed::parse(&std::env::var(ENVIRONMENT).unwrap_or_default()));
    // Every armed fault counts its own passages, so the search must not stop at the first that stays quiet.
    let due = faults.iter().filter(|fault| fault.is_due(name)).count();
    if due > 0 {
        armed::die(name);
    }
}

#[cfg(feature = "fault-points")]
mod armed {
    use std::sync::atomic::{AtomicU64, Ordering};

    /// One armed point.
    #[derive(Debug)]
    pub(super) struct Fault {
        name: String,
        passage: u64,
        passed: AtomicU64,
    }

    impl Fault {
        /// Counts a passage of `name`, and says whether this is the one to die at.
        pub(super) fn is_due(&self, name: &str) -> bool {
            self.name == name && self.passed.fetch_add(1, Ordering::SeqCst).saturating_add(1) == self.passage
        }
    }

    pub(super) fn parse(text: &str) -> Vec<Fault> {
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .filter_map(|item| {
                let (name, passage) = item.split_once('@').unwrap_or((item, "1"));
                match passage.parse() {
                    Ok(passage) if passage > 0 => {
                        Some(Fault { name: name.to_owned(), passage, passed: AtomicU64::new(0) })
                    }
                    _ => {
                        tracing::error!(item, "a fault is armed as name or name@N with N from 1; this one is ignored");
                        None
                    }
                }
            })
            .collect()
    }

    pub(super) fn die(name: &str) -> ! {
        tracing::warn!(name, "dying at a fault point");
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal may reach another thread first; this one must not do anything more until it is gone.
        loop {
            std::thread::park();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_fault_is_due_at_its_passage_only() {
            let faults = parse("a, b@3,,c@0,d@x");
            assert_eq!(faults.len(), 2);
            assert!(faults[0].is_due("a") && !faults[0].is_due("a"));
            assert!(!faults[1].is_due("a"));
            assert!(!faults[1].is_due("b") && !faults[1].is_due("b") && faults[1].is_due("b"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_is_not_armed_is_passed() {
        point("nobody.arms.this");
    }

    #[cfg(feature = "fault-points")]
    #[test]
    fn the_second_passage_of_an_armed_point_kills_the_process() {
        use std::os::unix::process::ExitStatusExt as _;

        const CHILD: &str = "BANKHUB_FAULT_TEST_CHILD";
        if std::env::var_os(CHILD).is_some() {
            point("test.point");
            point("test.point");
            return;
        }
        let this_test = "fault::tests::the_second_passage_of_an_armed_point_kills_the_process";
        let run = |armed| {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", this_test]).env(CHILD, "1").env(ENVIRONMENT, armed).output().unwrap().status
        };
        assert_eq!(run("other,test.point@2").signal(), Some(9));
        assert!(run("test.point@3").success());
    }
}
