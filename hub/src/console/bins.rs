//! Which card numbers are whose bank's, and which pay nothing for now; suspending them waits for a second person.

use domain::Reason;
use domain::card::BinSpan;
use domain::operator::Act;
use maud::html;
use proto::operator as pb;
use proto::operator::proposed_act::Act as Proposable;

use super::answer::Asked;
use super::approvals::{ASKED_HERE, ask_on};
use super::payments::away;
use super::table::{Cell, Line, Page, button};
use crate::pages::response::Outcome;

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let found = asked.console.inner.parts.api.bin_ranges().await.map_err(|it| away(&it))?;
    let may = asked.may(Act::SuspendBins).is_ok();
    let line = |cells: [String; 5], (first, last, flag): (&str, &str, &str)| {
        let words = if flag == "1" { ("Suspend", "停用") } else { ("Let them go on", "恢复") };
        let fields = [("first", first), ("last", last), ("suspended", flag)];
        let action = may.then(|| button(asked, "/bins/suspend", &fields, words));
        Line { cells: cells.into_iter().map(Cell::from).collect(), action }
    };
    let suspended = |it: &pb::BinSuspension| {
        let cells = ["SUSPENDED".to_owned(), it.first.clone(), it.last.clone(), String::new(), String::new()];
        line(cells, (&it.first, &it.last, "0"))
    };
    let range = |it: &pb::ListedBinRange| {
        let (digits, product) = (it.digits.to_string(), it.product.clone());
        line([it.bank_id.clone(), it.first.clone(), it.last.clone(), digits, product], (&it.first, &it.last, "1"))
    };
    let lines = found.suspensions.iter().map(suspended).chain(found.ranges.iter().map(range)).collect();
    let page = Page {
        title: asked.frame.say("Card numbers", "卡BIN"),
        command: "bankhub operator bins list --as operator.toml; bankhub operator bins suspend FIRST LAST --why WHY --as operator.toml"
            .to_owned(),
        above: html! {
            @match asked.query("done") {
                "1" => { p.note role="status" { (asked.frame.say("It is done.", "操作已完成。")) } }
                "waits" => { p.note role="status" { (asked.frame.say("It waits for a second person.", "已提交，等待第二人复核。")) " " a href="/approvals" { (asked.frame.say("Approvals", "复核")) } } }
                _ => {}
            }
        },
        columns: &[
            ("bank_id", "Bank", "银行"),
            ("first", "From", "起始"),
            ("last", "To", "截止"),
            ("digits", "Digits", "位数"),
            ("product", "Product", "产品"),
        ],
        lines,
        filters: &[],
        next: None,
    };
    page.tell(asked)
}

pub(super) async fn suspend(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let span = BinSpan::new(asked.form.get("first"), asked.form.get("last"))?;
    let suspended = match asked.form.get("suspended") {
        "1" => true,
        "0" => false,
        _ => return Err(Reason::FieldUnknown),
    };
    let request = pb::SetBinSuspendedRequest { first: span.first.to_string(), last: span.last.to_string(), suspended };
    let act = Proposable::SetBinSuspended(request);
    ask_on(asked, "/bins", act, ASKED_HERE).await
}
