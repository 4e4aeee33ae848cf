//! Limits on payments: what stands, and setting them. What allows more than before waits for a second person.

use std::time::Duration;

use domain::limit::{LimitKey, Measure, Subject};
use domain::operator::Act;
use domain::{Currency, Reason};
use maud::{Markup, html};
use proto::operator as pb;
use proto::operator::proposed_act::Act as Proposable;

use super::answer::Asked;
use super::approvals::{ASKED_HERE, ask_on};
use super::payments::{away, time};
use super::table::{Line, Page, button, field};
use crate::limits::to_pb;
use crate::pages::response::Outcome;

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let limits = asked.console.inner.parts.api.limits().map_err(|_| Reason::Fault)?;
    let found = limits.list().await.map_err(|it| away(&it))?;
    let may = asked.may(Act::LowerLimit).is_ok();
    let lines = found.iter().map(|kept| {
        let key = kept.key.to_string();
        let above =
            if kept.is_above_everybody() { asked.frame.say("yes", "是") } else { asked.frame.say("no", "否") };
        let action = button(asked, "/limits/remove", &[("key", &key)], ("Remove it", "取消限额"));
        Line {
            cells: vec![
                kept.key.subject.as_str().into(),
                kept.key.of.clone().unwrap_or_else(|| "*".to_owned()).into(),
                kept.key.currency.code().into(),
                kept.key.measure.as_str().into(),
                i64::try_from(kept.key.window.as_secs()).unwrap_or(i64::MAX).into(),
                kept.most.unwrap_or_default().into(),
                above.into(),
                kept.changed_by.clone().into(),
                time(asked, kept.changed_at).into(),
            ],
            action: may.then_some(action),
        }
    });
    let page = Page {
        title: asked.frame.say("Limits", "限额"),
        command: "bankhub operator limits list --as operator.toml; bankhub operator limits set SUBJECT MEASURE MOST --as operator.toml"
            .to_owned(),
        above: html! {
            @match asked.query("done") {
                "1" => { p.note role="status" { (asked.frame.say("It holds from now on.", "限额已生效。")) } }
                "waits" => { p.note role="status" { (asked.frame.say("It allows more than before, and waits for a second person.", "该变更放宽限额，已提交，等待第二人复核。")) " " a href="/approvals" { (asked.frame.say("Approvals", "复核")) } } }
                _ => {}
            }
            @if may { (form(asked)) }
        },
        columns: &[
            ("subject", "Whose payments", "主体类型"),
            ("of", "Of whom", "主体"),
            ("currency", "Currency", "币种"),
            ("measure", "What", "限制项"),
            ("window_seconds", "Within, seconds", "时间窗（秒）"),
            ("most", "At most", "上限"),
            ("above_everybody", "Also above everybody's", "可高于通用限额"),
            ("changed_by", "Set by", "操作员"),
            ("changed_at", "Set", "时间"),
        ],
        lines: lines.collect(),
        filters: &[],
        next: None,
    };
    page.tell(asked)
}

fn form(asked: &Asked<'_>) -> Markup {
    let field = |name: &str, english: &'static str, chinese: &'static str, value: &str| {
        field(asked, name, (english, chinese), value)
    };
    html! {
        form.card.filters method="post" action="/limits/set" {
            (asked.frame.mark())
            (field("subject", "PERSON or TERMINAL", "PERSON 或 TERMINAL", "PERSON"))
            (field("of", "Of whom; * for everybody", "主体；* 表示全部", "*"))
            (field("currency", "Currency", "币种", "CNY"))
            (field("measure", "EACH, SUM or COUNT", "EACH、SUM 或 COUNT", "SUM"))
            (field("window", "Within, seconds; 0 for each payment", "时间窗（秒）；单笔填 0", "86400"))
            (field("most", "At most: minor units, or a number", "上限：最小货币单位或笔数", ""))
            (field("why", "Why", "原因", ""))
            div.actions { button type="submit" { (asked.frame.say("Set it", "设置")) } }
        }
    }
}

/// What the form says a limit is of.
fn key(asked: &Asked<'_>) -> Result<LimitKey, Reason> {
    let window = asked.form.get("window").parse().map(Duration::from_secs).map_err(|_| Reason::LimitMalformed)?;
    let of = Some(asked.form.get("of")).filter(|of| !of.is_empty() && *of != "*");
    let (subject, measure) = (Subject::parse(asked.form.get("subject"))?, Measure::parse(asked.form.get("measure"))?);
    LimitKey::new((subject, of), Currency::parse(asked.form.get("currency"))?, (measure, window))
}

pub(super) async fn set(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let most = asked.form.get("most").parse().map_err(|_| Reason::AmountMalformed)?;
    let limit = to_pb(&key(asked)?, most);
    let by = asked.session.operator_id.clone();
    let request = pb::LowerLimitRequest { limit: Some(limit.clone()) };
    let limits = asked.console.inner.parts.api.limits().map_err(|_| Reason::Fault)?;
    match limits.lower(by, &request).await {
        Ok(_) => Ok(Outcome::Go("/limits?done=1".to_owned())),
        Err(Reason::LimitNotLower) => raise(asked, limit, false, asked.form.get("why")).await,
        Err(reason) => Err(reason),
    }
}

pub(super) async fn remove(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let limit = to_pb(&LimitKey::parse(asked.form.get("key"))?, 0);
    raise(asked, limit, true, ASKED_HERE).await
}

async fn raise(asked: &Asked<'_>, limit: pb::Limit, remove: bool, why: &str) -> Result<Outcome, Reason> {
    let act = Proposable::RaiseLimit(pb::RaiseLimitRequest { limit: Some(limit), remove });
    ask_on(asked, "/limits", act, why).await
}
