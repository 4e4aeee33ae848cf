//! The overview: what the newest payments came to, what is under way, and what waits.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Reason, Timestamp};
use maud::html;
use ring::digest;
use uuid::Uuid;

use super::ConsoleParts;
use super::answer::Asked;
use super::payments::away;
use super::sql::{self, MOST_COUNTED, Payment};
use super::table::{Cell, Line, Page};
use crate::hex;
use crate::pages::language::Language;
use crate::pages::response::Outcome;
use crate::standing::{Neighbour, Standing};

/// What the rates speak of: the newest payments, and none that are older than this.
const LATELY: Duration = Duration::from_secs(5 * 60);

/// What the newest payments came to.
#[derive(Debug, Default, PartialEq)]
struct Lately {
    payments: usize,
    per_second: f64,
    /// Of those that are decided, how many of a hundred were paid.
    success_percent: Option<f64>,
    /// How long the slowest but five of a hundred took from the request to the decision.
    p95: Option<Duration>,
}

fn lately(newest: &[Payment], now: Timestamp) -> Lately {
    let recent: Vec<&Payment> = newest.iter().filter(|it| now.since(it.created_at) <= LATELY).collect();
    let Some(first) = recent.iter().map(|it| it.created_at).min() else { return Lately::default() };
    let span = now.since(first).max(Duration::from_secs(1)).as_secs_f64();
    let is_paid = |it: &&&Payment| matches!(it.state.as_str(), "COMMITTED" | "POSTED" | "REVERSING" | "REVERSED");
    let is_lost = |it: &&&Payment| matches!(it.state.as_str(), "DECLINED" | "EXPIRED" | "CANCELLED" | "ABORTED");
    let (paid, lost) = (recent.iter().filter(is_paid).count(), recent.iter().filter(is_lost).count());
    let decided = paid.saturating_add(lost);
    let mut took: Vec<Duration> = recent.iter().filter_map(|it| Some(it.decided_at?.since(it.created_at))).collect();
    took.sort_unstable();
    let p95 = took.len().checked_sub(1).and_then(|last| took.get(last.saturating_mul(95) / 100)).copied();
    Lately {
        payments: recent.len(),
        per_second: recent.len() as f64 / span,
        success_percent: (decided > 0).then(|| 100.0 * paid as f64 / decided as f64),
        p95,
    }
}

/// Amounts by currency, in the words of people.
fn sums(payments: &[Payment]) -> String {
    let mut by_currency = BTreeMap::new();
    for it in payments {
        let sum = by_currency.entry(it.amount.currency.code()).or_insert((it.amount.currency, 0_i64));
        sum.1 = sum.1.saturating_add(it.amount.minor);
    }
    let words: Vec<String> =
        by_currency.values().map(|(currency, minor)| domain::Money::new(*currency, *minor).to_string()).collect();
    if words.is_empty() { "0".to_owned() } else { words.join(", ") }
}

/// A count that went no further than it goes.
fn counted(count: i64) -> String {
    if count >= MOST_COUNTED { format!("{MOST_COUNTED} or more") } else { count.to_string() }
}

fn age(now: Timestamp, at: Option<Timestamp>) -> String {
    at.map_or_else(|| "–".to_owned(), |at| format!("{} s", now.since(at).as_secs()))
}

/// One line of the overview.
struct Figure {
    key: String,
    english: String,
    chinese: String,
    value: String,
    path: &'static str,
}

/// What the overview shows, for whoever reads it and for all who watch it.
pub(super) struct Figures {
    at: Timestamp,
    lines: Vec<Figure>,
    /// They are others when other payments are in doubt, and when other letters are dead.
    pub(super) doubt_mark: String,
    pub(super) letters_mark: String,
}

impl Figures {
    /// The values by the names under which pages have them.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().map(|it| (it.key.as_str(), it.value.as_str()))
    }

    /// When they were read, in the words of the page.
    pub(super) fn as_of(&self, parts: &ConsoleParts) -> String {
        clock_time(parts, self.at)
    }

    /// It is another one when there are other lines.
    pub(super) fn mark(&self) -> String {
        mark(self.lines.iter().map(|it| it.key.as_bytes()))
    }
}

/// A short digest, by which it is seen that something has changed.
fn mark<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
        context.update(&[0]);
    }
    hex::encode(context.finish().as_ref().get(..8).unwrap_or_default())
}

fn count(it: usize) -> i64 {
    i64::try_from(it).unwrap_or(i64::MAX)
}

/// The time of day in the hub's zone.
fn clock_time(parts: &ConsoleParts, at: Timestamp) -> String {
    let Ok(at) = jiff::Timestamp::from_microsecond(at.micros()) else { return String::new() };
    at.to_zoned(parts.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads what the overview shows.
pub(super) async fn figures(parts: &ConsoleParts) -> Result<Figures, Reason> {
    let (store, now) = (&parts.store, parts.clock.now());
    let newest = sql::newest(store, Uuid::max(), Uuid::nil(), sql::LOOKED_THROUGH).await.map_err(|it| away(&it))?;
    let doubt = sql::in_doubt(store, MOST_COUNTED).await.map_err(|it| away(&it))?;
    let repayments = sql::open_repayments(store, MOST_COUNTED).await.map_err(|it| away(&it))?;
    let (queued, dead, oldest_queued) = sql::outbox(store).await.map_err(|it| away(&it))?;
    let letters = parts.api.dead_letters(None, 51).await.map_err(|it| away(&it))?;
    let banks = parts.api.banks().await.map_err(|it| away(&it))?;
    let (open, _) = parts.operators.proposals(false, None, 50).await?;
    let seen = lately(&newest, now);
    let oldest = doubt.iter().map(|it| it.created_at).min();
    let suspended = banks.iter().filter(|bank| bank.suspended).count();
    let percent = seen.success_percent.map_or_else(|| "–".to_owned(), |it| format!("{it:.1} %"));
    let p95 = seen.p95.map_or_else(|| "–".to_owned(), |it| format!("{} ms", it.as_millis()));
    let rate = format!("{:.2} ({})", seen.per_second, seen.payments);
    let line = |key: &str, english: &str, chinese: &str, value: String, path: &'static str| Figure {
        key: key.to_owned(),
        english: english.to_owned(),
        chinese: chinese.to_owned(),
        value,
        path,
    };
    let mut lines = vec![
        line("rate", "Payments a second, of late", "近期每秒支付笔数", rate, "/payments"),
        line("paid", "Paid, of those decided of late", "近期成功率", percent, "/payments"),
        line("p95", "From request to decision, 95 of 100 within", "95%分位决定用时", p95, "/payments"),
        line(
            "doubt",
            "Payments that a bank has yet to hear of",
            "待银行确认的支付",
            counted(count(doubt.len())),
            "/doubt",
        ),
        line("flight", "Money in flight", "在途金额", sums(&doubt), "/doubt"),
        line("oldest", "Oldest of them", "最早未决", age(now, oldest), "/doubt"),
        line("repayments", "Repayments under way", "处理中的还款", counted(count(repayments.len())), "/doubt"),
        line("queued", "Notices that wait", "待发通知", counted(queued), "/dead-letters"),
        line("due", "Oldest of them, due since", "最早待发", age(now, oldest_queued), "/dead-letters"),
        line("dead", "Dead letters", "未投递通知", counted(dead), "/dead-letters"),
        line(
            "banks",
            "Banks, and suspended ones of them",
            "银行（停用）",
            format!("{} ({suspended})", banks.len()),
            "/banks",
        ),
        line("proposals", "Proposals that wait", "待复核申请", counted(count(open.len())), "/approvals"),
    ];
    let names: Vec<&str> = banks.iter().map(|bank| bank.bank_id.as_str()).collect();
    lines.extend(neighbours(parts, &names, now));
    let in_doubt = doubt.iter().flat_map(|it| [it.id.as_bytes().as_slice(), it.state.as_bytes()]);
    let owed = repayments.iter().flat_map(|it| [it.0.as_bytes().as_slice(), it.1.as_bytes()]);
    let doubt_mark = mark(in_doubt.chain(owed));
    let letters_mark = mark(letters.iter().map(|it| it.notice_id.as_bytes().as_slice()));
    Ok(Figures { at: now, lines, doubt_mark, letters_mark })
}

/// A line for each bank and each link: whether it answers as far as this replica has seen, and since when.
fn neighbours(parts: &ConsoleParts, banks: &[&str], now: Timestamp) -> Vec<Figure> {
    let seen = parts.standings.all();
    let told = |it: &Standing| {
        let state = if it.up { "UP" } else { "DOWN" };
        format!("{state} · {}", clock_time(parts, now.minus(it.lasting)))
    };
    let of_bank = |id: &&str| {
        let standing = seen.iter().find(|it| it.neighbour == Neighbour::Bank && it.id == **id);
        Figure {
            key: format!("bank-{id}"),
            english: format!("Bank {id}"),
            chinese: format!("银行 {id}"),
            value: standing.map_or_else(|| "–".to_owned(), told),
            path: "/banks",
        }
    };
    let of_link = |it: &Standing| Figure {
        key: format!("link-{}", it.id),
        english: format!("Link {}", it.id),
        chinese: format!("专线 {}", it.id),
        value: told(it),
        path: "/payments",
    };
    let links = seen.iter().filter(|it| it.neighbour == Neighbour::Link);
    banks.iter().map(of_bank).chain(links.map(of_link)).collect()
}

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let frame = &asked.frame;
    let figures = figures(&asked.console.inner.parts).await?;
    let line = |it: Figure| {
        let name = if frame.language == Language::Chinese { it.chinese } else { it.english };
        Line::from(vec![Cell::Link(name, it.path.to_owned()), Cell::Live(it.value, it.key)])
    };
    let page = Page {
        title: frame.say("Overview", "总览"),
        command: "bankhub overview --as operator.toml".to_owned(),
        above: html! { p.hint { (frame.say("As of ", "截至 ")) time data-figure="at" { (figures.as_of(&asked.console.inner.parts)) } } },
        columns: &[("figure", "Figure", "指标"), ("value", "Value", "数值")],
        lines: figures.lines.into_iter().map(line).collect(),
        filters: &[],
        next: None,
    };
    page.tell(asked)
}

#[cfg(test)]
mod figure_tests {
    use domain::{Currency, Money};

    use super::*;

    fn payment(state: &str, created: i64, decided: Option<i64>) -> Payment {
        Payment {
            id: Uuid::nil(),
            state: state.to_owned(),
            kind: "PURCHASE".to_owned(),
            terminal_id: "till-1".to_owned(),
            bank_id: None,
            amount: Money::new(Currency::CNY, 1_250),
            merchant: String::new(),
            created_at: Timestamp::from_secs(created),
            decided_at: decided.map(Timestamp::from_secs),
            refusal: None,
        }
    }

    #[test]
    fn m9_the_figures_of_late_are_those_of_the_last_five_minutes() {
        assert_eq!(lately(&[], Timestamp::from_secs(1_000)), Lately::default());
        let newest = [
            payment("POSTED", 990, Some(991)),
            payment("COMMITTED", 980, Some(984)),
            payment("DECLINED", 975, Some(976)),
            payment("CHALLENGED", 970, None),
            payment("POSTED", 10, Some(500)),
        ];
        let seen = lately(&newest, Timestamp::from_secs(1_000));
        assert_eq!((seen.payments, seen.p95), (4, Some(Duration::from_secs(1))));
        assert!((seen.per_second - 4.0 / 30.0).abs() < 1e-9);
        assert!((seen.success_percent.unwrap() - 200.0 / 3.0).abs() < 1e-9);
        assert_eq!(sums(&newest[..2]), Money::new(Currency::CNY, 2_500).to_string());
        assert_eq!((counted(999), counted(1_000)), ("999".to_owned(), "1000 or more".to_owned()));
    }
}
