//! Keys of the hub's columns: `operator keys`.

use clap::Subcommand;
use domain::Reason;
use proto::operator as pb;
use proto::operator::proposed_act::Act;
use serde_json::{Value, json};

use super::operators::print_proposals;
use super::{Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;

#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Say which version of each key is written, and how many rows are under which; the hub counts them.
    Status,
    /// Retire an old version, under which nothing is left. It needs a second person where the hub asks for one.
    Retire {
        /// The key, as `status` calls it.
        #[arg(long)]
        key: String,
        /// The old version.
        #[arg(long)]
        version: u32,
        /// Why, for the second person.
        #[arg(long, default_value = "nothing is left under it")]
        why: String,
    },
}

impl Operator {
    /// How keys and columns stand.
    pub async fn key_status(&self) -> Result<pb::ListKeysResponse, OperatorError> {
        answer(self.hub.clone().list_keys(bounded(pb::ListKeysRequest {}))).await
    }

    /// Retires an old version of a key.
    pub async fn retire_key(&self, request: pb::RetireKeyVersionRequest) -> Result<(), OperatorError> {
        answer(self.hub.clone().retire_key_version(bounded(request))).await.map(drop)
    }
}

pub async fn keys(operator: &Operator, command: &KeysCommand, out: &Output) -> Result<(), CliError> {
    match command {
        KeysCommand::Status => print(&operator.key_status().await?, out),
        KeysCommand::Retire { key, version, why } => {
            let request = pb::RetireKeyVersionRequest { key: key.clone(), version: *version };
            match operator.retire_key(request.clone()).await {
                Ok(()) => {
                    let told = format!("version {version} of {key}");
                    out.record(&[("retired", told)], &json!({ "key": key, "version": version }));
                }
                Err(error) if error.reason() == Some(Reason::SecondPersonNeeded) => {
                    print_proposals(&[operator.propose(Act::RetireKeyVersion(request), why).await?], out);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn print(status: &pb::ListKeysResponse, out: &Output) {
    let key_of = |name: &str| status.keys.iter().find(|key| key.key == name);
    let row = |it: &pb::KeyColumn| {
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
    let rows: Vec<Vec<String>> = status.columns.iter().map(row).collect();
    let head = ["column", "key", "written", "waiting for", "rows", "unknown", "damaged"];
    out.table(&head, &rows, &value(status));
}

fn value(status: &pb::ListKeysResponse) -> Value {
    let key = |it: &pb::KeyStatus| json!({ "key": it.key, "current": it.current_version, "versions": it.versions, "lacking": it.lacking });
    let rows = |it: &pb::KeyRows| json!({ "version": it.version, "rows": it.rows });
    let column = |it: &pb::KeyColumn| {
        json!({
            "column": it.column,
            "key": it.key,
            "rows": it.rows.iter().map(rows).collect::<Value>(),
            "unknown": it.unknown_rows,
            "damaged": it.damaged,
        })
    };
    json!({
        "keys": status.keys.iter().map(key).collect::<Value>(),
        "columns": status.columns.iter().map(column).collect::<Value>(),
    })
}
