//! What is compared is measured in turn, a little at a time, and the medians are told: whatever else the machine does meanwhile slows
//! one as much as the other.

use std::time::Duration;

use super::contest::ROUNDS;
use super::payments::{Means, Seen};
use super::postgres::Tpcb;
use super::scene::Scene;
use super::usage::Usage;
use super::{BenchError, BenchOptions, WARM_UP, ceiling};

/// One engine's rounds.
#[derive(Debug, Default)]
pub struct Rounds {
    rounds: Vec<Round>,
    /// What the payers of all rounds saw, with their phones.
    pub seen: Seen,
    /// The same with their cards.
    pub seen_with_cards: Seen,
    /// What phone payments used.
    pub processes: Vec<ProcessUsage>,
    /// The same of card payments.
    pub processes_with_cards: Vec<ProcessUsage>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    empty_calls_per_second: f64,
    bare_payments_per_second: f64,
    payments_per_second: f64,
    card_payments_per_second: f64,
    tpcb_tps: Option<f64>,
}

/// What one process used.
#[derive(Debug)]
pub struct ProcessUsage {
    pub name: String,
    pub cpu_per_payment: Duration,
    pub peak_kib: u64,
}

impl Rounds {
    pub fn empty_calls_per_second(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.empty_calls_per_second).collect())
    }

    /// How often a second the calls of a payment are made without what is in them, each over the connection that a payment takes.
    pub fn bare_payments_per_second(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.bare_payments_per_second).collect())
    }

    /// Payments as a share of those of the same round.
    pub fn to_bare_payments(&self) -> f64 {
        let ratio = |round: &Round| round.payments_per_second / round.bare_payments_per_second;
        median(self.rounds.iter().map(ratio).collect())
    }

    pub fn payments_per_second(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.payments_per_second).collect())
    }

    pub fn card_payments_per_second(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.card_payments_per_second).collect())
    }

    /// Card payments as a multiple of the phone payments of the same round.
    pub fn cards_to_phones(&self) -> f64 {
        let ratio = |round: &Round| round.card_payments_per_second / round.payments_per_second;
        median(self.rounds.iter().map(ratio).collect())
    }

    pub fn tpcb_tps(&self) -> Option<f64> {
        self.rounds.iter().map(|round| round.tpcb_tps).collect::<Option<Vec<f64>>>().map(median)
    }

    /// Payments as a share of a third of the empty calls of the same round.
    pub fn to_a_third_of_empty_calls(&self) -> f64 {
        let ratio = |round: &Round| round.payments_per_second / (round.empty_calls_per_second / 3.0);
        median(self.rounds.iter().map(ratio).collect())
    }

    /// Payments as a share of pgbench's transactions in the same round.
    pub fn to_tpcb(&self) -> Option<f64> {
        let ratio = |round: &Round| Some(round.payments_per_second / round.tpcb_tps?);
        self.rounds.iter().map(ratio).collect::<Option<Vec<f64>>>().map(median)
    }
}

/// Measures empty calls, payments with phones, payments with cards and, if there is one, pgbench in turn.
pub async fn measure(scene: &mut Scene, tpcb: Option<&Tpcb>, options: &BenchOptions) -> Result<Rounds, BenchError> {
    let span = options.span / ROUNDS;
    scene.pay(Means::Card, WARM_UP).await?;
    scene.pay(Means::Phone, WARM_UP).await?;
    let mut measured = Rounds::default();
    let (mut used, mut used_with_cards) = (Vec::new(), Vec::new());
    let connections = scene.connections()?;
    ceiling::run_bare(&connections, WARM_UP).await?;
    for _ in 0..ROUNDS {
        let (empty_calls_per_second, _) = ceiling::run(&scene.channels, options.in_flight, span).await?;
        let bare_payments_per_second = ceiling::run_bare(&connections, span).await?;
        let before = scene.usages();
        let (seen, elapsed) = scene.pay(Means::Phone, span).await?;
        let between = scene.usages();
        let (seen_with_cards, elapsed_with_cards) = scene.pay(Means::Card, span).await?;
        add_usages(&mut used, &before, &between);
        add_usages(&mut used_with_cards, &between, &scene.usages());
        let tpcb_tps = match tpcb {
            Some(tpcb) => Some(tpcb.run(span).await?),
            None => None,
        };
        measured.rounds.push(Round {
            empty_calls_per_second,
            bare_payments_per_second,
            payments_per_second: seen.per_second(elapsed),
            card_payments_per_second: seen_with_cards.per_second(elapsed_with_cards),
            tpcb_tps,
        });
        measured.seen.merge(&seen);
        measured.seen_with_cards.merge(&seen_with_cards);
    }
    measured.processes = of_each(used, &measured.seen);
    measured.processes_with_cards = of_each(used_with_cards, &measured.seen_with_cards);
    Ok(measured)
}

fn of_each(used: Vec<(String, Usage)>, seen: &Seen) -> Vec<ProcessUsage> {
    let payments = u32::try_from(seen.approved.count()).unwrap_or(u32::MAX).max(1);
    let of_each = |(name, used): (String, Usage)| ProcessUsage {
        name,
        cpu_per_payment: used.cpu / payments,
        peak_kib: used.peak_kib,
    };
    used.into_iter().map(of_each).collect()
}

/// Adds what each process used between two looks at it.
fn add_usages(used: &mut Vec<(String, Usage)>, before: &[(String, Usage)], after: &[(String, Usage)]) {
    for ((name, after), (_, before)) in after.iter().zip(before) {
        let cpu = after.cpu.saturating_sub(before.cpu);
        match used.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = Usage { cpu: sum.cpu + cpu, peak_kib: after.peak_kib },
            None => used.push((name.clone(), Usage { cpu, peak_kib: after.peak_kib })),
        }
    }
}

/// The one in the middle; nothing of nothing.
pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round_and_the_median_of_them_is_told() {
        let round = |empty: f64, payments: f64, tpcb: f64| Round {
            empty_calls_per_second: empty,
            bare_payments_per_second: empty / 4.0,
            payments_per_second: payments,
            card_payments_per_second: 2.0 * payments,
            tpcb_tps: Some(tpcb),
        };
        // The machine is slow in the second round, and one figure of the third is off.
        let rounds = vec![round(300.0, 25.0, 50.0), round(30.0, 3.0, 6.0), round(300.0, 90.0, 30.0)];
        let mut rounds = Rounds { rounds, ..Rounds::default() };
        assert!((rounds.to_a_third_of_empty_calls() - 0.3).abs() < 1e-9);
        assert!((rounds.to_bare_payments() - 0.4).abs() < 1e-9);
        assert!((rounds.to_tpcb().unwrap() - 0.5).abs() < 1e-9);
        assert!((rounds.payments_per_second() - 25.0).abs() < 1e-9);
        rounds.rounds[1].card_payments_per_second = 30.0;
        assert!((rounds.cards_to_phones() - 2.0).abs() < 1e-9, "one round in which cards were ten times as quick");
        assert!((rounds.card_payments_per_second() - 50.0).abs() < 1e-9);
        let without_pgbench = Round { tpcb_tps: None, ..round(300.0, 25.0, 50.0) };
        assert_eq!(Rounds { rounds: vec![without_pgbench], ..Rounds::default() }.to_tpcb(), None);
    }
}
