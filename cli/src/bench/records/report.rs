//! The table of what was measured of records.

use std::time::Duration;

use serde_json::{Value, json};

use super::feeds::Fed;
use super::prices::{Compared, Published};
use super::queries::Asked;
use super::world::Part;
use crate::bench::report::{half_and_most, millis};
use crate::bench::rounds::median;
use crate::output::Output;

/// What was measured on one engine, and the disk under it.
#[derive(Debug)]
pub struct RecordsReport {
    pub flushes: f64,
    pub engine: EngineRecords,
}

/// A past as banks told it to one hub.
#[derive(Clone, Debug)]
pub struct Told {
    pub records: u64,
    pub person_months: u64,
    pub parts: Vec<Part>,
    /// The last hour, of which people are told.
    pub fresh: Part,
    /// How long the hub still worked on what is to be told of them.
    pub settled: Duration,
    /// How many, and how long it took.
    pub bills: (u64, Duration),
    /// How long it took to count everybody's.
    pub habits: Duration,
}

/// One engine's figures.
#[derive(Debug)]
pub struct EngineRecords {
    pub name: &'static str,
    pub told_small: Told,
    pub told: Told,
    pub published: Published,
    pub compared: Compared,
    pub asked: Vec<Asked>,
    pub fed: Fed,
}

impl Part {
    fn per_second(&self) -> f64 {
        self.records as f64 / self.elapsed.as_secs_f64()
    }

    /// The hub's CPU time for a record, in microseconds.
    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.records.max(1) as f64
    }
}

impl Told {
    fn median_of(&self, figure: impl Fn(&Part) -> f64) -> f64 {
        median(self.parts.iter().map(figure).collect())
    }

    fn of_last(&self, figure: impl Fn(&Part) -> f64) -> f64 {
        self.parts.last().map_or(0.0, figure)
    }

    fn to_empty_calls(&self) -> f64 {
        self.median_of(|part| part.per_second() / part.empty_calls_per_second)
    }
}

impl EngineRecords {
    fn growth_of_intake(&self) -> f64 {
        self.told.of_last(Part::cpu_micros) / self.told_small.median_of(Part::cpu_micros)
    }

    fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = self.intake_rows();
        rows.extend(self.asked.iter().flat_map(asked_rows));
        let Compared { latencies, told } = &self.compared;
        rows.extend([
            [
                format!("comparison of a purchase of 3 things, {} prices, p50 / p99", self.published.prices),
                format!("{} / {}", fine(latencies.quantile(0.5)), fine(latencies.quantile(0.99))),
            ],
            ["comparisons that found something to tell".to_owned(), format!("{told} of {}", latencies.count())],
        ]);
        rows.extend(fed_rows(&self.fed));
        rows
    }

    fn intake_rows(&self) -> Vec<[String; 2]> {
        let Told { records, person_months, bills: (bills, billed_in), habits, parts, fresh, settled } = &self.told;
        let row = |what: &str, value: String| [what.to_owned(), value];
        vec![
            row(
                &format!("records taken in a second, {records} of {person_months} person-months"),
                format!("{:.0}", self.told.median_of(Part::per_second)),
            ),
            row(
                "the same in each part of the past",
                parts.iter().map(|part| format!("{:.0}", part.per_second())).collect::<Vec<_>>().join(", "),
            ),
            row(
                "the same of purchases of the last hour, and seconds until all are followed",
                format!("{:.0}; {:.0}", fresh.per_second(), settled.as_secs_f64()),
            ),
            row(
                "empty mTLS calls a second, by the banks",
                format!("{:.0}", self.told.median_of(|it| it.empty_calls_per_second)),
            ),
            row("records ÷ empty calls", format!("{:.3}", self.told.to_empty_calls())),
            row(
                "hub: CPU a record, the last part and the small past",
                format!(
                    "{:.0} / {:.0} µs, × {:.2}",
                    self.told.of_last(Part::cpu_micros),
                    self.told_small.median_of(Part::cpu_micros),
                    self.growth_of_intake()
                ),
            ),
            row("bills taken in a second", format!("{:.0}", *bills as f64 / billed_in.as_secs_f64())),
            row("records counted into habits a second", format!("{:.0}", *records as f64 / habits.as_secs_f64())),
        ]
    }

    fn json(&self) -> Value {
        let part = |part: &Part| {
            json!({
                "records": part.records,
                "per_second": part.per_second(),
                "empty_calls_per_second": part.empty_calls_per_second,
                "hub_cpu_micros_per_record": part.cpu_micros(),
            })
        };
        let Told { records, person_months, bills: (bills, billed_in), habits, parts, fresh, settled } = &self.told;
        json!({
            "engine": self.name,
            "records": records,
            "person_months": person_months,
            "records_of_the_small_past": self.told_small.records,
            "records_per_second": self.told.median_of(Part::per_second),
            "records_to_empty_calls": self.told.to_empty_calls(),
            "hub_cpu_growth_of_intake": self.growth_of_intake(),
            "parts": parts.iter().map(part).collect::<Value>(),
            "last_hour": part(fresh),
            "last_hour_followed_after_seconds": settled.as_secs_f64(),
            "part_of_the_small_past": self.told_small.parts.iter().map(part).collect::<Value>(),
            "bills": bills,
            "bills_per_second": *bills as f64 / billed_in.as_secs_f64(),
            "records_counted_into_habits_per_second": *records as f64 / habits.as_secs_f64(),
            "questions": self.asked.iter().map(asked_json).collect::<Value>(),
            "prices": self.published.prices,
            "prices_published_per_second": self.published.prices as f64 / self.published.elapsed.as_secs_f64(),
            "comparison_p50_micros": self.compared.latencies.quantile(0.5).as_micros() as u64,
            "comparison_p99_micros": self.compared.latencies.quantile(0.99).as_micros() as u64,
            "comparisons_told": self.compared.told,
            "feeds": fed_json(&self.fed),
        })
    }
}

fn fine(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

fn asked_rows(asked: &Asked) -> [[String; 2]; 2] {
    let name = asked.question.name();
    let quantiles = |at: f64| {
        format!("{} / {}", fine(asked.small.latencies.quantile(at)), fine(asked.large.latencies.quantile(at)))
    };
    [
        [
            format!("{name}, small and large past: p50, p99"),
            format!("{}, {}, × {:.2}", quantiles(0.5), quantiles(0.99), asked.time_ratio()),
        ],
        [
            format!("{name}: CPU of the hub for one"),
            format!(
                "{:.0} / {:.0} µs, × {:.2}",
                asked.small.cpu_seconds() * 1e6,
                asked.large.cpu_seconds() * 1e6,
                asked.cpu_ratio()
            ),
        ],
    ]
}

fn asked_json(asked: &Asked) -> Value {
    let micros = |side: &super::queries::Answers, at| side.latencies.quantile(at).as_micros() as u64;
    json!({
        "question": asked.question.name(),
        "p50_micros_small": micros(&asked.small, 0.5),
        "p99_micros_small": micros(&asked.small, 0.99),
        "p50_micros": micros(&asked.large, 0.5),
        "p99_micros": micros(&asked.large, 0.99),
        "time_ratio": asked.time_ratio(),
        "hub_cpu_micros_small": asked.small.cpu_seconds() * 1e6,
        "hub_cpu_micros": asked.large.cpu_seconds() * 1e6,
        "cpu_ratio": asked.cpu_ratio(),
    })
}

fn fed_rows(fed: &Fed) -> [[String; 2]; 4] {
    let row = |what: String, value: String| [what, value];
    [
        row(
            format!("{} idle feeds, a TLS connection each: memory of the hub for one", fed.idle),
            format!("{:.1} KiB", per_feed(fed)),
        ),
        row(
            format!("phone payments a second with {} open feeds, at most and while it is measured", fed.open),
            format!("{:.0} / {:.0}", fed.peak_per_second, fed.paid_per_second),
        ),
        row("commit to the phone's charge at half the peak, p50 / p99".to_owned(), half_and_most(&fed.seen.fed)),
        row(
            "the same from APPROVED, p99; payments that were not approved".to_owned(),
            format!("{}; {}", millis(fed.seen.told.quantile(0.99)), fed.seen.failed),
        ),
    ]
}

fn per_feed(fed: &Fed) -> f64 {
    fed.idle_kib as f64 / fed.idle.max(1) as f64
}

fn fed_json(fed: &Fed) -> Value {
    json!({
        "idle": fed.idle,
        "idle_kib_per_feed": per_feed(fed),
        "open": fed.open,
        "peak_payments_per_second": fed.peak_per_second,
        "payments_per_second": fed.paid_per_second,
        "commit_to_feed_p50_micros": fed.seen.fed.quantile(0.5).as_micros() as u64,
        "commit_to_feed_p99_micros": fed.seen.fed.quantile(0.99).as_micros() as u64,
        "approved_to_feed_p99_micros": fed.seen.told.quantile(0.99).as_micros() as u64,
        "not_approved": fed.seen.failed,
    })
}

impl RecordsReport {
    pub fn print(&self, out: &Output) {
        let flushes = ["disk", "durable 4 KiB appends a second", &format!("{:.0}", self.flushes)].map(str::to_owned);
        let of_engine = |[what, value]: [String; 2]| vec![self.engine.name.to_owned(), what, value];
        let rows: Vec<_> =
            std::iter::once(flushes.to_vec()).chain(self.engine.rows().into_iter().map(of_engine)).collect();
        let value = json!({ "flushes_per_second": self.flushes, "engine": self.engine.json() });
        out.table(&["of", "what", "value"], &rows, &value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_intake_is_told_by_its_median_and_its_growth_by_its_last_part() {
        let part = |records: u64, seconds: u64, cpu_millis: u64| Part {
            records,
            elapsed: Duration::from_secs(seconds),
            cpu: Duration::from_millis(cpu_millis),
            empty_calls_per_second: 1_000.0,
        };
        let told = |parts: Vec<Part>| Told {
            records: parts.iter().map(|part| part.records).sum(),
            person_months: 10,
            fresh: part(1, 1, 1),
            settled: Duration::ZERO,
            parts,
            bills: (10, Duration::from_secs(2)),
            habits: Duration::from_secs(5),
        };
        let engine = EngineRecords {
            name: "SQLite",
            told_small: told(vec![part(100, 1, 10)]),
            // The machine is slow in the second part.
            told: told(vec![part(1_000, 1, 100), part(1_000, 10, 100), part(1_000, 2, 150)]),
            published: Published { prices: 7, elapsed: Duration::from_secs(1) },
            compared: Compared::default(),
            asked: Vec::new(),
            fed: Fed {
                idle: 10,
                idle_kib: 430,
                open: 3,
                peak_per_second: 200.0,
                paid_per_second: 100.0,
                seen: crate::bench::payments::Seen::default(),
            },
        };
        let rows: Vec<String> = engine.rows().iter().map(|row| row.join(" | ")).collect();
        for wanted in [
            "records taken in a second, 3000 of 10 person-months | 500",
            "the same in each part of the past | 1000, 100, 500",
            "records ÷ empty calls | 0.500",
            "hub: CPU a record, the last part and the small past | 150 / 100 µs, × 1.50",
            "10 idle feeds, a TLS connection each: memory of the hub for one | 43.0 KiB",
        ] {
            assert!(rows.contains(&wanted.to_owned()), "{wanted}: {rows:?}");
        }
        assert_eq!(engine.json()["records_to_empty_calls"], 0.5);
        assert_eq!(engine.json()["feeds"]["idle_kib_per_feed"], 43.0);
    }
}
