//! A node with a credit system dies by SIGKILL at each step of a hold, a post, a void and a change of a PIN, alone or with its
//! credit system. These tests start themselves again as the node that dies. Needs the feature `fault-points`.

mod holds;
mod pins;
mod told;

use std::os::unix::process::ExitStatusExt as _;

use server_kit::fault;

use super::credit_system::Peered;
use super::federation::{load, once_free};
use super::*;
use crate::run::Running;

/// Tells the process that dies which configuration it has.
const CHILD: &str = "BANKHUB_KILLED_TEST";

/// Whether this is the process that dies. Then it serves until the fault point that is armed.
pub(super) async fn is_the_one_that_dies() -> bool {
    let Ok(config) = std::env::var(CHILD) else { return false };
    let shutdown = Shutdown::manual();
    let node =
        once_free(async || Adapter::build(load(config.as_ref()), detached_metrics().unwrap(), &shutdown).await).await;
    node.serve(shutdown).await.unwrap();
    panic!("nothing killed this process");
}

/// Where a node dies.
struct Place {
    federation: Federation,
    /// Whether its credit system dies with it: each in turn.
    with_issuer: &'static [bool],
    _database: Option<TestDatabase>,
}

/// On SQLite alone and with its credit system; on PostgreSQL, which takes longer to open, with it.
async fn places() -> Vec<Place> {
    let on_sqlite = Place { federation: Federation::new(), with_issuer: &[false, true], _database: None };
    let on_postgres = TestDatabase::postgres().await.map(|database| Place {
        federation: Federation::on(database.url()),
        with_issuer: &[true],
        _database: Some(database),
    });
    std::iter::once(on_sqlite).chain(on_postgres).collect()
}

/// Has a node die at a point of what `drive` asks of it, the issuer with it if told so, and starts both again.
async fn killed(
    peered: Peered,
    (this_test, point, with_issuer): (&str, &str, bool),
    drive: impl AsyncFnOnce(&mut Peered),
) -> Peered {
    let Peered { trial: Trial { federation, node, .. }, .. } = peered;
    // What is left to be told would pass the fault point too.
    stop_when_all_is_told(&federation, node).await;
    let (dying, mut death) = Death::of_node(&federation, &format!("killed::{this_test}"), point).await;
    let mut peered = Peered { trial: Trial::of(federation, dying), ..peered };
    drive(&mut peered).await;
    death.comes().await;
    if with_issuer {
        peered = peered.restart_issuer().await;
    }
    let Trial { federation, .. } = peered.trial;
    let node = federation.start_again().await;
    Peered { trial: Trial::of(federation, node), ..peered }
}

/// The end of a node that runs in a process of its own until a fault point.
pub(super) struct Death {
    point: String,
    child: tokio::process::Child,
}

impl Death {
    /// Starts a test of this module again as the node of bank A.
    pub(super) async fn of_node(federation: &Federation, this_test: &str, point: &str) -> (Node, Self) {
        let (config, ports) = (federation.path("bank.toml"), federation.path("ports.json"));
        std::fs::remove_file(&ports).unwrap();
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &format!("over_the_wire::{this_test}")]);
        child.env(CHILD, &config).env(fault::ENVIRONMENT, point).kill_on_drop(true);
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
        let told = tokio::time::timeout(NEVER, ready).await.expect("the node is ready");
        let addr = |key: &str| told[key].as_str().unwrap().parse().unwrap();
        let node = Node::of_another_process(Running { grpc_addr: addr("grpc"), ops_addr: addr("ops") });
        (node, Self { point: point.to_owned(), child })
    }

    /// Waits for it.
    pub(super) async fn comes(&mut self) {
        let status = tokio::time::timeout(NEVER, self.child.wait()).await.expect("it dies").unwrap();
        assert_eq!(status.signal(), Some(9), "{}", self.point);
    }
}

/// Stops a node that has nothing left to tell, and whose books are right.
async fn stop_when_all_is_told(federation: &Federation, mut node: Node) {
    const OPEN: &str = "SELECT (SELECT COUNT(*) FROM credit_orders WHERE state IN ('ASKING', 'WAITING', 'STUCK')) \
                        + (SELECT COUNT(*) FROM pin_changes WHERE state = 'ASKING')";
    let config = federation.path("bank.toml");
    let mut pause = Duration::from_millis(100);
    let stopping = async {
        loop {
            node.stop().await.unwrap();
            let database = TestDatabase::of_another_process(&federation.database_url);
            let store = once_free(async || database.open(&crate::migrations(), SystemClock::shared()).await).await;
            let report = crate::check_books(&store).await.unwrap();
            assert!(report.is_right(), "{report:#?}");
            let open = store.fetch_one(OPEN, Vec::new()).await.unwrap().unwrap().int(0).unwrap();
            store.close().await;
            drop(store);
            if open == 0 {
                return;
            }
            // Nobody else can look into a ledger that is in use: the node gets more time for what it has to tell, and more each
            // time, since it has to connect first, which takes long where others use the machine.
            node = once_free(async || federation.try_start(load(&config)).await).await;
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(Duration::from_secs(5));
        }
    };
    tokio::time::timeout(NEVER, stopping).await.expect("everything is told and acknowledged");
}
