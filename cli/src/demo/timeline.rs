//! The timeline of the demo: who said what to whom, and when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::Money;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use server_kit::clock::Stopwatch;

use crate::output::{Output, Tone};

/// Who speaks or is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actor {
    name: String,
    tone: Tone,
}

impl Actor {
    pub(super) fn hub() -> Self {
        Self { name: "hub".to_owned(), tone: Tone::Hub }
    }

    pub(super) fn operator() -> Self {
        Self { name: "operator".to_owned(), tone: Tone::Operator }
    }

    pub(super) fn bank(name: &str) -> Self {
        Self { name: name.to_owned(), tone: Tone::Bank }
    }

    pub(super) fn till(name: &str) -> Self {
        Self { name: name.to_owned(), tone: Tone::Terminal }
    }

    pub(super) fn phone(owner: &str) -> Self {
        Self { name: format!("{owner}'s phone"), tone: Tone::Phone }
    }

    pub(super) fn person(name: &str) -> Self {
        Self { name: name.to_owned(), tone: Tone::Phone }
    }
}

/// The widest "from → to"; a wider one pushes its sentence to the right.
const ROUTE_WIDTH: usize = 33;

/// Prints what happens as it happens.
pub(super) struct Timeline {
    out: Output,
    watch: Stopwatch,
    bar: Option<ProgressBar>,
    /// How many there were.
    scenes: AtomicU64,
}

impl Timeline {
    pub(super) fn new(out: &Output, scenes: u64) -> Self {
        let bar = out.is_live().then(|| {
            let bar = ProgressBar::new(scenes);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:24} scene {pos} of {len}  {msg}") {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { out: out.clone(), watch: Stopwatch::start(), bar, scenes: AtomicU64::new(0) }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }

    /// Lines go above the progress bar.
    fn print(&self, text: &str, value: &serde_json::Value) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.out.event(text, value)),
            None => self.out.event(text, value),
        }
    }

    /// A new scene begins.
    pub(super) fn scene(&self, title: &str) {
        let number = self.scenes.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if let Some(bar) = &self.bar {
            bar.set_position(number);
            bar.set_message("");
        }
        let heading = self.out.paint(Tone::Strong, &format!("\n{number:>2}  {title}"));
        self.print(&heading, &json!({ "scene": number, "title": title }));
    }

    /// Somebody says something to somebody.
    pub(super) fn say(&self, from: &Actor, to: &Actor, sentence: &str) {
        let (at, pad) = (clock(self.elapsed()), padding(&from.name, &to.name));
        let text = format!(
            "{}  {} → {}{pad}  {sentence}",
            self.out.paint(Tone::Quiet, &at),
            self.out.paint(from.tone, &from.name),
            self.out.paint(to.tone, &to.name),
        );
        self.print(&text, &json!({ "at": at, "from": from.name, "to": to.name, "text": sentence }));
    }

    /// Something happens to somebody.
    pub(super) fn happens(&self, whom: &Actor, sentence: &str) {
        let at = clock(self.elapsed());
        let pad = " ".repeat(ROUTE_WIDTH.saturating_sub(whom.name.chars().count()));
        let text = format!(
            "{}  {}{pad}  {sentence}",
            self.out.paint(Tone::Quiet, &at),
            self.out.paint(whom.tone, &whom.name),
        );
        self.print(&text, &json!({ "at": at, "whom": whom.name, "text": sentence }));
    }

    /// What is being waited for, for whoever watches.
    pub(super) fn waiting(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    pub(super) fn good(&self, text: &str) -> String {
        self.out.paint(Tone::Good, text)
    }

    pub(super) fn quiet(&self, text: &str) -> String {
        self.out.paint(Tone::Quiet, text)
    }

    pub(super) fn bad(&self, text: &str) -> String {
        self.out.paint(Tone::Bad, text)
    }

    /// The progress bar goes away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Minutes, seconds and milliseconds since the beginning.
fn clock(elapsed: Duration) -> String {
    format!("{:02}:{:02}.{:03}", elapsed.as_secs() / 60, elapsed.as_secs() % 60, elapsed.subsec_millis())
}

/// What brings sentences under each other.
fn padding(from: &str, to: &str) -> String {
    let width = from.chars().count().saturating_add(to.chars().count()).saturating_add(3);
    " ".repeat(ROUTE_WIDTH.saturating_sub(width))
}

/// An amount as a person writes it: ¥1,234.50 for yuan, and with the code for other currencies.
pub(super) fn yuan(amount: Money) -> String {
    let text = amount.to_string();
    let Some(number) = text.strip_suffix(" CNY") else { return text };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "00"));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && digits.len().saturating_sub(i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}¥{grouped}.{decimals}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use domain::Currency;

    use super::*;
    use crate::output::Format;

    fn printed(format: Format, play: impl FnOnce(&Timeline)) -> String {
        let text = Arc::new(Mutex::new(String::new()));
        let sink = text.clone();
        let out = Output::captured(format, move |line| sink.lock().unwrap().push_str(line));
        play(&Timeline::new(&out, 3));
        let text = text.lock().unwrap();
        text.clone()
    }

    #[test]
    fn sentences_stand_under_each_other_after_time_and_route() {
        let text = printed(Format::Table, |timeline| {
            timeline.scene("Opening");
            timeline.say(&Actor::till("Noodle House"), &Actor::hub(), "wants ¥36.80");
            timeline.say(&Actor::hub(), &Actor::phone("Lin Mei"), "your code is ******");
            timeline.happens(&Actor::bank("Bank B"), "is killed");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], " 1  Opening");
        let column = |line: &str, word: &str| line[..line.find(word).unwrap()].chars().count();
        assert_eq!(column(lines[2], "wants"), column(lines[3], "your"));
        assert_eq!(column(lines[2], "wants"), column(lines[4], "is killed"));
        assert!(lines[2].contains("Noodle House → hub"), "{text}");
    }

    #[test]
    fn programs_get_one_document_a_line() {
        let text = printed(Format::Json, |timeline| {
            timeline.say(&Actor::operator(), &Actor::hub(), "registers a bank");
        });
        let value: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((value["from"].as_str(), value["to"].as_str()), (Some("operator"), Some("hub")));
    }

    #[test]
    fn times_and_amounts_are_written_for_people() {
        assert_eq!(clock(Duration::from_millis(83_045)), "01:23.045");
        let written = |minor| yuan(Money::new(Currency::CNY, minor));
        assert_eq!(written(3680), "¥36.80");
        assert_eq!(written(123_456_700), "¥1,234,567.00");
        assert_eq!(written(-5), "-¥0.05");
        assert_eq!(yuan(Money::new(Currency::parse("JPY").unwrap(), 1250)), "1250 JPY");
    }
}
