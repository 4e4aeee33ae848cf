//! The table that the bench prints.

use std::time::Duration;

use serde_json::json;

use super::growth::Growth;
use super::latency::Latencies;
use super::rounds::{ProcessUsage, Rounds};
use crate::output::Output;

/// Everything that was measured.
#[derive(Debug)]
pub struct Report {
    pub flushes: f64,
    pub engines: Vec<EngineReport>,
    pub payers: usize,
    pub in_flight: usize,
}

/// One engine's figures.
#[derive(Debug)]
pub struct EngineReport {
    pub name: &'static str,
    pub rounds: Rounds,
    /// What a past changes, if one was filled in.
    pub growth: Option<Growth>,
}

pub(super) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// The latencies that half and 99 % of the calls did not pass.
pub(super) fn half_and_most(latencies: &Latencies) -> String {
    format!("{} / {}", millis(latencies.quantile(0.5)), millis(latencies.quantile(0.99)))
}

impl Report {
    pub fn print(&self, out: &Output) {
        let mut rows =
            vec![vec!["disk".to_owned(), "durable 4 KiB appends a second".to_owned(), format!("{:.0}", self.flushes)]];
        let mut row = |of: &str, what: &str, value: String| rows.push(vec![of.to_owned(), what.to_owned(), value]);
        for engine in &self.engines {
            let rounds = &engine.rounds;
            row(
                engine.name,
                &format!("empty mTLS calls a second, {} in flight", self.in_flight),
                format!("{:.0}", rounds.empty_calls_per_second()),
            );
            row(
                engine.name,
                &format!("phone payments a second, {} payers", self.payers),
                format!("{:.0}", rounds.payments_per_second()),
            );
            row(engine.name, "payments ÷ (empty calls ÷ 3)", format!("{:.3}", rounds.to_a_third_of_empty_calls()));
            row(
                engine.name,
                "the calls of a payment, empty, over its connections, a second",
                format!("{:.0}", rounds.bare_payments_per_second()),
            );
            row(engine.name, "payments ÷ those", format!("{:.3}", rounds.to_bare_payments()));
            if let (Some(tps), Some(ratio)) = (rounds.tpcb_tps(), rounds.to_tpcb()) {
                row(engine.name, "pgbench TPC-B, 8 clients, tps", format!("{tps:.0}"));
                row(engine.name, "payments ÷ pgbench tps", format!("{ratio:.3}"));
            }
            let seen = &rounds.seen;
            row(engine.name, "first request to APPROVED, p50 / p99", half_and_most(&seen.approved));
            row(engine.name, "APPROVED to the phone's charge, p50 / p99", half_and_most(&seen.told));
            row(engine.name, "payments that were not approved", seen.failed.to_string());
            let processes = process_rows("", &rounds.processes);
            for [what, value] in processes.into_iter().chain(card_rows(rounds, self.payers)) {
                row(engine.name, &what, value);
            }
            for [what, value] in engine.growth.iter().flat_map(growth_rows) {
                row(engine.name, &what, value);
            }
        }
        out.table(&["of", "what", "value"], &rows, &self.json());
    }

    fn json(&self) -> serde_json::Value {
        let engines: Vec<_> = self
            .engines
            .iter()
            .map(|engine| {
                let rounds = &engine.rounds;
                json!({
                    "engine": engine.name,
                    "empty_calls_per_second": rounds.empty_calls_per_second(),
                    "payments_per_second": rounds.payments_per_second(),
                    "payments_to_a_third_of_empty_calls": rounds.to_a_third_of_empty_calls(),
                    "bare_payments_per_second": rounds.bare_payments_per_second(),
                    "payments_to_bare_payments": rounds.to_bare_payments(),
                    "pgbench_tps": rounds.tpcb_tps(),
                    "payments_to_pgbench": rounds.to_tpcb(),
                    "approved_p50_micros": rounds.seen.approved.quantile(0.5).as_micros() as u64,
                    "approved_p99_micros": rounds.seen.approved.quantile(0.99).as_micros() as u64,
                    "told_p50_micros": rounds.seen.told.quantile(0.5).as_micros() as u64,
                    "told_p99_micros": rounds.seen.told.quantile(0.99).as_micros() as u64,
                    "not_approved": rounds.seen.failed,
                    "processes": processes_json(&rounds.processes),
                    "cards": cards_json(rounds),
                    "growth": engine.growth.as_ref().map(growth_json),
                })
            })
            .collect();
        json!({ "flushes_per_second": self.flushes, "engines": engines })
    }
}

fn process_rows(before: &str, processes: &[ProcessUsage]) -> Vec<[String; 2]> {
    let row = |process: &ProcessUsage| {
        let (cpu, peak) = (process.cpu_per_payment.as_secs_f64() * 1e6, process.peak_kib / 1024);
        [format!("{before}{}: CPU a payment, peak memory", process.name), format!("{cpu:.0} µs, {peak} MiB")]
    };
    processes.iter().map(row).collect()
}

fn card_rows(rounds: &Rounds, payers: usize) -> Vec<[String; 2]> {
    let seen = &rounds.seen_with_cards;
    let row = |what: &str, value: String| [what.to_owned(), value];
    let mut rows = vec![
        row(&format!("card payments a second, {payers} payers"), format!("{:.0}", rounds.card_payments_per_second())),
        row("card payments ÷ phone payments", format!("{:.3}", rounds.cards_to_phones())),
        row("card, request to APPROVED, p50 / p99", half_and_most(&seen.approved)),
        row("card, APPROVED to the phone's charge, p50 / p99", half_and_most(&seen.told)),
        row("card payments that were not approved", seen.failed.to_string()),
    ];
    rows.extend(process_rows("card, ", &rounds.processes_with_cards));
    rows
}

fn processes_json(processes: &[ProcessUsage]) -> serde_json::Value {
    let value = |process: &ProcessUsage| {
        json!({
            "process": process.name,
            "cpu_micros_per_payment": process.cpu_per_payment.as_secs_f64() * 1e6,
            "peak_kib": process.peak_kib,
        })
    };
    processes.iter().map(value).collect()
}

fn cards_json(rounds: &Rounds) -> serde_json::Value {
    let seen = &rounds.seen_with_cards;
    json!({
        "payments_per_second": rounds.card_payments_per_second(),
        "to_phone_payments": rounds.cards_to_phones(),
        "approved_p50_micros": seen.approved.quantile(0.5).as_micros() as u64,
        "approved_p99_micros": seen.approved.quantile(0.99).as_micros() as u64,
        "told_p50_micros": seen.told.quantile(0.5).as_micros() as u64,
        "told_p99_micros": seen.told.quantile(0.99).as_micros() as u64,
        "not_approved": seen.failed,
        "processes": processes_json(&rounds.processes_with_cards),
    })
}

fn growth_rows(growth: &Growth) -> [[String; 2]; 4] {
    let Growth { stored, filled_in, without, with, payments_ratio } = growth;
    let row = |what: String, value: String| [what, value];
    let fine = |page: Duration| format!("{:.2}", page.as_secs_f64() * 1000.0);
    let (short, long) = (fine(without.page), fine(with.page));
    [
        row(format!("{stored} payments stored by the filling, seconds"), format!("{:.0}", filled_in.as_secs_f64())),
        row(
            "phone payments a second, without and with them, in turn".to_owned(),
            format!("{:.0} / {:.0}", without.payments_per_second, with.payments_per_second),
        ),
        row("payments with them ÷ without, median of the rounds".to_owned(), format!("{payments_ratio:.3}")),
        row(
            "a page of a person's payments without and with them, p50".to_owned(),
            format!("{short} / {long} ms, × {:.2}", growth.page_ratio()),
        ),
    ]
}

fn growth_json(growth: &Growth) -> serde_json::Value {
    json!({
        "stored": growth.stored,
        "filled_in_seconds": growth.filled_in.as_secs_f64(),
        "payments_per_second_without": growth.without.payments_per_second,
        "payments_per_second_with": growth.with.payments_per_second,
        "payments_ratio": growth.payments_ratio,
        "page_p50_micros_without": growth.without.page.as_micros() as u64,
        "page_p50_micros_with": growth.with.page.as_micros() as u64,
        "page_ratio": growth.page_ratio(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::payments::Seen;
    use super::*;

    #[test]
    fn cards_are_told_beside_phones() {
        let mut seen = Seen { failed: 3, ..Seen::default() };
        seen.approved.record(Duration::from_millis(10));
        let hub =
            ProcessUsage { name: "hub-1".to_owned(), cpu_per_payment: Duration::from_micros(136), peak_kib: 2048 };
        let mut rounds = Rounds::default();
        rounds.seen_with_cards = seen;
        rounds.processes_with_cards.push(hub);
        let rows: Vec<String> = card_rows(&rounds, 7).iter().map(|row| row.join(" | ")).collect();
        for told in [
            "card payments a second, 7 payers | 0",
            "card, request to APPROVED, p50 / p99 | 10.",
            "card payments that were not approved | 3",
            "card, hub-1: CPU a payment, peak memory | 136 µs, 2 MiB",
        ] {
            assert!(rows.iter().any(|row| row.starts_with(told)), "{told}: {rows:?}");
        }
        assert_eq!(cards_json(&rounds)["not_approved"], 3);
        assert_eq!(cards_json(&rounds)["processes"][0]["peak_kib"], 2048);
    }
}
