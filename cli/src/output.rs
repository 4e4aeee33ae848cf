//! Everything that is printed. Standard output is for what was asked for; what is only of interest meanwhile, and errors, go
//! to standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, LineStyle, Table, presets};
use serde_json::Value;

/// How results look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document, for programs.
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    fn is_on(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

/// What a piece of text is, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Quiet,
    Strong,
    Good,
    Bad,
    Hub,
    Bank,
    Terminal,
    Phone,
    Operator,
}

impl Tone {
    fn style(self) -> Style {
        let color = |color: AnsiColor| color.on_default();
        match self {
            Self::Plain => Style::new(),
            Self::Quiet => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
            Self::Good => color(AnsiColor::Green),
            Self::Bad => color(AnsiColor::Red).bold(),
            Self::Hub => color(AnsiColor::Cyan),
            Self::Bank => color(AnsiColor::Yellow),
            Self::Terminal => color(AnsiColor::Magenta),
            Self::Phone => color(AnsiColor::Blue),
            Self::Operator => color(AnsiColor::White),
        }
    }
}

/// The mark of what is well in a table.
pub const GOOD: &str = "✓";
/// The mark of what is not.
pub const BAD: &str = "✗";

/// Where lines go.
type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// The one door to standard output and standard error.
#[derive(Clone)]
pub struct Output {
    format: Format,
    color: bool,
    is_terminal: bool,
    out: Sink,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("format", &self.format).field("color", &self.color).finish_non_exhaustive()
    }
}

impl Output {
    pub fn new(format: Format, color: Color) -> Self {
        let is_terminal = io::stdout().is_terminal();
        // Whoever reads may stop reading, as `head` does; that is no error of ours.
        let out = |text: &str| {
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        };
        Self { format, color: color.is_on(is_terminal), is_terminal, out: Arc::new(out) }
    }

    /// Output that is handed to `sink`, without colour, for tests.
    pub fn captured(format: Format, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { format, color: false, is_terminal: false, out: Arc::new(sink) }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether a person looks at a terminal, so that progress can be shown.
    pub fn is_live(&self) -> bool {
        self.is_terminal && !self.is_json()
    }

    /// The text in its look, if there is colour.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let style = tone.style();
        if self.color && tone != Tone::Plain { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// One line for people; nothing when the output is for programs.
    pub fn line(&self, text: &str) {
        if !self.is_json() {
            (self.out)(&format!("{text}\n"));
        }
    }

    /// One line in either format, for things that are streamed: text for people, one JSON document a line for programs.
    pub fn event(&self, text: &str, value: &Value) {
        (self.out)(&if self.is_json() { format!("{value}\n") } else { format!("{text}\n") });
    }

    /// Text exactly as it is, such as a completion script.
    pub fn raw(&self, text: &str) {
        (self.out)(text);
    }

    /// A result: a table for people, or the value for programs.
    pub fn table(&self, headers: &[&str], rows: &[Vec<String>], value: &Value) {
        if self.is_json() {
            (self.out)(&pretty(value));
            return;
        }
        let width = if self.is_terminal { terminal_width() } else { None };
        (self.out)(&format!("{}\n", self.marked(&grid(headers, rows, width))));
    }

    /// Colours the marks of a finished table, whose columns are measured without colour.
    fn marked(&self, table: &str) -> String {
        if !self.color {
            return table.to_owned();
        }
        let good = self.paint(Tone::Good, GOOD);
        table.replace(GOOD, &good).replace(BAD, &self.paint(Tone::Bad, BAD))
    }

    /// One thing with its fields: a table of two columns, or the value for programs.
    pub fn record(&self, fields: &[(&str, String)], value: &Value) {
        let rows: Vec<Vec<String>> = fields
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| vec![(*name).to_owned(), text.clone()])
            .collect();
        self.table(&[], &rows, value);
    }

    /// An error, in either format, on standard error.
    pub fn error(&self, text: &str, reason: Option<&str>) {
        let mut stderr = io::stderr().lock();
        let line = if self.is_json() {
            serde_json::json!({ "error": text, "reason": reason }).to_string()
        } else {
            let style = Tone::Bad.style();
            let color = self.color && io::stderr().is_terminal();
            if color { format!("{style}error:{style:#} {text}") } else { format!("error: {text}") }
        };
        let _ = writeln!(stderr, "{line}");
    }

    /// A remark on standard error, for people only.
    pub fn note(&self, text: &str) {
        if !self.is_json() {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()))
}

fn terminal_width() -> Option<u16> {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col).filter(|columns| *columns > 20)
}

/// Cells hold no colour. Without a width lines are as long as they are, for whoever reads from a pipe.
fn grid(headers: &[&str], rows: &[Vec<String>], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    if !headers.is_empty() {
        table.set_header(headers.iter().copied());
    }
    for row in rows {
        table.add_row(row.iter().map(String::as_str));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;

    fn printed(format: Format, print: impl FnOnce(&Output)) -> String {
        let text = Arc::new(Mutex::new(String::new()));
        let sink = text.clone();
        print(&Output::captured(format, move |line| sink.lock().unwrap().push_str(line)));
        let text = text.lock().unwrap();
        text.clone()
    }

    #[test]
    fn programs_get_one_json_document_and_people_a_table() {
        let print = |out: &Output| {
            out.line("Two banks.");
            out.table(&["bank"], &[vec!["bank-a".to_owned()]], &json!([{ "bank": "bank-a" }]));
        };
        assert_eq!(printed(Format::Json, print), "[\n  {\n    \"bank\": \"bank-a\"\n  }\n]\n");
        let table = printed(Format::Table, print);
        assert!(table.starts_with("Two banks.\n") && table.contains("bank-a"), "{table}");
    }

    #[test]
    fn without_colour_text_stays_as_it_is() {
        assert!(!Color::Never.is_on(true) && Color::Always.is_on(false) && !Color::Auto.is_on(false));
        let out = Output::captured(Format::Table, |_| {});
        assert_eq!(out.paint(Tone::Bad, "no"), "no");
    }
}
