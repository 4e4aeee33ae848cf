//! The links of card networks: which of them route payments by themselves, and how the totals of their days stand.

use domain::Reason;
use domain::operator::Act;
use maud::html;
use proto::operator as pb;
use proto::operator::proposed_act::Act as Proposable;

use super::answer::Asked;
use super::payments::{away, time};
use super::table::{Cell, Line, Page, button, filters};
use crate::network::state_words;
use crate::operators::AskedFor;
use crate::pages::response::Outcome;

const PAGE: i32 = 50;

fn when(asked: &Asked<'_>, at: Option<&prost_types::Timestamp>) -> String {
    at.map(|at| time(asked, proto::from_timestamp(at))).unwrap_or_default()
}

fn routing(asked: &Asked<'_>) -> Result<crate::network::Routing, Reason> {
    let api = &asked.console.inner.parts.api;
    api.routes().cloned().map_err(|_| Reason::Fault)
}

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let found = routing(asked)?.list().await.map_err(|it| away(&it))?;
    let yes = |flag: bool| asked.frame.say(if flag { "yes" } else { "no" }, if flag { "是" } else { "否" }).to_owned();
    let line = |it: &pb::Link| {
        let (act, path, words) = match it.routes {
            true => (Act::SuspendRouting, "/links/suspend", ("Name no cards any more", "停止提供卡号")),
            false => (Act::AllowRouting, "/links/allow", ("Let it route", "允许自行路由")),
        };
        let may = asked.may(act).is_ok() && (it.routes || it.tls);
        let cells = [it.link.clone(), yes(it.tls), yes(it.routes), when(asked, it.changed_at.as_ref())];
        let cells = cells.into_iter().chain([it.changed_by.clone()]).map(Cell::from).collect();
        Line { cells, action: may.then(|| button(asked, path, &[("link", &it.link)], words)) }
    };
    let page = Page {
        title: asked.frame.say("Links", "卡组织链路"),
        command: "bankhub operator links list --as operator.toml; bankhub operator links allow-routing LINK --why WHY --as operator.toml"
            .to_owned(),
        above: html! {
            @match asked.query("done") {
                "1" => { p.note role="status" { (asked.frame.say("It is done.", "操作已完成。")) } }
                "waits" => { p.note role="status" { (asked.frame.say("It waits for a second person.", "已提交，等待第二人复核。")) " " a href="/approvals" { (asked.frame.say("Approvals", "复核")) } } }
                _ => {}
            }
        },
        columns: &[
            ("link", "Link", "链路"),
            ("tls", "TLS", "TLS"),
            ("routes", "Routes by itself", "自行路由"),
            ("changed_at", "Changed", "变更时间"),
            ("changed_by", "By", "操作员"),
        ],
        lines: found.links.iter().map(line).collect(),
        filters: &[],
        next: None,
    };
    page.tell(asked)
}

pub(super) async fn allow(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let act = Proposable::AllowRouting(pb::AllowRoutingRequest { link: asked.form.get("link").to_owned() });
    let done = super::approvals::ask_for(asked, act, "asked for at the console").await?;
    Ok(Outcome::Go(match done {
        AskedFor::Done => "/links?done=1".to_owned(),
        AskedFor::Waits => "/links?done=waits".to_owned(),
    }))
}

pub(super) async fn suspend(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let request = pb::SuspendRoutingRequest { link: asked.form.get("link").to_owned() };
    routing(asked)?.suspend(asked.session.operator_id.clone(), &request).await?;
    Ok(Outcome::Go("/links?done=1".to_owned()))
}

/// The totals of days, the last one first.
pub(super) async fn day_totals(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let only_troubled = match asked.query("troubled") {
        "" => false,
        "1" => true,
        _ => return Err(Reason::FieldUnknown),
    };
    let page_token = asked.query("page").to_owned();
    let request = pb::ListDayTotalsRequest { only_troubled, page_size: PAGE, page_token };
    let found = routing(asked)?.day_totals(&request).await.map_err(|it| away(&it))??;
    let line = |it: &pb::DayTotals| {
        let side = match it.asked_by_hub {
            true => asked.frame.say("hub", "本系统"),
            false => asked.frame.say("other side", "对方"),
        };
        let cells = [it.business_day.clone(), it.link.clone(), side.to_owned(), it.currency_code.clone()];
        let more = [state_words(it.state()).to_owned(), it.ours.clone(), it.theirs.clone()];
        let cells = cells.into_iter().chain(more).chain([when(asked, it.changed_at.as_ref())]);
        Line { cells: cells.map(Cell::from).collect(), action: None }
    };
    let next = Some(found.next_page_token.clone()).filter(|next| !next.is_empty());
    let page = Page {
        title: asked.frame.say("Day totals", "对账"),
        command: "bankhub operator links totals --as operator.toml".to_owned(),
        above: filters(asked, &[("troubled", "1: only those not in balance", "1：仅显示未平账")]),
        columns: &[
            ("business_day", "Day", "日期"),
            ("link", "Link", "链路"),
            ("asked_by", "Asked by", "发起方"),
            ("currency", "Currency", "币种"),
            ("state", "State", "状态"),
            ("ours", "Hub", "本系统"),
            ("theirs", "Other side", "对方"),
            ("changed_at", "Changed", "变更时间"),
        ],
        lines: found.day_totals.iter().map(line).collect(),
        filters: &["troubled"],
        next,
    };
    page.tell(asked)
}
