//! Making words of values.

use std::collections::BTreeMap;

use domain::notice::{FieldValue, Language, NoticeKind, Variables};
use domain::{Currency, Money, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

/// The longest text of a letter, in characters. Ten fields of the longest text would make more; nobody reads that.
const MOST_CHARS: usize = 2_000;
/// Instructions of the renderer; a template of the greatest length has no more parts than characters.
const FUEL: u64 = 20_000;

/// The page that an e-mail's text stands in. Everything that comes from outside goes through the renderer's escaping.
const PAGE: &str = r#"<!doctype html>
<html lang="{{ language }}">
<head><meta charset="utf-8"><title>{{ subject }}</title></head>
<body style="font-family: sans-serif; font-size: 16px; line-height: 1.5; color: #222; max-width: 36em">
{% for line in lines %}<p>{{ line }}</p>
{% endfor %}</body>
</html>
"#;

/// A template cannot be rendered. It does not say more: what the renderer says may quote what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a template cannot be rendered")]
pub(super) struct Unrenderable;

/// The text of a notice.
pub(super) fn text(
    template: &str,
    kind: NoticeKind,
    language: Language,
    zone: &TimeZone,
    said: &Variables,
) -> Result<String, Unrenderable> {
    // Every field of the kind is there, if only as an empty text, which is as good as false.
    let values: BTreeMap<&str, Value> = kind
        .fields()
        .iter()
        .map(|field| {
            let shown = said.get(*field).map(|value| show(value, language, zone)).unwrap_or_default();
            (field.name(), Value::from(shown))
        })
        .collect();
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    let text = environment.render_str(template, Value::from(values)).map_err(|_| Unrenderable)?;
    Ok(text.trim().chars().take(MOST_CHARS).collect())
}

/// The same as a page, for e-mail.
pub(super) fn page(text: &str, subject: &str, language: Language) -> Result<String, Unrenderable> {
    let lines: Vec<Value> = text.lines().filter(|line| !line.trim().is_empty()).map(Value::from).collect();
    let values = BTreeMap::from([
        ("language", Value::from(language.name())),
        ("subject", Value::from(subject)),
        ("lines", Value::from(lines)),
    ]);
    let mut environment = Environment::empty();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.render_str(PAGE, Value::from(values)).map_err(|_| Unrenderable)
}

fn show(value: &FieldValue, language: Language, zone: &TimeZone) -> String {
    match (value, language) {
        (FieldValue::Text(text), _) => one_line(text),
        (FieldValue::Words { chinese, .. }, Language::Chinese) => one_line(chinese),
        (FieldValue::Words { english, .. }, Language::English) => one_line(english),
        (FieldValue::Money(money), language) => show_money(*money, language),
        (FieldValue::Time(time), language) => show_time(*time, language, zone),
        (FieldValue::Day(day), language) => show_day(*day, language),
    }
}

/// Values have no say in how the text is laid out.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn show_money(money: Money, language: Language) -> String {
    let text = money.to_string();
    match (language, text.strip_suffix(" CNY")) {
        (Language::Chinese, Some(amount)) if money.currency == Currency::CNY => format!("{amount}元"),
        _ => text,
    }
}

fn show_time(time: Timestamp, language: Language, zone: &TimeZone) -> String {
    let Ok(instant) = jiff::Timestamp::from_microsecond(time.micros()) else { return String::new() };
    let local = zone.to_datetime(instant);
    let form = match language {
        Language::Chinese => "%-m月%-d日%H:%M",
        Language::English => "%-d %b, %H:%M",
    };
    local.strftime(form).to_string()
}

fn show_day(day: Date, language: Language) -> String {
    let form = match language {
        Language::Chinese => "%-m月%-d日",
        Language::English => "%-d %b %Y",
    };
    day.strftime(form).to_string()
}

/// What a preview speaks of.
pub(super) fn example(kind: NoticeKind) -> Variables {
    use domain::notice::Field;
    // 1 March 2026, 12:30 in Shanghai.
    let now = Timestamp::from_secs(1_772_339_400);
    kind.fields().iter().fold(Variables::new(), |said, field| match field {
        Field::Code => said.with_text(*field, "123456"),
        Field::Amount => said.with_money(*field, Money::new(Currency::CNY, 1_250)),
        Field::Minimum => said.with_money(*field, Money::new(Currency::CNY, 500)),
        Field::Merchant => said.with_text(*field, "老王面馆"),
        Field::Place => said.with_text(*field, "上海西门"),
        Field::Bank => said.with_text(*field, "第一银行"),
        Field::Card => said.with_text(*field, "****4821"),
        Field::Time => said.with_time(*field, now),
        Field::Until => said.with_time(*field, now.plus(std::time::Duration::from_secs(180))),
        Field::Due => said.with(*field, FieldValue::Day(jiff::civil::date(2026, 3, 21))),
        Field::Subject => {
            said.with(*field, FieldValue::Words { chinese: "示例".to_owned(), english: "an example".to_owned() })
        }
        Field::Message => said.with_text(*field, "……"),
    })
}

#[cfg(test)]
mod tests {
    use domain::notice::{Field, check_template};

    use super::super::words::{default_template, subject};
    use super::*;
    use crate::zone::Zone;

    fn rendered(template: &str, said: &Variables) -> String {
        text(template, NoticeKind::Charge, Language::English, Zone::shanghai().rules(), said).unwrap()
    }

    #[test]
    fn r6_every_kind_has_words_in_both_languages_that_hold_to_the_rules_of_templates() {
        for kind in NoticeKind::ALL {
            for language in Language::ALL {
                let template = default_template(*kind, *language);
                assert_eq!(check_template(*kind, template), Ok(()), "{kind:?} {language:?}");
                let shown = text(template, *kind, *language, Zone::shanghai().rules(), &example(*kind)).unwrap();
                assert!(!shown.is_empty() && !shown.contains(['{', '}', '%']), "{shown}");
                let bare = text(template, *kind, *language, Zone::shanghai().rules(), &Variables::new()).unwrap();
                assert!(!bare.contains('{'), "{bare}");
                assert!(!subject(*kind, *language).is_empty());
            }
        }
    }

    #[test]
    fn r6_a_charge_is_told_in_the_persons_language_and_by_their_clocks() {
        let said = example(NoticeKind::Charge);
        let of = |language, zone: &str| {
            let template = default_template(NoticeKind::Charge, language);
            text(template, NoticeKind::Charge, language, Zone::parse(zone).unwrap().rules(), &said).unwrap()
        };
        assert_eq!(
            of(Language::Chinese, "Asia/Shanghai"),
            "您的第一银行****4821于3月1日12:30在老王面馆（上海西门）支出12.50元。\n……"
        );
        assert_eq!(
            of(Language::English, "America/New_York"),
            "12.50 CNY paid at 老王面馆, 上海西门, 28 Feb, 23:30, with 第一银行 ****4821.\n……"
        );
    }

    #[test]
    fn a_value_is_never_read_as_a_template_and_lays_out_nothing() {
        let said = Variables::new().with_text(Field::Merchant, "{{ amount }}{% for %}\r\nBcc: x\u{1b}[31m");
        assert_eq!(rendered("at {{ merchant }}", &said), "at {{ amount }}{% for %}  Bcc: x [31m");
    }

    #[test]
    fn r6_markup_in_a_mail_is_text() {
        let said = Variables::new().with_text(Field::Merchant, "<script>alert(1)</script>\" onload='x'&");
        let text = rendered("<img src=x>\n{{ merchant }}", &said);
        let page = page(&text, "</title><b>", Language::English).unwrap();
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"), "{page}");
        assert!(page.contains("&lt;img src=x&gt;</p>"), "{page}");
        assert!(page.contains("&lt;script&gt;") && page.contains("&amp;"), "{page}");
    }

    #[test]
    fn r6_what_a_template_makes_has_an_end() {
        let said = Variables::new().with_text(Field::Message, &"长".repeat(500));
        let template = "{{ message }}".repeat(76);
        assert_eq!(check_template(NoticeKind::Charge, &template), Ok(()));
        assert_eq!(rendered(&template, &said).chars().count(), MOST_CHARS);
        // What the check refuses, the renderer would not survive for long either.
        let burning = "{% for a in 'aaaaaaaaaa' %}{% for b in 'aaaaaaaaaa' %}".repeat(5) + &"{% endfor %}".repeat(10);
        let burnt = text(&burning, NoticeKind::Charge, Language::English, Zone::shanghai().rules(), &said);
        assert_eq!(burnt, Err(Unrenderable));
        assert_eq!(
            text("{{ phone }}", NoticeKind::Charge, Language::English, Zone::shanghai().rules(), &said),
            Err(Unrenderable)
        );
    }
}
