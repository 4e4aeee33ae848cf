//! The banks of the federation.

use std::collections::BTreeMap;

use domain::Reason;
use maud::html;

use super::answer::Asked;
use super::payments::away;
use super::sql::{self, MOST_COUNTED};
use super::table::{Line, Page};
use crate::pages::response::Outcome;

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let parts = &asked.console.inner.parts;
    let banks = parts.api.banks().await.map_err(|it| away(&it))?;
    let doubt = sql::in_doubt(&parts.store, MOST_COUNTED).await.map_err(|it| away(&it))?;
    let now = parts.clock.now();
    let mut open: BTreeMap<&str, (i64, u64)> = BTreeMap::new();
    for it in &doubt {
        let entry = open.entry(it.bank_id.as_deref().unwrap_or_default()).or_default();
        *entry = (entry.0.saturating_add(1), entry.1.max(now.since(it.created_at).as_secs()));
    }
    let line = |bank: &crate::directory::BankEntry| {
        let (count, oldest) = open.get(bank.bank_id.as_str()).copied().unwrap_or_default();
        let state = if bank.suspended { "SUSPENDED" } else { "TAKES PART" };
        Line::from(vec![
            bank.bank_id.to_string().into(),
            bank.display_name.to_string().into(),
            bank.endpoint.clone().into(),
            state.into(),
            count.into(),
            i64::try_from(oldest).unwrap_or(i64::MAX).into(),
        ])
    };
    let page = Page {
        title: asked.frame.say("Banks", "银行"),
        command: "bankhub bank list --as operator.toml".to_owned(),
        above: html! {},
        columns: &[
            ("bank_id", "Bank", "银行"),
            ("display_name", "Name", "名称"),
            ("endpoint", "Address", "地址"),
            ("state", "State", "状态"),
            ("in_doubt", "In doubt", "未决笔数"),
            ("oldest_in_doubt_seconds", "Oldest, seconds", "最早未决（秒）"),
        ],
        lines: banks.iter().map(line).collect(),
        filters: &[],
        next: None,
    };
    page.tell(asked)
}
