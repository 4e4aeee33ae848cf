//! A node dies by SIGKILL while its credit system is asked for a hold. This test starts itself again as the node that dies.
//! Needs the feature `fault-points`.

use std::os::unix::process::ExitStatusExt as _;

use server_kit::fault;

use super::credit_system::{Peered, hold_of};
use super::*;
use crate::run::Running;

/// Tells the process that dies which configuration it has.
pub(super) const CHILD: &str = "BANKHUB_KILLED_TEST";

#[tokio::test]
async fn c8_a_node_that_is_killed_while_it_asks_comes_to_the_same_end() {
    if let Ok(config) = std::env::var(CHILD) {
        return die(config.as_ref()).await;
    }
    let Some(mut peered) = Peered::start().await else { return };
    for (point, expected) in [
        ("asked.before", None),
        ("asked.after", Some("BANK_AWAY")),
        ("asked.sent", Some("BANK_AWAY")),
        ("asked.answered", Some("BANK_AWAY")),
        ("settled.before", Some("BANK_AWAY")),
        ("settled.after", Some("")),
    ] {
        let leg_id = peered.trial.id();
        peered = killed(peered, point, &leg_id).await;
        let trial = &mut peered.trial;
        let read = trial.hub.get_leg(GetLegRequest { leg_id: leg_id.clone() }).await;
        let leg = read.ok().map(|answer| answer.into_inner().leg.unwrap());
        assert_eq!(leg.as_ref().map(refusal), expected, "{point}");
        // Whoever asked got no answer, and gives it up.
        let void = VoidLegRequest { leg_id: leg_id.clone(), payment_id: leg_id };
        trial.hub.void_leg(void).await.unwrap();
        assert_eq!(trial.available(&peered.debit).await, 500, "{point}");
        let released = async { while peered.at_issuer().await != (0, 0) {} };
        tokio::time::timeout(Duration::from_secs(20), released).await.unwrap_or_else(|_| panic!("{point}: released"));
    }
    let Trial { federation, node, .. } = peered.trial;
    node.stop().await.unwrap();
    let database = TestDatabase::of_another_process(&federation.database_url);
    let store = database.open(&crate::migrations(), SystemClock::shared()).await.unwrap();
    let report = crate::check_books(&store).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
    store.close().await;
}

/// Has a node die at a point of a hold, and starts it again.
async fn killed(peered: Peered, point: &str, leg_id: &str) -> Peered {
    let this_test = "over_the_wire::killed::c8_a_node_that_is_killed_while_it_asks_comes_to_the_same_end";
    let Peered { trial, issuer, debit, card_id, pan } = peered;
    let Trial { federation, node, .. } = trial;
    node.stop().await.unwrap();
    let dying = Dying::start(&federation, this_test, point).await;
    let mut hub = federation.call(&dying.node, Caller::Hub);
    let asking = async {
        // Until the line is up nothing is asked.
        while let Err(status) = hold_one(&mut hub, hold_of(&card_id, leg_id)).await {
            if reason_of(&status) != Some(Reason::BankAway) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("it is asked");
    let node = dying.started_again(&federation).await;
    Peered { trial: Trial::of(federation, node), issuer, debit, card_id, pan }
}

/// A node in a process of its own, which dies at a fault point.
pub(super) struct Dying {
    pub(super) node: Node,
    point: String,
    child: tokio::process::Child,
}

impl Dying {
    /// Starts this test again as the node, by the configuration that bank A had last.
    pub(super) async fn start(federation: &Federation, this_test: &str, point: &str) -> Self {
        let (config, ports) = (federation.path("bank.toml"), federation.path("ports.json"));
        std::fs::remove_file(&ports).unwrap();
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", this_test]).env(CHILD, &config).env(fault::ENVIRONMENT, point).kill_on_drop(true);
        let child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
        let ready = async {
            loop {
                let text = std::fs::read_to_string(&ports).unwrap_or_default();
                if let Ok(told) = serde_json::from_str::<serde_json::Value>(&text) {
                    return told;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(20), ready).await.expect("the node is ready");
        let addr = |key: &str| told[key].as_str().unwrap().parse().unwrap();
        let node = Node::of_another_process(Running { grpc_addr: addr("grpc"), ops_addr: addr("ops") });
        Self { node, point: point.to_owned(), child }
    }

    /// Waits until it is dead.
    pub(super) async fn dies(&mut self) {
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.expect("it dies").unwrap();
        assert_eq!(status.signal(), Some(9), "{}", self.point);
    }

    /// Waits until it is dead, and starts it again in this process.
    pub(super) async fn started_again(mut self, federation: &Federation) -> Node {
        self.dies().await;
        let config = federation.path("bank.toml");
        let config = server_kit::config::load(Some(&config), "BANKHUB_TEST_WIRE_", &[]).unwrap();
        federation.start(config).await
    }
}

/// Serves until the fault point that is armed.
pub(super) async fn die(config: &std::path::Path) {
    let config = server_kit::config::load(Some(config), "BANKHUB_TEST_WIRE_", &[]).unwrap();
    let shutdown = Shutdown::manual();
    let node = Adapter::build(config, detached_metrics().unwrap(), &shutdown).await.unwrap();
    node.serve(shutdown).await.unwrap();
    panic!("nothing killed this process");
}
