//! A page with a table: for people, and for programs as CSV and as JSON.

use domain::Reason;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::answer::Asked;
use crate::pages::form::query;
use crate::pages::response::Outcome;

/// A value in a table.
pub(super) enum Cell {
    Text(String),
    /// With the path that it leads to.
    Link(String, String),
    Number(i64),
    /// That is kept up to date under this name.
    Live(String, String),
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Link(text, _) | Self::Live(text, _) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }

    fn in_file(&self) -> String {
        match self {
            // A number below zero is no formula.
            Self::Number(number) => number.to_string(),
            other => harmless(other.text()),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) | Self::Link(text, _) | Self::Live(text, _) => Value::from(text.as_str()),
            Self::Number(number) => Value::from(*number),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A row, and what can be done with it.
pub(super) struct Line {
    pub(super) cells: Vec<Cell>,
    pub(super) action: Option<Markup>,
}

impl From<Vec<Cell>> for Line {
    fn from(cells: Vec<Cell>) -> Self {
        Self { cells, action: None }
    }
}

/// The name of a column for programs, and in both languages.
pub(super) type Column = (&'static str, &'static str, &'static str);

/// A page of the console.
pub(super) struct Page {
    pub(super) title: &'static str,
    /// The same at the command line.
    pub(super) command: String,
    /// What stands above the table.
    pub(super) above: Markup,
    pub(super) columns: &'static [Column],
    pub(super) lines: Vec<Line>,
    /// The names of the filters in the query, which go along to the next page.
    pub(super) filters: &'static [&'static str],
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

impl Page {
    /// The answer in the form that was asked for.
    pub(super) fn tell(self, asked: &Asked<'_>) -> Result<Outcome, Reason> {
        match asked.query("format") {
            "csv" => self.csv(asked),
            "json" => Ok(self.json(asked)),
            "" | "html" => Ok(Outcome::Page(StatusCode::OK, asked.frame.page(self.title, &self.html(asked)))),
            _ => Err(Reason::FieldUnknown),
        }
    }

    fn file_name(asked: &Asked<'_>, extension: &str) -> String {
        // The path is one of those that are known, of letters, digits and hyphens.
        let name = asked.visit.path.trim_matches('/').replace('/', "-");
        format!("bankhub-{}.{extension}", if name.is_empty() { "overview" } else { &name })
    }

    fn csv(&self, asked: &Asked<'_>) -> Result<Outcome, Reason> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let fault = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a page of the console could not be written as CSV");
            Reason::Fault
        };
        writer.write_record(self.columns.iter().map(|(key, ..)| key)).map_err(|error| fault(&error))?;
        for line in &self.lines {
            writer.write_record(line.cells.iter().map(Cell::in_file)).map_err(|error| fault(&error))?;
        }
        let bytes = writer.into_inner().map_err(|error| fault(&error))?;
        Ok(Outcome::File("text/csv; charset=utf-8", Self::file_name(asked, "csv"), bytes))
    }

    fn json(&self, asked: &Asked<'_>) -> Outcome {
        let object = |line: &Line| -> Value {
            let pairs = self.columns.iter().zip(&line.cells);
            pairs.map(|((key, ..), cell)| ((*key).to_owned(), cell.json())).collect::<serde_json::Map<_, _>>().into()
        };
        let rows: Vec<Value> = self.lines.iter().map(object).collect();
        let value = serde_json::json!({ "rows": rows, "next_page_token": self.next });
        Outcome::File("application/json", Self::file_name(asked, "json"), value.to_string().into_bytes())
    }

    fn html(&self, asked: &Asked<'_>) -> Markup {
        let frame = &asked.frame;
        let values = |more: &[(&'static str, &str)]| {
            let kept = self.filters.iter().map(|name| (*name, asked.query(name)));
            let pairs: Vec<(&str, &str)> = kept.chain(more.iter().copied()).collect();
            format!("{}?{}", asked.visit.path, query(&pairs))
        };
        let page = asked.query("page");
        let has_action = self.lines.iter().any(|line| line.action.is_some());
        html! {
            (self.above)
            @if self.lines.is_empty() { p.empty role="status" { (frame.say("There is nothing.", "没有内容。")) } } @else {
                table {
                    caption { (self.title) }
                    thead { tr {
                        @for (_, english, chinese) in self.columns { th scope="col" { (frame.say(english, chinese)) } }
                        @if has_action { th scope="col" { (frame.say("Do", "操作")) } }
                    } }
                    tbody {
                        @for line in &self.lines {
                            tr {
                                @for (cell, (_, english, chinese)) in line.cells.iter().zip(self.columns) {
                                    td data-label=(frame.say(english, chinese)) { (shown(cell)) }
                                }
                                @if has_action { td { @if let Some(action) = &line.action { (action) } } }
                            }
                        }
                    }
                }
            }
            @if let Some(next) = &self.next {
                p { a.button rel="next" href=(values(&[("page", next)])) { (frame.say("Next page", "下一页")) } }
            }
            p.hint {
                (frame.say("The same at the command line: ", "命令行等价操作："))
                code { (self.command) }
                " · "
                a href=(values(&[("page", page), ("format", "csv")])) { "CSV" }
                " · "
                a href=(values(&[("page", page), ("format", "json")])) { "JSON" }
            }
        }
    }
}

fn shown(cell: &Cell) -> Markup {
    match cell {
        Cell::Text(text) => html! { (text) },
        Cell::Link(text, path) => html! { a href=(path) { (text) } },
        Cell::Live(text, name) => html! { span data-figure=(name) { (text) } },
        Cell::Number(number) => html! { span.number { (number) } },
    }
}

/// A text that no spreadsheet takes for a formula (OWASP, CSV injection).
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// A form of one button.
pub(super) fn button(
    asked: &Asked<'_>,
    path: &str,
    fields: &[(&str, &str)],
    words: (&'static str, &'static str),
) -> Markup {
    html! {
        form method="post" action=(path) {
            (asked.frame.mark())
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button.quiet type="submit" { (asked.frame.say(words.0, words.1)) }
        }
    }
}

/// A line of a form, with what stands in it.
pub(super) fn field(asked: &Asked<'_>, name: &str, words: (&'static str, &'static str), value: &str) -> Markup {
    html! {
        div {
            label for=(name) { (asked.frame.say(words.0, words.1)) }
            input id=(name) name=(name) type="text" maxlength="100" value=(value);
        }
    }
}

/// A form of filters: name, English, Chinese.
pub(super) fn filters(asked: &Asked<'_>, fields: &[(&'static str, &'static str, &'static str)]) -> Markup {
    html! {
        form.card.filters method="get" action=(asked.visit.path) {
            @for (name, english, chinese) in fields {
                (field(asked, name, (english, chinese), asked.query(name)))
            }
            div.actions { button type="submit" { (asked.frame.say("Search", "查询")) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn m9_no_cell_is_a_formula() {
        for (text, wanted) in [("=1+1", "'=1+1"), ("@x", "'@x"), ("-5", "'-5"), ("Noodles", "Noodles"), ("", "")] {
            assert_eq!(harmless(text.to_owned()), wanted);
        }
    }
}
