//! Terminals, and their suspension, which waits for a second person.

use domain::{Reason, TerminalId};
use maud::html;
use proto::operator as pb;
use proto::operator::proposed_act::Act as Proposable;

use super::answer::Asked;
use super::payments::away;
use super::sql::{self, Till};
use super::table::{Line, Page};
use crate::operators::AskedFor;
use crate::pages::response::Outcome;

const PAGE: i64 = 50;

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let after = match asked.query("page") {
        "" => String::new(),
        token => TerminalId::parse(token).map_err(|_| Reason::PageTokenMalformed)?.to_string(),
    };
    let store = &asked.console.inner.parts.store;
    let mut found = sql::terminals(store, &after, PAGE + 1).await.map_err(|it| away(&it))?;
    let is_more = i64::try_from(found.len()).is_ok_and(|read| read > PAGE);
    found.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| is_more).map(|last| last.id.clone());
    let may = asked.may(domain::operator::Act::SuspendTerminal).is_ok();
    let page = Page {
        title: asked.frame.say("Terminals", "终端"),
        command: "bankhub operator propose suspend-till TERMINAL --why WHY --as operator.toml".to_owned(),
        above: html! {
            @if asked.query("waits") == "1" {
                p.note role="status" { (asked.frame.say("It waits for a second person.", "已提交，等待第二人复核。")) " " a href="/approvals" { (asked.frame.say("Approvals", "复核")) } }
            }
        },
        columns: &[
            ("terminal_id", "Terminal", "终端"),
            ("merchant_id", "Merchant", "商户"),
            ("merchant", "Name", "名称"),
            ("category", "Category", "类别"),
            ("place", "Place", "地点"),
            ("state", "State", "状态"),
        ],
        lines: found.iter().map(|till| line(asked, till, may)).collect(),
        filters: &[],
        next,
    };
    page.tell(asked)
}

fn line(asked: &Asked<'_>, till: &Till, may: bool) -> Line {
    let (state, verb, flag) = match till.suspended {
        true => ("SUSPENDED", ("Let it go on", "恢复"), "0"),
        false => ("TAKES PAYMENTS", ("Suspend", "停用"), "1"),
    };
    let id = format!("why-{}", till.id);
    let action = html! {
        form method="post" action="/terminals/suspend" {
            (asked.frame.mark())
            input type="hidden" name="terminal" value=(till.id);
            input type="hidden" name="suspended" value=(flag);
            label for=(id) { (asked.frame.say("Why", "原因")) }
            input id=(id) name="why" type="text" maxlength="100" required;
            button.quiet type="submit" { (asked.frame.say(verb.0, verb.1)) }
        }
    };
    Line {
        cells: vec![
            till.id.clone().into(),
            till.merchant_id.clone().into(),
            till.merchant.clone().into(),
            till.category.clone().into(),
            till.place.clone().into(),
            state.into(),
        ],
        action: may.then_some(action),
    }
}

pub(super) async fn suspend(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let terminal_id = TerminalId::parse(asked.form.get("terminal"))?.to_string();
    let suspended = match asked.form.get("suspended") {
        "1" => true,
        "0" => false,
        _ => return Err(Reason::FieldUnknown),
    };
    let act = Proposable::SetTerminalSuspended(pb::SetTerminalSuspendedRequest { terminal_id, suspended });
    let done = super::approvals::ask_for(asked, act, asked.form.get("why")).await?;
    Ok(Outcome::Go(match done {
        AskedFor::Done => "/terminals".to_owned(),
        AskedFor::Waits => "/terminals?waits=1".to_owned(),
    }))
}
