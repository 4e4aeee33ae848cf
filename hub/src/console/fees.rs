//! What merchants are charged, and setting it; what they are paid for a day.

use domain::fee::{Returns, Scope, Terms, parse_percent};
use domain::operator::Act;
use domain::{Currency, FeeScheduleId, Money, Reason, Timestamp};
use maud::{Markup, html};
use proto::operator as pb;
use proto::operator::proposed_act::Act as Proposable;

use super::answer::Asked;
use super::approvals::ask_on;
use super::payments::{away, time};
use super::table::{Line, Page, button, field, filters};
use crate::fees::{Kept, NewSchedule, terms_words, wanted};
use crate::pages::response::Outcome;
use crate::zone::read_day;

/// Merchants of a page of settlements.
const MERCHANTS: i64 = 50;
/// Schedules that are shown at most with those of the past.
const MOST_PAST: i64 = 1_000;

pub(super) async fn page(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let fees = asked.console.inner.parts.api.fees().map_err(|_| Reason::Fault)?;
    let with_past = asked.query("all") == "1";
    let found = fees.list(with_past, MOST_PAST).await.map_err(|it| away(&it))?;
    let may_set = asked.may(Act::SetFees).is_ok();
    let page = Page {
        title: asked.frame.say("Fees", "费率"),
        command: "bankhub operator fees list --as operator.toml; bankhub operator fees set RATE --as operator.toml"
            .to_owned(),
        above: html! {
            @match asked.query("done") {
                "1" => { p.note role="status" { (asked.frame.say("It is set.", "费率已设置。")) } }
                "withdrawn" => { p.note role="status" { (asked.frame.say("It is withdrawn.", "费率已撤回。")) } }
                "waits" => { p.note role="status" { (asked.frame.say("It waits for a second person.", "已提交，等待第二人复核。")) " " a href="/approvals" { (asked.frame.say("Approvals", "复核")) } } }
                _ => {}
            }
            p {
                @if with_past { a href="/fees" { (asked.frame.say("Only what holds now or later", "仅看现行及待生效")) } }
                @else { a href="/fees?all=1" { (asked.frame.say("What held before, too", "包括历史费率")) } }
            }
            @if may_set { (form(asked)) }
        },
        columns: &[
            ("schedule_id", "Schedule", "费率"),
            ("scope", "Merchant, category, way, currency", "商户、类别、支付方式、币种"),
            ("number", "Number", "序号"),
            ("terms", "What is charged", "收费"),
            ("valid_from", "From", "生效时间"),
            ("set_by", "Set by", "操作员"),
            ("set_at", "Set", "时间"),
            ("withdrawn_by", "Withdrawn by", "撤回人"),
        ],
        lines: found.iter().map(|kept| line(asked, kept)).collect(),
        filters: &["all"],
        next: None,
    };
    page.tell(asked)
}

fn line(asked: &Asked<'_>, kept: &Kept) -> Line {
    let schedule = &kept.schedule;
    let id = schedule.id.to_string();
    let terms = schedule.terms.map(|terms| terms_words(&terms, schedule.scope.currency));
    let coming = kept.withdrawn_at.is_none() && schedule.valid_from > asked.console.inner.parts.clock.now();
    let may = coming && asked.may(Act::WithdrawFees).is_ok();
    let action = button(asked, "/fees/withdraw", &[("schedule", &id)], ("Withdraw it", "撤回"));
    Line {
        cells: vec![
            id.into(),
            schedule.scope.to_string().into(),
            kept.number.into(),
            terms.unwrap_or_else(|| asked.frame.say("ends", "终止").to_owned()).into(),
            time(asked, schedule.valid_from).into(),
            kept.set_by.clone().into(),
            time(asked, kept.set_at).into(),
            kept.withdrawn_by.clone().unwrap_or_default().into(),
        ],
        action: may.then_some(action),
    }
}

fn form(asked: &Asked<'_>) -> Markup {
    let field = |name: &str, english: &'static str, chinese: &'static str, value: &str| {
        field(asked, name, (english, chinese), value)
    };
    html! {
        form.card.filters method="post" action="/fees/set" {
            (asked.frame.mark())
            (field("merchant", "Merchant; * for every one", "商户；* 表示全部", "*"))
            (field("category", "Category; * for every one", "商户类别码；* 表示全部", "*"))
            (field("way", "PHONE, CARD_DEBIT, CARD_CREDIT or CARD_OTHER; * for every one", "PHONE、CARD_DEBIT、CARD_CREDIT 或 CARD_OTHER；* 表示全部", "*"))
            (field("currency", "Currency", "币种", "CNY"))
            (field("rate", "Rate, per cent; empty lets a wider schedule hold", "费率（%）；留空表示终止", ""))
            (field("fixed", "Fixed amount", "固定金额", "0"))
            (field("floor", "At least", "下限", "0"))
            (field("cap", "At most; empty for no cap", "上限；留空表示不设", ""))
            (field("issuer", "The issuer's share of it, per cent", "发卡行分成（%）", "0"))
            (field("hub", "The hub's share of it, per cent", "枢纽分成（%）", "0"))
            (field("returns", "PROPORTIONAL or NOTHING, given back with refunds", "退款时退还：PROPORTIONAL 或 NOTHING", "PROPORTIONAL"))
            (field("from", "From, as 2026-12-01T00:00:00+08:00; empty for at once", "生效时间，如 2026-12-01T00:00:00+08:00；留空表示立即", ""))
            (field("why", "Why", "原因", ""))
            div.actions { button type="submit" { (asked.frame.say("Set it", "设置")) } }
        }
    }
}

/// What the form says.
fn read(asked: &Asked<'_>) -> Result<NewSchedule, Reason> {
    let said = |name: &str| asked.form.get(name).trim().to_owned();
    let scope = Scope::read(&said("merchant"), &said("category"), &said("way"), &said("currency"))?;
    let valid_from = match said("from").as_str() {
        "" => None,
        text => {
            let at: jiff::Timestamp = text.parse().map_err(|_| Reason::TimeOutOfRange)?;
            Some(Timestamp::from_micros(at.as_microsecond()))
        }
    };
    let terms = match said("rate").as_str() {
        "" => None,
        rate => Some(read_terms(asked, parse_percent(rate)?, scope.currency)?),
    };
    let id = asked.console.inner.parts.ids.uuid().map_err(|_| Reason::Fault)?;
    Ok(NewSchedule { id: FeeScheduleId::from_uuid(id), scope, terms, valid_from })
}

fn read_terms(asked: &Asked<'_>, rate_ppm: i64, currency: Currency) -> Result<Terms, Reason> {
    let minor = |name: &str| match asked.form.get(name).trim() {
        "" => Ok(None),
        text => Money::parse_major(currency, text).map(|money| Some(money.minor)),
    };
    let share = |name: &str| match asked.form.get(name).trim() {
        "" => Ok(0),
        text => parse_percent(text),
    };
    let terms = Terms {
        rate_ppm,
        fixed_minor: minor("fixed")?.unwrap_or(0),
        floor_minor: minor("floor")?.unwrap_or(0),
        cap_minor: minor("cap")?,
        issuer_ppm: share("issuer")?,
        hub_ppm: share("hub")?,
        returns: Returns::parse(asked.form.get("returns").trim())?,
    };
    terms.check(currency)
}

pub(super) async fn set(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let request = pb::SetFeeScheduleRequest { schedule: Some(wanted(&read(asked)?)) };
    ask_on(asked, "/fees", Proposable::SetFeeSchedule(request), asked.form.get("why")).await
}

pub(super) async fn withdraw(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let fees = asked.console.inner.parts.api.fees().map_err(|_| Reason::Fault)?;
    let request = pb::WithdrawFeeScheduleRequest { schedule_id: asked.form.get("schedule").to_owned() };
    fees.withdraw_schedule(asked.session.operator_id.clone(), &request).await?;
    Ok(Outcome::Go("/fees?done=withdrawn".to_owned()))
}

/// What merchants are paid for a day.
pub(super) async fn settlements(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let fees = asked.console.inner.parts.api.fees().map_err(|_| Reason::Fault)?;
    let request = pb::ListSettlementsRequest {
        day: asked.query("day").to_owned(),
        merchant_id: asked.query("merchant").to_owned(),
        page_size: i32::try_from(MERCHANTS).unwrap_or(0),
        page_token: asked.query("page").to_owned(),
    };
    let day = if request.day.is_empty() { fees.today()? } else { read_day(&request.day)? };
    let found = fees.list_settlements(&request).await?;
    let lines = found.settlements.iter().map(|it| {
        Line::from(vec![
            it.day.clone().into(),
            it.merchant_id.clone().into(),
            it.currency_code.clone().into(),
            it.sale_count.into(),
            it.gross_minor.into(),
            it.refund_count.into(),
            it.refunds_minor.into(),
            it.reversal_count.into(),
            it.reversals_minor.into(),
            it.fees_minor.into(),
            it.issuer_minor.into(),
            it.hub_minor.into(),
            it.acquirer_minor.into(),
            it.net_minor.into(),
        ])
    });
    let page = Page {
        title: asked.frame.say("Settlement", "清算"),
        command: format!("bankhub operator settlements --day {day} --as operator.toml"),
        above: html! {
            @if !found.closed { p.note role="status" { (asked.frame.say("The day is not over for good; what it comes to may change.", "该日尚未关账，金额可能变动。")) } }
            (filters(asked, &[("day", "Day, as 2026-11-23", "日期，如 2026-11-23"), ("merchant", "Merchant", "商户")]))
        },
        columns: &[
            ("day", "Day", "日期"),
            ("merchant_id", "Merchant", "商户"),
            ("currency_code", "Currency", "币种"),
            ("sale_count", "Sales", "消费笔数"),
            ("gross_minor", "Gross", "消费总额"),
            ("refund_count", "Refunds", "退款笔数"),
            ("refunds_minor", "Refunded", "退款金额"),
            ("reversal_count", "Reversals", "冲正笔数"),
            ("reversals_minor", "Reversed", "冲正金额"),
            ("fees_minor", "Fees", "手续费"),
            ("issuer_minor", "Issuers' part", "发卡行分成"),
            ("hub_minor", "The hub's part", "枢纽分成"),
            ("acquirer_minor", "The acquirer's part", "收单行分成"),
            ("net_minor", "Net", "应结净额"),
        ],
        lines: lines.collect(),
        filters: &["day", "merchant"],
        next: Some(found.next_page_token).filter(|token| !token.is_empty()),
    };
    page.tell(asked)
}
