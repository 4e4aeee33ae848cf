//! A merchant's developer who has the contract and Python, and nothing of ours.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use federation_tests::databases::Engine;
use federation_tests::wait::bounded;
use federation_tests::world::{Setup, World};
use server_kit::identity::Role;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

/// Python with grpcio, which `tests/run` sets up.
const PYTHON: &str = "BANKHUB_TEST_PYTHON";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Python, from `tests/run` or where it leaves it.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os(PYTHON).map(PathBuf::from);
    let found = named.unwrap_or_else(|| root().join("tests/tools/venv/bin/python"));
    let there = found.exists().then_some(found);
    if there.is_none() {
        println!("skipped: no Python; tests/run sets it up");
    }
    there
}

/// Makes Python of the contract, as its README says.
async fn stubs(python: &Path, folder: &Path) {
    let mut command = Command::new(python);
    command.args(["-m", "grpc_tools.protoc", "-I", "proto"]).current_dir(root());
    for flag in ["--python_out", "--grpc_python_out"] {
        command.arg(format!("{flag}={}", folder.display()));
    }
    for audience in ["common", "terminal"] {
        for file in std::fs::read_dir(root().join("proto/bankhub").join(audience).join("v1")).unwrap() {
            command.arg(file.unwrap().path().strip_prefix(root().join("proto")).unwrap());
        }
    }
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs the program; `answer` is told the id of the payment that waits, and gives what the payer types.
async fn pay(
    world: &World,
    python: &Path,
    number: &str,
    fen: i64,
    mut answer: impl AsyncFnMut(&str) -> String,
) -> serde_json::Value {
    let stubs_folder = world.federation.folder().join("stubs");
    let member = world.federation.member(Role::Terminal, "till-1").unwrap();
    let mut child = Command::new(python)
        .arg(root().join("tests/python/pay.py"))
        .args(["--hub", &world.federation.server("hub-1").unwrap().address().unwrap().to_string()])
        .arg("--tls")
        .arg(&member.folder)
        .args(["--phone", number, "--fen", &fen.to_string()])
        .env("PYTHONPATH", &stubs_folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut stdin = child.stdin.take().unwrap();
    let mut heard = String::new();
    while let Some(line) = said.next_line().await.unwrap() {
        match line.split_once(" waits for the code") {
            Some((id, _)) => stdin.write_all(format!("{}\n", answer(id).await).as_bytes()).await.unwrap(),
            None => heard += &line,
        }
    }
    let output = child.wait_with_output().await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("printed {printed:?} and said {heard:?}"))
}

#[tokio::test]
async fn m5_a_python_program_with_nothing_but_the_contract_takes_a_payment() {
    let Some(python) = python() else { return };
    let world = Setup::on(Engine::Sqlite).start().await;
    let folder = world.federation.folder().join("stubs");
    std::fs::create_dir(&folder).unwrap();
    stubs(&python, &folder).await;
    world.till("till-1");
    let payer = world.payer("bank-a", 10_000).await;
    // The first try has a typing error in the password, and the till asks once more.
    let mut tries = 0;
    let typed = async |id: &str| {
        tries += 1;
        let password = if tries == 1 { "000000" } else { payer.password() };
        format!("{} {password}", payer.code(id).await)
    };
    let mut codes = std::collections::BTreeMap::new();
    let mut typed = typed;
    let mut remembered = async |id: &str| {
        let text = match codes.get(id) {
            None => typed(id).await,
            Some(code) => format!("{code} {}", payer.password()),
        };
        codes.insert(id.to_owned(), text.split(' ').next().unwrap_or_default().to_owned());
        text
    };
    let paid = pay(&world, &python, payer.number(), 1_250, &mut remembered);
    let paid = bounded("the payment from Python", World::HEALING, paid).await;
    assert_eq!(paid["state"], "PAYMENT_STATE_APPROVED", "{paid}");
    assert_eq!((&paid["minor_units"], &paid["account"]), (&1_250.into(), &payer.person.account_masked.clone().into()));
    let nobody = pay(&world, &python, "+8613999999999", 100, async |_: &str| String::new()).await;
    assert_eq!((&nobody["state"], &nobody["reason"]), (&"PAYMENT_STATE_DECLINED".into(), &"PAYER_UNAVAILABLE".into()));
    let nothing = pay(&world, &python, payer.number(), 0, async |_: &str| String::new()).await;
    assert_eq!(nothing["error"], "AMOUNT_NOT_POSITIVE");
    assert_eq!(world.available(&payer).await, 10_000 - 1_250);
    assert_eq!(world.settled().await.charged_minor(), 1_250);
}
