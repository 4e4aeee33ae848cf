//! Keys of columns, at the hub and at a bank's node: `operator keys`.

use clap::Subcommand;
use domain::{BankId, Reason};
use proto::operator as pb;
use proto::operator::proposed_act::Act;
use proto::{common, counter};
use serde_json::{Value, json};

use super::operators::print_proposals;
use super::{Counter, Operator, OperatorError, answer_at_leisure, at_leisure};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Say which version of each key is written, and how many rows are under which; they are counted for it.
    Status {
        /// Of the node of this bank; without it, of the hub.
        #[arg(long, value_parser = typed::bank_id)]
        bank: Option<BankId>,
    },
    /// Retire an old version, under which nothing is left. At the hub it needs a second person where the hub asks for one.
    Retire {
        /// At the node of this bank; without it, at the hub.
        #[arg(long, value_parser = typed::bank_id)]
        bank: Option<BankId>,
        /// The key, as `status` calls it.
        #[arg(long)]
        key: String,
        /// The old version.
        #[arg(long)]
        version: u32,
        /// Why, for the second person; nothing is left under it.
        #[arg(long, conflicts_with = "bank")]
        why: Option<String>,
    },
}

impl Operator {
    /// How keys and columns stand.
    pub async fn key_status(&self) -> Result<pb::ListKeysResponse, OperatorError> {
        answer_at_leisure(self.hub.clone().list_keys(at_leisure(pb::ListKeysRequest {}))).await
    }

    /// Retires an old version of a key.
    pub async fn retire_key(&self, request: pb::RetireKeyVersionRequest) -> Result<(), OperatorError> {
        answer_at_leisure(self.hub.clone().retire_key_version(at_leisure(request))).await.map(drop)
    }
}

impl Counter {
    /// How the keys of the bank's columns stand.
    pub async fn key_status(&self) -> Result<counter::ListKeysResponse, OperatorError> {
        answer_at_leisure(self.counter.clone().list_keys(at_leisure(counter::ListKeysRequest {}))).await
    }

    /// Retires an old version of a key of the bank's.
    pub async fn retire_key(&self, request: counter::RetireKeyVersionRequest) -> Result<(), OperatorError> {
        answer_at_leisure(self.counter.clone().retire_key_version(at_leisure(request))).await.map(drop)
    }
}

pub async fn keys(operator: &Operator, command: &KeysCommand, out: &Output) -> Result<(), CliError> {
    match command {
        KeysCommand::Status { bank: None } => {
            let pb::ListKeysResponse { keys, columns } = operator.key_status().await?;
            print(&keys, &columns, out);
        }
        KeysCommand::Status { bank: Some(bank) } => {
            let counter::ListKeysResponse { keys, columns } = operator.counter(bank).await?.key_status().await?;
            print(&keys, &columns, out);
        }
        KeysCommand::Retire { bank: Some(bank), key, version, .. } => {
            let request = counter::RetireKeyVersionRequest { key: key.clone(), version: *version };
            operator.counter(bank).await?.retire_key(request).await?;
            print_retired(key, *version, out);
        }
        KeysCommand::Retire { bank: None, key, version, why } => {
            let request = pb::RetireKeyVersionRequest { key: key.clone(), version: *version };
            match operator.retire_key(request.clone()).await {
                Ok(()) => print_retired(key, *version, out),
                Err(error) if error.reason() == Some(Reason::SecondPersonNeeded) => {
                    let why = why.as_deref().unwrap_or("nothing is left under it");
                    print_proposals(&[operator.propose(Act::RetireKeyVersion(request), why).await?], out);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn print_retired(key: &str, version: u32, out: &Output) {
    out.record(&[("retired", format!("version {version} of {key}"))], &json!({ "key": key, "version": version }));
}

fn print(keys: &[common::KeyStatus], columns: &[common::KeyColumn], out: &Output) {
    let key_of = |name: &str| keys.iter().find(|key| key.key == name);
    let row = |it: &common::KeyColumn| {
        let key = key_of(&it.key);
        let rows: Vec<String> = it.rows.iter().map(|under| format!("{} under {}", under.rows, under.version)).collect();
        vec![
            it.column.clone(),
            it.key.clone(),
            key.map(|key| key.current_version.to_string()).unwrap_or_default(),
            key.map(|key| key.lacking.join(", ")).unwrap_or_default(),
            rows.join(", "),
            if it.unknown_rows == 0 { String::new() } else { it.unknown_rows.to_string() },
            it.damaged.join("; "),
        ]
    };
    let rows: Vec<Vec<String>> = columns.iter().map(row).collect();
    let head = ["column", "key", "written", "waiting for", "rows", "unknown", "damaged"];
    out.table(&head, &rows, &value(keys, columns));
}

fn value(keys: &[common::KeyStatus], columns: &[common::KeyColumn]) -> Value {
    let key = |it: &common::KeyStatus| json!({ "key": it.key, "current": it.current_version, "versions": it.versions, "lacking": it.lacking });
    let rows = |it: &common::KeyRows| json!({ "version": it.version, "rows": it.rows });
    let column = |it: &common::KeyColumn| {
        json!({
            "column": it.column,
            "key": it.key,
            "rows": it.rows.iter().map(rows).collect::<Value>(),
            "unknown": it.unknown_rows,
            "damaged": it.damaged,
        })
    };
    json!({
        "keys": keys.iter().map(key).collect::<Value>(),
        "columns": columns.iter().map(column).collect::<Value>(),
    })
}
