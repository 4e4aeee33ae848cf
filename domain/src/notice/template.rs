//! What a person's own template may be: text, values by name, and conditions on whether a value is there.
//!
//! It is a small part of Jinja, checked before anything renders it: nothing in it can repeat, compute or include, so that its longest
//! output follows from its length.

use super::{Field, NoticeKind};
use crate::Reason;

/// The longest template, in characters. It bounds an SMS together with [`super::Variables::MOST_CHARS`], and the renderer cuts the rest.
pub const MOST_TEMPLATE_CHARS: usize = 1_000;

/// How deep conditions may stand in each other.
const MOST_DEPTH: usize = 4;

/// Whether a template for this kind of notice may be saved. Allowed are `{{ field }}`, `{% if field %}`, `{% if not field %}`,
/// `{% elif … %}`, `{% else %}` and `{% endif %}`, with the fields of the kind and nothing more inside the braces.
pub fn check_template(kind: NoticeKind, text: &str) -> Result<(), Reason> {
    if text.trim().is_empty() || text.chars().take(MOST_TEMPLATE_CHARS + 1).count() > MOST_TEMPLATE_CHARS {
        return Err(Reason::TemplateMalformed);
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Reason::TemplateMalformed);
    }
    let mut open: Vec<Branch> = Vec::new();
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once('{') {
        let (inside, after) = match tail.chars().next() {
            Some('{') => tail.split_once("}}").ok_or(Reason::TemplateMalformed)?,
            Some('%') => tail.split_once("%}").ok_or(Reason::TemplateMalformed)?,
            // A comment, which nobody would see.
            Some('#') => return Err(Reason::TemplateMalformed),
            _ => {
                rest = tail;
                continue;
            }
        };
        // Between the braces there are names and spaces alone, so no text in quotes can hide the end from this reader.
        match inside.strip_prefix('%') {
            Some(statement) => check_statement(kind, statement, &mut open)?,
            None => check_field(kind, inside.strip_prefix('{').unwrap_or_default().trim())?,
        }
        rest = after;
    }
    if open.is_empty() { Ok(()) } else { Err(Reason::TemplateMalformed) }
}

/// Where a condition stands that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    If,
    Else,
}

fn check_statement(kind: NoticeKind, statement: &str, open: &mut Vec<Branch>) -> Result<(), Reason> {
    let words: Vec<&str> = statement.split(' ').filter(|word| !word.is_empty()).take(4).collect();
    match (words.as_slice(), open.last().copied()) {
        (["if", condition @ ..], _) if open.len() < MOST_DEPTH => {
            open.push(Branch::If);
            check_condition(kind, condition)
        }
        (["elif", condition @ ..], Some(Branch::If)) => check_condition(kind, condition),
        (["else"], Some(Branch::If)) => {
            open.pop();
            open.push(Branch::Else);
            Ok(())
        }
        (["endif"], Some(_)) => {
            open.pop();
            Ok(())
        }
        _ => Err(Reason::TemplateMalformed),
    }
}

fn check_condition(kind: NoticeKind, words: &[&str]) -> Result<(), Reason> {
    match words {
        [field] | ["not", field] => check_field(kind, field),
        _ => Err(Reason::TemplateMalformed),
    }
}

fn check_field(kind: NoticeKind, name: &str) -> Result<(), Reason> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase()) {
        return Err(Reason::TemplateMalformed);
    }
    let field = Field::parse(name).ok().filter(|field| kind.fields().contains(field));
    field.map(|_| ()).ok_or(Reason::TemplateFieldUnknown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn r6_a_template_names_fields_and_asks_whether_they_are_there() {
        for good in [
            "Charged: {{ amount }}",
            "{{amount}} at {{ merchant }}{% if place %} in {{ place }}{% endif %}.",
            "{% if message %}{{ message }}{% elif not place %}-{% else %}{{ bank }}{% endif %}",
            "消费{{ amount }}\n商户：{{ merchant }}",
            "No field at all; { and } and %} stand for themselves, }} too.",
            "<b>{{ amount }}</b>",
        ] {
            assert_eq!(check_template(NoticeKind::Charge, good), Ok(()), "{good}");
        }
    }

    #[test]
    fn r6_a_template_that_repeats_computes_includes_or_asks_for_what_is_not_there_is_refused() {
        for (bad, reason) in [
            ("{% for i in amount %}x{% endfor %}", Reason::TemplateMalformed),
            ("{% include 'x' %}", Reason::TemplateMalformed),
            ("{% extends 'x' %}", Reason::TemplateMalformed),
            ("{% import 'x' as y %}", Reason::TemplateMalformed),
            ("{% macro x() %}{% endmacro %}", Reason::TemplateMalformed),
            ("{% set amount = 1 %}", Reason::TemplateMalformed),
            ("{% raw %}{% endraw %}", Reason::TemplateMalformed),
            ("{% block x %}{% endblock %}", Reason::TemplateMalformed),
            ("{% call x() %}{% endcall %}", Reason::TemplateMalformed),
            ("{% filter upper %}x{% endfilter %}", Reason::TemplateMalformed),
            ("{% do x() %}", Reason::TemplateMalformed),
            ("{%for i in amount%}x{%endfor%}", Reason::TemplateMalformed),
            ("{%- if amount -%}x{%- endif -%}", Reason::TemplateMalformed),
            ("{{ amount * 1000000000 }}", Reason::TemplateMalformed),
            ("{{ 'x' * 1000000000 }}", Reason::TemplateMalformed),
            ("{{ '}}' }}", Reason::TemplateMalformed),
            ("{{ range(1000000) }}", Reason::TemplateMalformed),
            ("{{ amount | safe }}", Reason::TemplateMalformed),
            ("{{ amount.minor }}", Reason::TemplateMalformed),
            ("{{ amount[0] }}", Reason::TemplateMalformed),
            ("{{ [amount, amount] }}", Reason::TemplateMalformed),
            ("{{ }}", Reason::TemplateMalformed),
            ("{{ amount", Reason::TemplateMalformed),
            ("{{ amount }", Reason::TemplateMalformed),
            ("{{{ amount }}}", Reason::TemplateMalformed),
            ("{% if amount", Reason::TemplateMalformed),
            ("{% if %}x{% endif %}", Reason::TemplateMalformed),
            ("{% if amount and place %}x{% endif %}", Reason::TemplateMalformed),
            ("{% if amount %}x", Reason::TemplateMalformed),
            ("x{% endif %}", Reason::TemplateMalformed),
            ("{% else %}", Reason::TemplateMalformed),
            ("{% if amount %}{% else %}{% else %}{% endif %}", Reason::TemplateMalformed),
            ("{% if amount %}{% else %}{% elif place %}{% endif %}", Reason::TemplateMalformed),
            ("{# nobody sees this #}", Reason::TemplateMalformed),
            ("", Reason::TemplateMalformed),
            (" \n ", Reason::TemplateMalformed),
            ("Subject\r\nBcc: all@example.com", Reason::TemplateMalformed),
            ("a\u{0}b", Reason::TemplateMalformed),
            ("{{ AMOUNT }}", Reason::TemplateMalformed),
            ("{{ balance }}", Reason::TemplateFieldUnknown),
            ("{{ code }}", Reason::TemplateFieldUnknown),
            ("{% if phone %}x{% endif %}", Reason::TemplateFieldUnknown),
        ] {
            assert_eq!(check_template(NoticeKind::Charge, bad), Err(reason), "{bad}");
        }
        let nested = |depth: usize| format!("{}x{}", "{% if amount %}".repeat(depth), "{% endif %}".repeat(depth));
        assert_eq!(check_template(NoticeKind::Charge, &nested(4)), Ok(()));
        assert_eq!(check_template(NoticeKind::Charge, &nested(5)), Err(Reason::TemplateMalformed));
    }

    #[test]
    fn r6_a_template_has_a_thousand_characters_at_most() {
        let of = |chars| check_template(NoticeKind::Charge, &"费".repeat(chars));
        assert_eq!(of(1_000), Ok(()));
        assert_eq!(of(1_001), Err(Reason::TemplateMalformed));
        assert_eq!(of(1_000_000), Err(Reason::TemplateMalformed));
        assert_eq!(check_template(NoticeKind::Charge, &"{{ amount }}".repeat(100_000)), Err(Reason::TemplateMalformed));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_check(text in "[{}%# a-z\n']{0,80}|\\PC{0,200}") {
            let _ = check_template(NoticeKind::Charge, &text);
        }
    }
}
