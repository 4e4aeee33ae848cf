//! Dead letters: notices that were given up, and having them tried again.

use domain::{PaymentId, Reason};
use maud::html;
use proto::operator as pb;
use proto::operator::proposed_act::Act as Proposable;
use uuid::Uuid;

use super::answer::Asked;
use super::approvals::{ASKED_HERE, ask_on};
use super::payments::{away, time};
use super::table::{Line, Page, button};
use crate::notify::DeadLetter;
use crate::pages::response::Outcome;

const PAGE: usize = 50;

fn id_of(text: &str) -> Result<Uuid, Reason> {
    PaymentId::parse(text).map(PaymentId::uuid)
}

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let before = match asked.query("page") {
        "" => None,
        token => Some(id_of(token).map_err(|_| Reason::PageTokenMalformed)?),
    };
    let mut found = asked.console.inner.parts.api.dead_letters(before, 51).await.map_err(|it| away(&it))?;
    let is_more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| is_more).map(|last| last.notice_id.hyphenated().to_string());
    let may = asked.may(domain::operator::Act::RetryNotice).is_ok();
    let page = Page {
        title: asked.frame.say("Dead letters", "未投递通知"),
        command: "bankhub notices dead --as operator.toml; bankhub notices retry NOTICE --as operator.toml".to_owned(),
        above: html! {
            @match asked.query("done") {
                "1" => { p.note role="status" { (asked.frame.say("It is queued again.", "已重新排队发送。")) } }
                "waits" => { p.note role="status" { (asked.frame.say("It waits for a second person.", "已提交，等待第二人复核。")) } }
                _ => {}
            }
            @if may && !found.is_empty() { (button(asked, "/dead-letters/retry-all", &[], ("Try all of them again", "全部重试"))) }
        },
        columns: &[
            ("notice_id", "Notice", "通知"),
            ("person_id", "Person", "用户"),
            ("kind", "About", "类型"),
            ("channel", "By", "渠道"),
            ("error", "Reason", "原因"),
            ("tries", "Tries", "次数"),
            ("died_at", "Given up", "放弃时间"),
        ],
        lines: found.iter().map(|letter| line(asked, letter, may)).collect(),
        filters: &[],
        next,
    };
    page.tell(asked)
}

fn line(asked: &Asked<'_>, letter: &DeadLetter, may: bool) -> Line {
    let id = letter.notice_id.hyphenated().to_string();
    let why = [letter.error.as_str(), letter.receipt.as_deref().unwrap_or_default()].join(" ");
    let action = button(asked, "/dead-letters/retry", &[("notice", &id)], ("Try again", "重试"));
    Line {
        cells: vec![
            id.into(),
            letter.person_id.to_string().into(),
            letter.kind.name().into(),
            letter.channel.name().into(),
            why.trim().to_owned().into(),
            letter.tries.into(),
            time(asked, letter.died_at).into(),
        ],
        action: may.then_some(action),
    }
}

pub(super) async fn retry(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let notice = id_of(asked.form.get("notice"))?;
    let by = asked.session.operator_id.as_str();
    asked.console.inner.parts.api.retry(notice, by).await.map_err(|it| away(&it))??;
    Ok(Outcome::Go("/dead-letters?done=1".to_owned()))
}

pub(super) async fn retry_all(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let act = Proposable::RetryAllDeadLetters(pb::RetryAllDeadLettersRequest {});
    ask_on(asked, "/dead-letters", act, ASKED_HERE).await
}
