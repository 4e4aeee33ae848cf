//! In doubt: payments and repayments of which a bank has yet to hear how they went on.

use domain::Reason;
use maud::html;

use super::answer::Asked;
use super::payments::{COLUMNS, away, line, time};
use super::sql;
use super::table::{Line, Page};
use crate::pages::response::Outcome;

const MOST: i64 = 200;

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let store = &asked.console.inner.parts.store;
    let payments = sql::in_doubt(store, MOST).await.map_err(|it| away(&it))?;
    let repayments = sql::open_repayments(store, MOST).await.map_err(|it| away(&it))?;
    let mut lines: Vec<Line> = payments.iter().map(|it| line(asked, it)).collect();
    for (id, state, amount, at) in repayments {
        lines.push(Line::from(vec![
            time(asked, at).into(),
            id.hyphenated().to_string().into(),
            format!("{state} repayment").into(),
            amount.to_string().into(),
            "".into(),
            "".into(),
            "".into(),
            "".into(),
        ]));
    }
    let page = Page {
        title: asked.frame.say("In doubt", "未决"),
        command: "bankhub overview --as operator.toml".to_owned(),
        above: html! {
            p.hint { (asked.frame.say(
                "The hub asks and tells the banks of these by itself until each is final; what is due first stands first. 200 of each at most.",
                "系统会持续与银行核对，直至每笔有最终结果；最先到期的排在前面，每类最多显示200笔。",
            )) }
        },
        columns: COLUMNS,
        lines,
        filters: &[],
        next: None,
    };
    page.tell(asked)
}
