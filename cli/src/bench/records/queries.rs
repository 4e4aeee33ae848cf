//! What people ask of their records, at a federation with a small past and at one with a large past in turn.

use std::time::Duration;

use proto::cardholder as pb;
use server_kit::clock::Stopwatch;
use tokio::task::JoinSet;

use super::RecordsError;
use super::past::one_of;
use super::world::World;
use crate::bench::latency::Latencies;
use crate::bench::rounds::median;
use crate::phone::{Phone, PhoneError};

/// How often each question is asked at each federation before it is the other's turn.
const AT_A_TIME: u64 = 100;
/// Phones that open their sessions at once.
const SIGNING_IN: usize = 32;
/// Purchases of a page.
const PAGE: i32 = 50;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Page,
    TotalBill,
    Habits,
}

impl Question {
    pub const ALL: [Self; 3] = [Self::Page, Self::TotalBill, Self::Habits];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "first page of a record",
            Self::TotalBill => "total bill of the month",
            Self::Habits => "habits",
        }
    }

    async fn ask(self, phone: &Phone) -> Result<bool, PhoneError> {
        Ok(match self {
            Self::Page => !phone.payments(PAGE, "").await?.purchases.is_empty(),
            Self::TotalBill => !phone.total_bill().await?.totals.is_empty(),
            Self::Habits => !phone.habits(pb::Facet::Unspecified).await?.is_empty(),
        })
    }
}

/// How a question was answered at one federation.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub latencies: Latencies,
    /// The median of each turn, in seconds, and the hub's CPU time for one answer.
    medians: Vec<f64>,
    cpu: Vec<f64>,
}

/// One question at both.
#[derive(Clone, Debug)]
pub struct Asked {
    pub question: Question,
    pub small: Answers,
    pub large: Answers,
}

impl Asked {
    /// What the large past makes of the time of an answer, as a multiple: the median of the turns.
    pub fn time_ratio(&self) -> f64 {
        ratio(&self.large.medians, &self.small.medians)
    }

    /// The same of the hub's CPU time, over all turns: what one turn takes is only a few ticks of the kernel's count.
    pub fn cpu_ratio(&self) -> f64 {
        self.large.cpu_seconds() / self.small.cpu_seconds()
    }
}

impl Answers {
    /// CPU time of the hub for one answer, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu.iter().sum::<f64>() / self.cpu.len().max(1) as f64
    }
}

fn ratio(large: &[f64], small: &[f64]) -> f64 {
    median(large.iter().zip(small).map(|(large, small)| large / small).collect())
}

/// Asks each question of somebody else each time, one call at a time, in so many turns.
pub async fn ask(small: &World, large: &World, turns: u64) -> Result<Vec<Asked>, RecordsError> {
    for world in [small, large] {
        sign_in(world).await?;
        for (phone, _) in world.phones.iter().take(AT_A_TIME as usize) {
            phone.total_bill().await?;
        }
    }
    let new = |question| Asked { question, small: Answers::default(), large: Answers::default() };
    let mut all: Vec<Asked> = Question::ALL.map(new).to_vec();
    for turn in 0..turns {
        for asked in &mut all {
            let question = asked.question;
            let mut sides = [(small, &mut asked.small), (large, &mut asked.large)];
            if turn % 2 == 1 {
                sides.reverse();
            }
            for (world, answers) in sides {
                take_turn(world, question, turn, answers).await?;
            }
        }
    }
    Ok(all)
}

/// Opens everybody's session, by a call that reads nothing of a record: an app that shows a page has one, and otherwise the federation with more
/// phones would be asked to open more of them.
async fn sign_in(world: &World) -> Result<(), RecordsError> {
    let mut phones = world.phones.iter().map(|(phone, _)| phone.clone());
    let mut signing_in = JoinSet::new();
    loop {
        while signing_in.len() < SIGNING_IN
            && let Some(phone) = phones.next()
        {
            signing_in.spawn(async move { phone.preferences().await.map(drop) });
        }
        match signing_in.join_next().await {
            Some(done) => done.map_err(|_| RecordsError::TaskEnded)??,
            None => return Ok(()),
        }
    }
}

async fn take_turn(world: &World, question: Question, turn: u64, answers: &mut Answers) -> Result<(), RecordsError> {
    let before = world.hub_usage().cpu;
    let mut times = Vec::new();
    for n in 0..AT_A_TIME {
        let place = one_of(world.phones.len() as u64, &[question as u64, turn, n]);
        let found = usize::try_from(place).ok().and_then(|place| world.phones.get(place));
        let (phone, _) = found.ok_or(RecordsError::Nobody)?;
        let watch = Stopwatch::start();
        let is_something = question.ask(phone).await?;
        let elapsed = watch.elapsed();
        if !is_something {
            return Err(RecordsError::Empty(question.name()));
        }
        answers.latencies.record(elapsed);
        times.push(elapsed.as_secs_f64());
    }
    answers.medians.push(median(times));
    let used = world.hub_usage().cpu.saturating_sub(before);
    answers.cpu.push(Duration::as_secs_f64(&used) / AT_A_TIME as f64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_turn_and_cpu_is_summed_up() {
        let side = |medians: [f64; 3], cpu: [f64; 3]| Answers {
            medians: medians.to_vec(),
            cpu: cpu.to_vec(),
            ..Answers::default()
        };
        // The machine is slow in the second turn.
        let asked = Asked {
            question: Question::Page,
            small: side([1.0, 10.0, 1.0], [0.0, 2.0, 1.0]),
            large: side([1.2, 12.0, 3.0], [1.0, 2.0, 3.0]),
        };
        assert!((asked.time_ratio() - 1.2).abs() < 1e-9);
        assert!((asked.cpu_ratio() - 2.0).abs() < 1e-9);
    }
}
