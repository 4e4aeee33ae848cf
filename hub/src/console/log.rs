//! The log, newest first, with filters.

use domain::Reason;
use server_kit::audit::find::Place;

use super::answer::Asked;
use super::payments::{moment, time};
use super::table::{Line, Page, filters};
use crate::operators::log_filter;
use crate::pages::response::Outcome;

const PAGE: usize = 50;

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let (from, until) = (moment(asked, asked.query("from"))?, moment(asked, asked.query("until"))?);
    let filter = log_filter(asked.query("subject"), asked.query("by"), asked.query("kind"), (from, until))?;
    let place = match asked.query("page") {
        "" => None,
        token => Some(Place::parse(token).ok_or(Reason::PageTokenMalformed)?),
    };
    let found = asked.console.inner.parts.operators.log(&filter, place, PAGE).await?;
    let line = |line: &server_kit::audit::find::Line| {
        Line::from(vec![
            time(asked, line.logged.occurred_at).into(),
            line.chain.clone().into(),
            line.seq.into(),
            line.logged.kind.clone().into(),
            line.logged.subject.hyphenated().to_string().into(),
            line.logged.content.clone().into(),
        ])
    };
    let page = Page {
        title: asked.frame.say("Log", "审计日志"),
        command: "bankhub operator log --subject ID --by NAME --kind KIND --as operator.toml".to_owned(),
        above: filters(
            asked,
            &[
                ("subject", "About (an id)", "对象编号"),
                ("by", "By", "操作者"),
                ("kind", "Kind, as TERMINAL_SUSPENDED", "类型"),
                ("from", "From (2026-01-31 or 2026-01-31T14:30)", "起始时间"),
                ("until", "Until", "截止时间"),
            ],
        ),
        columns: &[
            ("occurred_at", "When", "时间"),
            ("chain", "Chain", "链"),
            ("sequence", "Entry", "序号"),
            ("kind", "What", "类型"),
            ("subject_id", "About", "对象"),
            ("content", "Particulars", "内容"),
        ],
        lines: found.lines.iter().map(line).collect(),
        filters: &["subject", "by", "kind", "from", "until"],
        next: found.next.map(|place| place.to_string()),
    };
    page.tell(asked)
}
