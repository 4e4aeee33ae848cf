//! The dictionaries of this version, in both languages, to read and to take away: merchant categories, reasons and currencies. Nobody amends
//! them here: they are part of the program, and programs of others compare their codes.

use domain::category;
use domain::{Currency, Reason};
use maud::{Markup, html};

use super::answer::Asked;
use super::table::{Column, Line, Page};
use crate::pages::response::Outcome;

/// The last number that ISO 4217 gives.
const LAST_CURRENCY: u16 = 999;

/// Merchant categories by ISO 18245.
pub(super) fn categories(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let line = |it: &category::Category| {
        let code = |number: u16| format!("{number:04}");
        let sensitive = domain::purchase::CategoryCode::parse(&code(it.first)).is_ok_and(category::is_sensitive);
        Line::from(vec![
            code(it.first).into(),
            code(it.last).into(),
            it.group.as_str().into(),
            it.english.into(),
            it.chinese.into(),
            if sensitive { "SENSITIVE" } else { "" }.into(),
        ])
    };
    let columns: &[Column] = &[
        ("first", "From", "起始"),
        ("last", "To", "截止"),
        ("group", "Group", "大类"),
        ("english", "English", "英文"),
        ("chinese", "Chinese", "中文"),
        ("sensitive", "Sensitive", "敏感"),
    ];
    let lines = category::all().iter().map(line).collect();
    page(asked, ("Merchant categories", "商户类别", "categories"), columns, lines)
}

/// Every way to say no.
pub(super) fn reasons(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let line = |it: &Reason| {
        let class = format!("{:?}", it.class()).to_uppercase();
        Line::from(vec![it.code().into(), class.into(), it.english().into(), it.chinese().into()])
    };
    let columns: &[Column] = &[
        ("code", "Code", "代码"),
        ("class", "Class", "类型"),
        ("english", "English", "英文"),
        ("chinese", "Chinese", "中文"),
    ];
    page(asked, ("Reasons", "原因代码", "reasons"), columns, Reason::ALL.iter().map(line).collect())
}

/// The currencies of ISO 4217 that amounts may be in.
pub(super) fn currencies(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let line = |it: Currency| {
        let digits = i64::from(it.exponent());
        Line::from(vec![it.code().into(), format!("{:03}", it.numeric()).into(), digits.into()])
    };
    let columns: &[Column] =
        &[("code", "Code", "代码"), ("number", "Number", "数字代码"), ("digits", "Digits", "小数位")];
    let all = (1..=LAST_CURRENCY).filter_map(|number| Currency::from_numeric(number).ok());
    page(asked, ("Currencies", "币种", "currencies"), columns, all.map(line).collect())
}

fn page(
    asked: &Asked<'_>,
    (english, chinese, word): (&'static str, &'static str, &str),
    columns: &'static [Column],
    lines: Vec<Line>,
) -> Result<Outcome, Reason> {
    let title = asked.frame.say(english, chinese);
    let page = Page {
        title,
        command: format!("bankhub dictionary {word}"),
        above: links(asked),
        columns,
        lines,
        filters: &[],
        next: None,
    };
    page.tell(asked)
}

/// The way from one dictionary to another.
fn links(asked: &Asked<'_>) -> Markup {
    html! {
        p {
            a href="/dictionaries" { (asked.frame.say("Merchant categories", "商户类别")) } " · "
            a href="/dictionaries/reasons" { (asked.frame.say("Reasons", "原因代码")) } " · "
            a href="/dictionaries/currencies" { (asked.frame.say("Currencies", "币种")) }
        }
    }
}
