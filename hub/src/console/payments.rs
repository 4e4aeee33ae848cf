//! Payments: a search by terminal, bank, state and time, and one payment hop by hop.

use domain::{BankId, PaymentId, Reason, TerminalId, Timestamp};
use maud::{Markup, html};
use uuid::Uuid;

use super::answer::Asked;
use super::sql::{self, Payment};
use super::table::{Cell, Column, Line, Page, filters};
use crate::directory::snapshot;
use crate::pages::response::Outcome;

const PAGE: usize = 50;
const NAMES: &[&str] = &["payment", "terminal", "bank", "state", "from", "until"];

pub(super) const COLUMNS: &[Column] = &[
    ("created_at", "When", "时间"),
    ("payment_id", "Payment", "支付"),
    ("state", "State", "状态"),
    ("amount", "Amount", "金额"),
    ("merchant", "Merchant", "商户"),
    ("terminal_id", "Terminal", "终端"),
    ("bank_id", "Bank", "银行"),
    ("refusal", "Reason", "原因"),
];

pub(super) fn away(error: &server_kit::store::StoreError) -> Reason {
    tracing::error!(error = error as &dyn std::error::Error, "a page of the console could not be read");
    error.reason()
}

/// A moment with its seconds, by the hub's clocks.
pub(super) fn time(asked: &Asked<'_>, at: Timestamp) -> String {
    let Ok(at) = jiff::Timestamp::from_microsecond(at.micros()) else { return String::new() };
    at.to_zoned(asked.console.inner.parts.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

pub(super) fn line(asked: &Asked<'_>, it: &Payment) -> Line {
    let id = it.id.hyphenated().to_string();
    let path = format!("/payments/{id}");
    let merchant = merchant_name(&it.merchant);
    Line::from(vec![
        time(asked, it.created_at).into(),
        Cell::Link(id, path),
        format!("{} {}", it.state, it.kind.to_lowercase()).into(),
        it.amount.to_string().into(),
        merchant.into(),
        it.terminal_id.clone().into(),
        it.bank_id.clone().unwrap_or_default().into(),
        it.refusal.clone().unwrap_or_default().into(),
    ])
}

/// The name of a merchant as it stands with a payment; empty for a payment without one.
fn merchant_name(stored: &str) -> String {
    snapshot::merchant_from_json(stored).map(|seller| seller.merchant.name.to_string()).unwrap_or_default()
}

/// The smallest id of this moment (RFC 9562, section 5.7).
fn first_of(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.micros() / 1_000).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}

/// `2026-11-22`, or with a time, `2026-11-22T14:30`, by the hub's clocks. `Err(TimeOutOfRange)`.
pub(super) fn moment(asked: &Asked<'_>, text: &str) -> Result<Option<Timestamp>, Reason> {
    if text.is_empty() {
        return Ok(None);
    }
    let text = text.replace(' ', "T");
    let wrong = |_| Reason::TimeOutOfRange;
    let at: jiff::civil::DateTime = match text.contains('T') {
        true => text.parse().map_err(wrong)?,
        false => text.parse::<jiff::civil::Date>().map_err(wrong)?.to_datetime(jiff::civil::Time::midnight()),
    };
    let at = at.to_zoned(asked.console.inner.parts.zone.clone()).map_err(wrong)?;
    Ok(Some(Timestamp::from_micros(at.timestamp().as_microsecond())))
}

/// What is looked for, as it was typed.
struct Search {
    terminal: Option<TerminalId>,
    bank: Option<BankId>,
    state: Option<String>,
    least: Uuid,
    below: Uuid,
}

impl Search {
    /// `Err` with `NameMalformed`, `FieldUnknown`, `TimeOutOfRange` or `PageTokenMalformed`.
    fn read(asked: &Asked<'_>) -> Result<Self, Reason> {
        let typed = |name| Some(asked.query(name)).filter(|text| !text.is_empty());
        let state = typed("state").map(str::to_uppercase);
        if state.as_ref().is_some_and(|it| it.len() > 20 || !it.bytes().all(|b| b.is_ascii_uppercase())) {
            return Err(Reason::FieldUnknown);
        }
        let until = moment(asked, asked.query("until"))?;
        let below = match typed("page") {
            Some(token) => PaymentId::parse(token).map_err(|_| Reason::PageTokenMalformed)?.uuid(),
            None => until.map_or(Uuid::max(), first_of),
        };
        Ok(Self {
            terminal: typed("terminal").map(TerminalId::parse).transpose()?,
            bank: typed("bank").map(BankId::parse).transpose()?,
            state,
            least: moment(asked, asked.query("from"))?.map_or(Uuid::nil(), first_of),
            below,
        })
    }

    fn takes(&self, it: &Payment) -> bool {
        self.terminal.as_ref().is_none_or(|wanted| wanted.as_str() == it.terminal_id)
            && self.bank.as_ref().is_none_or(|wanted| Some(wanted.as_str()) == it.bank_id.as_deref())
            && self.state.as_ref().is_none_or(|wanted| *wanted == it.state)
    }
}

pub(super) async fn list(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let wanted = asked.query("payment");
    if !wanted.is_empty() {
        let id = PaymentId::parse(wanted)?;
        return Ok(Outcome::Go(format!("/payments/{id}")));
    }
    let search = Search::read(asked)?;
    let store = &asked.console.inner.parts.store;
    let looked = sql::newest(store, search.below, search.least, sql::LOOKED_THROUGH).await.map_err(|it| away(&it))?;
    let is_all = i64::try_from(looked.len()).is_ok_and(|read| read < sql::LOOKED_THROUGH);
    let last_looked = looked.last().map(|it| it.id);
    let mut found: Vec<&Payment> = looked.iter().filter(|it| search.takes(it)).collect();
    let is_more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = match is_more {
        true => found.last().map(|it| it.id),
        false => last_looked.filter(|_| !is_all),
    };
    let page = Page {
        title: asked.frame.say("Payments", "支付"),
        command: "bankhub payment inspect PAYMENT --as operator.toml".to_owned(),
        above: html! {
            (filters(asked, &[
                ("payment", "Payment id", "支付编号"),
                ("terminal", "Terminal", "终端"),
                ("bank", "Bank", "银行"),
                ("state", "State", "状态"),
                ("from", "From (2026-01-31 or 2026-01-31T14:30)", "起始时间"),
                ("until", "Until", "截止时间"),
            ]))
            @if !is_more && !is_all { p.hint { (asked.frame.say("One page looks through 2,000 payments; there are earlier ones.", "每页最多检索2000笔支付，更早的记录请看下一页。")) } }
        },
        columns: COLUMNS,
        lines: found.into_iter().map(|it| line(asked, it)).collect(),
        filters: NAMES,
        next: next.map(|it| it.hyphenated().to_string()),
    };
    page.tell(asked)
}

pub(super) async fn one(asked: &Asked<'_>, id: PaymentId) -> Result<Outcome, Reason> {
    let parts = &asked.console.inner.parts;
    let found = parts.api.inspect(id).await.map_err(|error| away(&error))?.ok_or(Reason::PaymentUnknown)?;
    let at = |step: &proto::operator::PaymentStep| step.occurred_at.as_ref().map(proto::from_timestamp);
    let mut before: Option<Timestamp> = None;
    let mut lines = Vec::new();
    for step in &found.steps {
        let now = at(step);
        let after = match (before, now) {
            (Some(before), Some(now)) => format!("+{} ms", now.since(before).as_millis()),
            _ => String::new(),
        };
        before = now.or(before);
        let when = now.map(|now| time(asked, now)).unwrap_or_default();
        lines.push(Line::from(vec![when.into(), after.into(), step.state.clone().into(), step.reason.clone().into()]));
    }
    let page = Page {
        title: asked.frame.say("Payment", "支付"),
        command: format!("bankhub payment inspect {id} --as operator.toml"),
        above: about(asked, &found),
        columns: &[
            ("occurred_at", "When", "时间"),
            ("after", "After", "间隔"),
            ("state", "Step", "步骤"),
            ("reason", "Reason", "原因"),
        ],
        lines,
        filters: &[],
        next: None,
    };
    page.tell(asked)
}

fn about(asked: &Asked<'_>, found: &proto::operator::InspectPaymentResponse) -> Markup {
    let frame = &asked.frame;
    let amount = found.amount.as_ref().and_then(|amount| {
        Some(domain::Money::new(domain::Currency::parse(&amount.currency_code).ok()?, amount.minor_units).to_string())
    });
    html! {
        dl {
            dt { (frame.say("Payment", "支付")) } dd { (found.payment_id) }
            dt { (frame.say("State", "状态")) } dd { strong { (found.state) } }
            dt { (frame.say("Amount", "金额")) } dd { (amount.unwrap_or_default()) }
            dt { (frame.say("Terminal", "终端")) } dd { (found.terminal_id) }
            dt { (frame.say("Bank", "银行")) } dd { (found.bank_id) }
            dt { (frame.say("Leg at the bank", "银行分录")) } dd { (found.leg_id) }
        }
        p { a href={ "/log?subject=" (found.payment_id) } { (frame.say("Everything that the log says of it", "审计日志中的全部记录")) } }
    }
}
