//! The record: purchases over all banks with filters, page by page, and each by itself.

use std::time::Duration;

use domain::purchase::{CategoryCode, Purchase, PurchaseState};
use domain::record::PurchaseFilter;
use domain::{BankId, Money, PaymentId, PersonId, Reason, Timestamp, category};
use http::StatusCode;
use jiff::civil::Date;
use maud::{Markup, html};
use proto::cardholder as pb;
use server_kit::store::StoreError;

use super::answer::{Asked, Told};
use super::page::Frame;
use crate::pages::door::status_of;
use crate::pages::form::query;
use crate::pages::language::Language;
use crate::pages::response::Outcome;
use crate::records::export::Export;
use crate::records::page::{self, PageAsked};
use crate::records::query::filter_of;
use crate::zone::start_of;

const PAGE_SIZE: i32 = 20;
/// Purchases that may have happened within one microsecond.
const AT_ONE_TIME: i32 = 200;
const NAMES: [&str; 7] = ["bank", "card", "merchant", "category", "from", "until", "text"];

/// Where the list is given as a file for a spreadsheet.
pub(super) const FILE_PATH: &str = "/purchases.csv";
const FILE_NAME: &str = "purchases.csv";
/// A file is held in memory until it is sent; who has more narrows the filter, or takes it away in the app.
const MOST_FILE_BYTES: usize = 4 << 20;

/// The purchase that a path names.
pub(super) fn id_of(path: &str) -> Option<PaymentId> {
    PaymentId::parse(path.strip_prefix("/purchases/")?).ok()
}

fn away(error: &StoreError) -> Reason {
    error.reason()
}

/// What was typed into the filter, and the filter. `Err` with the field that is not right.
fn typed(asked: &Asked<'_>) -> Result<(pb::PurchaseFilter, PurchaseFilter), (&'static str, Reason)> {
    let query = &asked.visit.query;
    let zone = &asked.web.inner.parts.zone;
    let day = |name: &'static str, more: i32| {
        let typed = query.get(name);
        if typed.is_empty() {
            return Ok(None);
        }
        let wrong = |_| (name, Reason::TimeOutOfRange);
        let day: Date = typed.parse().map_err(wrong)?;
        let day = day.checked_add(jiff::Span::new().days(more)).map_err(wrong)?;
        start_of(day, zone).map(|at| Some(proto::to_timestamp(at))).map_err(|reason| (name, reason))
    };
    let each = |name| query.all(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect();
    let message = pb::PurchaseFilter {
        bank_ids: each("bank"),
        accounts_masked: each("card"),
        category_codes: each("category"),
        from_time: day("from", 0)?,
        until_time: day("until", 1)?,
        // People know merchants by their names, which are words of the purchase.
        text: format!("{} {}", query.get("merchant"), query.get("text")).trim().to_owned(),
        ..pb::PurchaseFilter::default()
    };
    let filter = filter_of(Some(&message)).map_err(|reason| {
        let field = match reason {
            Reason::NameMalformed => "bank",
            Reason::CategoryMalformed => "category",
            Reason::TimeOutOfRange => "until",
            _ => "text",
        };
        (field, reason)
    })?;
    Ok((message, filter))
}

/// What fits the filter as a file, with no more of a card than a receipt shows. What cannot be a filter gets the page that says so.
/// `Err(TooManyItems)`.
pub(super) async fn file(asked: &Asked<'_>, person_id: PersonId) -> Result<Told, Reason> {
    let parts = &asked.web.inner.parts;
    let Ok((message, _)) = typed(asked) else { return list(asked, person_id).await };
    let request = pb::ExportPaymentsRequest { filter: Some(message), format: pb::ExportFormat::Csv.into() };
    let mut export = Export::read(&parts.store, person_id, &request, parts.clock.now())?;
    let mut content = Vec::new();
    while let Some(piece) = export.next().await.map_err(|error| away(&error))?? {
        if content.len().saturating_add(piece.len()) > MOST_FILE_BYTES {
            return Err(Reason::TooManyItems);
        }
        content.extend_from_slice(&piece);
    }
    Ok(Outcome::File("text/csv; charset=utf-8", FILE_NAME.to_owned(), content).into())
}

pub(super) async fn list(asked: &Asked<'_>, person_id: PersonId) -> Result<Told, Reason> {
    let (parts, frame) = (&asked.web.inner.parts, &asked.frame);
    let title = frame.say("Purchases", "消费记录");
    let instruments =
        parts.freezes.list_instruments(person_id).await.map_err(|it| super::overview::reason_of(&it))?.instruments;
    let filter = match typed(asked) {
        Ok((_, filter)) => filter,
        Err(wrong) => {
            let main = html! { (form(asked, &instruments, Some(wrong))) };
            return Ok(Outcome::Page(StatusCode::UNPROCESSABLE_ENTITY, frame.page(title, &main)).into());
        }
    };
    let page_token = asked.visit.query.get("page").to_owned();
    let request = pb::ListPaymentsRequest { page_size: PAGE_SIZE, page_token, filter: None };
    let asked_for = PageAsked::read(&*parts.keys, person_id, &request).map_err(|_| Reason::Fault)?;
    let asked_for = match asked_for {
        Ok(asked_for) => asked_for,
        Err(reason) => return Ok(Outcome::Page(status_of(reason), frame.page(title, &frame.alert(reason))).into()),
    };
    let found = page::read_page(&parts.store, person_id, &filter, asked_for).await.map_err(|error| away(&error))?;
    let next = found.next.map(|place| page::make_token(&*parts.keys, person_id, place)).transpose();
    let next = next.map_err(|_| Reason::Fault)?;
    let main = html! {
        (form(asked, &instruments, None))
        @if found.purchases.is_empty() { p.empty role="status" { (frame.say("No purchases.", "没有符合条件的记录。")) } } @else { (table(asked, &found.purchases)) }
        @let filter_values: Vec<(&str, &str)> = NAMES.iter().map(|name| (*name, asked.visit.query.get(name))).collect();
        @if !found.purchases.is_empty() {
            p { a href={ (FILE_PATH) "?" (query(&filter_values)) } { (frame.say("All of these as a file for a spreadsheet", "将以上全部记录下载为表格文件")) } }
        }
        @if let Some(next) = next {
            @let values: Vec<(&str, &str)> = filter_values.iter().copied().chain([("page", next.as_str())]).collect();
            p { a.button rel="next" href={ "/purchases?" (query(&values)) } { (frame.say("Earlier purchases", "更早的记录")) } }
        }
    };
    Ok(asked.page(title, &main))
}

fn form(asked: &Asked<'_>, instruments: &[pb::Instrument], wrong: Option<(&str, Reason)>) -> Markup {
    let (frame, typed) = (&asked.frame, &asked.visit.query);
    let mut banks: Vec<(&str, &str)> =
        instruments.iter().map(|it| (it.bank_id.as_str(), it.bank_name.as_str())).collect();
    banks.sort_unstable();
    banks.dedup();
    let field = |name: &'static str, label: &'static str, kind: &'static str, most: &'static str| {
        let error = wrong.filter(|(field, _)| *field == name).map(|(_, reason)| reason);
        html! {
            div {
                label for={ "f-" (name) } { (label) }
                input id={ "f-" (name) } name=(name) type=(kind) maxlength=(most) value=(typed.get(name).chars().take(100).collect::<String>())
                    aria-invalid=[error.map(|_| "true")] aria-describedby=[error.map(|_| format!("f-{name}-error"))];
                @if let Some(reason) = error { p.error id={ "f-" (name) "-error" } role="alert" { (frame.language.reason(reason)) } }
            }
        }
    };
    let every = frame.say("All", "全部");
    html! {
        form.card.filters method="get" action="/purchases" role="search" aria-label=(frame.say("Filter purchases", "筛选消费记录")) {
            div {
                label for="f-bank" { (frame.say("Bank", "银行")) }
                select #f-bank name="bank" {
                    option value="" { (every) }
                    @for (id, name) in &banks { option value=(id) selected[typed.get("bank") == *id] { (name) } }
                }
                @if let Some((_, reason)) = wrong.filter(|(field, _)| *field == "bank") { p.error role="alert" { (frame.language.reason(reason)) } }
            }
            div {
                label for="f-card" { (frame.say("Card or account", "卡片或账户")) }
                select #f-card name="card" {
                    option value="" { (every) }
                    @for it in instruments { option value=(it.masked) selected[typed.get("card") == it.masked] { (it.bank_name) " " (it.masked) } }
                }
            }
            (field("merchant", frame.say("Merchant", "商户"), "text", "100"))
            (field("category", frame.say("Category (four digits)", "商户类别码（四位）"), "text", "4"))
            (field("from", frame.say("From", "开始日期"), "date", "10"))
            (field("until", frame.say("Until", "结束日期"), "date", "10"))
            (field("text", frame.say("Words", "关键词"), "search", "100"))
            div.actions {
                button type="submit" { (frame.say("Show", "查询")) }
                a href="/purchases" { (frame.say("Clear", "清除条件")) }
            }
        }
    }
}

fn table(asked: &Asked<'_>, purchases: &[Purchase]) -> Markup {
    let (frame, zone) = (&asked.frame, &asked.web.inner.parts.zone);
    let (time, merchant, card, amount) = (
        frame.say("Time", "时间"),
        frame.say("Merchant", "商户"),
        frame.say("Card", "卡片"),
        frame.say("Amount", "金额"),
    );
    html! {
        table {
            caption { (frame.say("Purchases over all banks, the last one first", "各银行消费记录，按时间倒序")) }
            thead { tr { th scope="col" { (time) } th scope="col" { (merchant) } th scope="col" { (card) } th.number scope="col" { (amount) } } }
            tbody {
                @for it in purchases {
                    tr {
                        td data-label=(time) { (frame.language.time(it.occurred_at, zone)) }
                        th scope="row" data-label=(merchant) {
                            a href={ "/purchases/" (it.payment_id) "?at=" (it.occurred_at.micros()) } { (it.merchant.name) }
                        }
                        td data-label=(card) { (it.bank_id) " " (it.account_masked) }
                        td.number data-label=(amount) { (it.amount) (mark(frame, it)) }
                    }
                }
            }
        }
    }
}

/// What has become of it, in words.
fn mark(frame: &Frame<'_>, it: &Purchase) -> Markup {
    let words = match it.state {
        PurchaseState::Held => Some(frame.say("pending", "待入账")),
        PurchaseState::Reversed => Some(frame.say("taken back", "已撤销")),
        _ if it.given_back_minor > 0 => Some(frame.say("refunded in part", "有退款")),
        _ => None,
    };
    html! { @if let Some(words) = words { " " span.tag { (words) } } }
}

/// One purchase of this person; somebody else's is none.
pub(super) async fn one(asked: &Asked<'_>, person_id: PersonId, payment_id: PaymentId) -> Result<Told, Reason> {
    let (parts, frame) = (&asked.web.inner.parts, &asked.frame);
    // The list says when it was, so that it is found without looking through the whole record.
    let at = asked.visit.query.get("at").parse().map_err(|_| Reason::PaymentUnknown)?;
    let at = Timestamp::from_micros(at);
    let filter =
        PurchaseFilter { from: Some(at), until: Some(at.plus(Duration::from_micros(1))), ..PurchaseFilter::default() };
    let found = page::read_page(&parts.store, person_id, &filter, PageAsked::before(AT_ONE_TIME, i64::MAX)?).await;
    let found = found.map_err(|error| away(&error))?.purchases;
    let Some(it) = found.iter().find(|it| it.payment_id == payment_id) else {
        return Ok(asked.refused(Reason::PaymentUnknown));
    };
    let row = |label: &'static str, value: String| html! { @if !value.is_empty() { dt { (label) } dd { (value) } } };
    let bank = bank_name(asked, &it.bank_id).await?;
    let main = html! {
        p.amount { (it.amount) (mark(frame, it)) }
        dl {
            (row(frame.say("Merchant", "商户"), it.merchant.name.to_string()))
            (row(frame.say("Category", "类别"), category_name(frame.language, it.merchant.category)))
            (row(frame.say("Time", "时间"), frame.language.time(it.occurred_at, &parts.zone)))
            (row(frame.say("Place", "地点"), it.place.as_ref().map(ToString::to_string).unwrap_or_default()))
            (row(frame.say("Bank", "银行"), bank))
            (row(frame.say("Card or account", "卡片或账户"), it.account_masked.clone()))
            (row(frame.say("Given back", "已退回"), if it.given_back_minor > 0 { Money::new(it.amount.currency, it.given_back_minor).to_string() } else { String::new() }))
            (row(frame.say("Number", "交易编号"), it.payment_id.to_string()))
        }
        @if !it.items.is_empty() {
            table {
                caption { (frame.say("What was bought", "购买内容")) }
                thead { tr { th scope="col" { (frame.say("Goods", "商品")) } th.number scope="col" { (frame.say("Amount", "金额")) } } }
                tbody {
                    @for item in &it.items {
                        tr { th scope="row" { (item.name) } td.number { (Money::new(it.amount.currency, item.amount_minor)) } }
                    }
                }
            }
        }
        p { a href="/purchases" { (frame.say("All purchases", "全部消费记录")) } }
    };
    Ok(asked.page(frame.say("One purchase", "消费详情"), &main))
}

fn category_name(language: Language, code: CategoryCode) -> String {
    let name = category::find(code).map(|it| language.say(it.english, it.chinese)).unwrap_or_default();
    format!("{name} ({})", code.as_str()).trim().to_owned()
}

async fn bank_name(asked: &Asked<'_>, bank_id: &BankId) -> Result<String, Reason> {
    let bank = asked.web.inner.parts.directory.bank(bank_id).await.map_err(|error| away(&error))?;
    Ok(bank.map_or_else(|| bank_id.to_string(), |bank| bank.display_name.to_string()))
}
