//! The operators' commands about notices that were given up: `notices`.

use clap::Subcommand;
use domain::PaymentId;
use proto::operator as pb;
use serde_json::{Value, json};

use super::command::OperatorArgs;
use super::{Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

/// The most that the hub gives on one page.
const PAGE: i32 = 200;

#[derive(Clone, Debug, Subcommand)]
pub enum NoticesCommand {
    /// List notices that were given up, newest first: what they are and why, never what they say.
    Dead {
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        most: u32,
    },
    /// Have a notice tried again, after the cause was seen to.
    Retry {
        /// The notice, as the list shows it.
        #[arg(value_name = "NOTICE", value_parser = typed::payment_id)]
        notice: PaymentId,
    },
}

impl Operator {
    /// The first so many dead letters, newest first.
    pub async fn dead_letters(&self, most: u32) -> Result<Vec<pb::DeadLetter>, OperatorError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let (mut dead, mut page_token) = (Vec::new(), String::new());
        loop {
            let wanted = i32::try_from(most.saturating_sub(dead.len())).unwrap_or(PAGE);
            let request = bounded(pb::ListDeadLettersRequest { page_size: wanted.min(PAGE), page_token });
            let page = answer(self.hub.clone().list_dead_letters(request)).await?;
            dead.extend(page.dead_letters);
            page_token = page.next_page_token;
            if page_token.is_empty() || dead.len() >= most {
                return Ok(dead);
            }
        }
    }

    /// Has a dead letter tried again.
    pub async fn retry_dead_letter(&self, notice: PaymentId) -> Result<(), OperatorError> {
        let request = bounded(pb::RetryDeadLetterRequest { notice_id: notice.to_string() });
        answer(self.hub.clone().retry_dead_letter(request)).await.map(|_| ())
    }
}

pub async fn notices(args: &OperatorArgs<NoticesCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    match &args.command {
        NoticesCommand::Dead { most } => print(&operator.dead_letters(*most).await?, out),
        NoticesCommand::Retry { notice } => {
            operator.retry_dead_letter(*notice).await?;
            let fields = [("notice", notice.to_string()), ("state", "queued again".to_owned())];
            out.record(&fields, &json!({ "notice_id": notice.to_string(), "queued": true }));
        }
    }
    Ok(())
}

fn print(dead: &[pb::DeadLetter], out: &Output) {
    let at = |at: &Option<prost_types::Timestamp>| {
        let at = at.as_ref().map(|at| jiff::Timestamp::from_microsecond(proto::from_timestamp(at).micros()));
        at.and_then(Result::ok).map(|at| at.to_string()).unwrap_or_default()
    };
    let word = |name: &str, prefix: &str| name.trim_start_matches(prefix).to_lowercase().replace('_', "-");
    let row = |it: &pb::DeadLetter| {
        vec![
            it.notice_id.clone(),
            it.person_id.clone(),
            word(it.kind().as_str_name(), "NOTICE_KIND_"),
            word(it.channel().as_str_name(), "NOTICE_CHANNEL_"),
            [it.error.as_str(), it.receipt.as_str()].join(" ").trim().to_owned(),
            it.tries.to_string(),
            at(&it.died_at),
        ]
    };
    let value = |it: &pb::DeadLetter| {
        json!({
            "notice_id": it.notice_id,
            "person_id": it.person_id,
            "kind": it.kind().as_str_name(),
            "channel": it.channel().as_str_name(),
            "error": it.error,
            "receipt": it.receipt,
            "tries": it.tries,
            "created_at": at(&it.created_at),
            "died_at": at(&it.died_at),
            "expires_at": at(&it.expires_at),
        })
    };
    let rows: Vec<_> = dead.iter().map(row).collect();
    let head = ["notice", "person", "about", "by", "reason", "tries", "given up"];
    out.table(&head, &rows, &dead.iter().map(value).collect::<Value>());
}
