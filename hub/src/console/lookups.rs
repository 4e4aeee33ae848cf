//! Budgets for look-ups of people by their number: who has asked too much, and filling one up.

use domain::Reason;
use domain::operator::Act;
use maud::html;

use super::answer::Asked;
use super::payments::{away, time};
use super::table::{Line, Page, button, filters};
use crate::lookups::{Listed, read_budget};
use crate::pages::response::Outcome;

const PAGE: usize = 50;

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let after = match asked.query("page").split_once(' ') {
        None if asked.query("page").is_empty() => String::new(),
        Some((scope, id)) => read_budget(scope, id).map_err(|_| Reason::PageTokenMalformed)?.to_string(),
        None => return Err(Reason::PageTokenMalformed),
    };
    let only_dry = match asked.query("dry") {
        "" => false,
        "1" => true,
        _ => return Err(Reason::FieldUnknown),
    };
    let mut found = asked.console.inner.parts.api.lookup_budgets(only_dry, &after, 51).await.map_err(|it| away(&it))?;
    let is_more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| is_more).map(|last| last.budget.to_string());
    let may = asked.may(Act::FillLookups).is_ok();
    let page = Page {
        title: asked.frame.say("Look-ups", "号码查询额度"),
        command: "bankhub operator lookups list --as operator.toml; bankhub operator lookups fill SCOPE ID --as operator.toml"
            .to_owned(),
        above: html! {
            @if asked.query("done") == "1" { p.note role="status" { (asked.frame.say("It is full again.", "额度已恢复。")) } }
            (filters(asked, &[("dry", "1: only those that are dry", "1：仅显示已用尽")]))
        },
        columns: &[
            ("scope", "Whose", "主体类型"),
            ("id", "Name", "名称"),
            ("left", "Left", "剩余"),
            ("burst", "Of", "总额"),
            ("dry_since", "Dry since", "用尽时间"),
            ("dry_times", "Times dry", "用尽次数"),
            ("drawn_at", "Last used", "最近使用"),
        ],
        lines: found.iter().map(|listed| line(asked, listed, may)).collect(),
        filters: &["dry"],
        next,
    };
    page.tell(asked)
}

fn line(asked: &Asked<'_>, listed: &Listed, may: bool) -> Line {
    let (scope, id) = (listed.budget.scope.as_str(), listed.budget.id.as_str());
    let action = button(asked, "/lookups/fill", &[("scope", scope), ("id", id)], ("Fill it up", "恢复额度"));
    Line {
        cells: vec![
            scope.into(),
            id.into(),
            i64::from(listed.left.unwrap_or_default()).into(),
            i64::from(listed.burst).into(),
            listed.dry_since.map(|at| time(asked, at)).unwrap_or_default().into(),
            listed.dry_times.into(),
            time(asked, listed.drawn_at).into(),
        ],
        action: may.then_some(action),
    }
}

pub(super) async fn fill(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let by = asked.session.operator_id.as_str();
    asked.console.inner.parts.api.fill_lookups(asked.form.get("scope"), asked.form.get("id"), by).await?;
    Ok(Outcome::Go("/lookups?done=1".to_owned()))
}
