//! Pages that only show a list: freezes, inquiries, operators.

use domain::{Reason, Timestamp};
use maud::html;

use super::answer::Asked;
use super::payments::{away, time};
use super::sql;
use super::table::{Line, Page};
use crate::pages::response::Outcome;

const PAGE: i64 = 50;
const MOST: i64 = 200;

/// What banks have not confirmed yet, with the channel by which it was asked for.
pub(super) async fn freezes(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let found = sql::waiting_freezes(&asked.console.inner.parts.store, MOST).await.map_err(|it| away(&it))?;
    let line = |it: &sql::Waiting| {
        Line::from(vec![
            time(asked, it.ordered_at).into(),
            it.channel.clone().into(),
            if it.frozen { "FREEZE" } else { "SET FREE" }.into(),
            it.bank_id.clone().into(),
            it.masked.clone().into(),
            it.person_id.hyphenated().to_string().into(),
        ])
    };
    let page = Page {
        title: asked.frame.say("Freezes", "冻结"),
        command: "bankhub person freeze PERSON --why WHY --as operator.toml".to_owned(),
        above: html! {
            p.hint { (asked.frame.say(
                "What banks have yet to confirm. The hub itself lets nothing out of what is frozen, whatever the bank says.",
                "等待银行确认的冻结与解冻；无论银行是否确认，本平台均不放出已冻结的资金。",
            )) }
        },
        columns: &[
            ("ordered_at", "When", "时间"),
            ("channel", "Channel", "渠道"),
            ("order", "Order", "指令"),
            ("bank_id", "Bank", "银行"),
            ("masked", "Number", "号码"),
            ("person_id", "Person", "用户"),
        ],
        lines: found.iter().map(line).collect(),
        filters: &[],
        next: None,
    };
    page.tell(asked)
}

/// Who asked about a person under a consent, and what they were answered.
pub(super) async fn inquiries(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let before = match asked.query("page") {
        "" => Timestamp::from_micros(i64::MAX),
        token => Timestamp::from_micros(token.parse().map_err(|_| Reason::PageTokenMalformed)?),
    };
    let store = &asked.console.inner.parts.store;
    let found = sql::inquiries(store, before, PAGE).await.map_err(|it| away(&it))?;
    let is_full = i64::try_from(found.len()).is_ok_and(|read| read == PAGE);
    let next = found.last().filter(|_| is_full).map(|(_, _, at, _)| at.micros().to_string());
    let line = |(id, asker, at, answer): &(uuid::Uuid, String, Timestamp, String)| {
        let id = id.hyphenated().to_string();
        Line::from(vec![time(asked, *at).into(), id.into(), asker.clone().into(), answer.clone().into()])
    };
    let page = Page {
        title: asked.frame.say("Credit inquiries", "征信查询"),
        command: "bankhub credit inquire BANK NAME PHONE CONSENT --as operator.toml".to_owned(),
        above: html! {
            p.hint { (asked.frame.say("Of the last 30 days; the people who were asked about see every one on their phones.", "最近30天；被查询人可在手机上看到每一次查询。")) }
        },
        columns: &[
            ("answered_at", "When", "时间"),
            ("inquiry_id", "Inquiry", "查询"),
            ("asker", "Asked by", "查询方"),
            ("answer", "Answer", "答复"),
        ],
        lines: found.iter().map(line).collect(),
        filters: &[],
        next,
    };
    page.tell(asked)
}

/// Who operates the hub.
pub(super) async fn operators(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let found = asked.console.inner.parts.operators.list().await?;
    let line = |it: &crate::operators::Kept| {
        Line::from(vec![
            it.operator_id.to_string().into(),
            it.role.as_str().into(),
            if it.suspended { "SUSPENDED" } else { "WORKS" }.into(),
            if it.has_console() { "SIGNS IN" } else { "" }.into(),
            time(asked, it.registered_at).into(),
        ])
    };
    let page = Page {
        title: asked.frame.say("Operators", "操作员"),
        command: "bankhub operator list --as operator.toml; bankhub operator set NAME ROLE --as operator.toml"
            .to_owned(),
        above: html! {},
        columns: &[
            ("operator_id", "Operator", "操作员"),
            ("role", "Role", "角色"),
            ("state", "State", "状态"),
            ("console", "Console", "控制台"),
            ("registered_at", "Registered", "登记时间"),
        ],
        lines: found.iter().map(line).collect(),
        filters: &[],
        next: None,
    };
    page.tell(asked)
}
