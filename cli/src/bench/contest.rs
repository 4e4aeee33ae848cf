//! What several contestants do a second, measured in turn, a round after the other: medians are told, and ratios within one round.

use serde_json::{Value, json};

use super::rounds::median;

/// Into so many parts each measurement is cut.
pub const ROUNDS: u32 = 5;

/// One subject, on which the first contestant is compared with the others.
#[derive(Clone, Debug)]
pub struct Contest {
    subject: String,
    /// What is counted, as in "messages parsed".
    measures: &'static [&'static str],
    contestants: Vec<Contestant>,
}

#[derive(Clone, Debug)]
struct Contestant {
    name: &'static str,
    /// The rates of each round, one for each measure.
    rounds: Vec<Vec<f64>>,
}

impl Contestant {
    fn of(&self, measure: usize) -> impl Iterator<Item = f64> {
        self.rounds.iter().filter_map(move |rates| rates.get(measure).copied())
    }
}

impl Contest {
    pub fn new(subject: &str, measures: &'static [&'static str]) -> Self {
        Self { subject: subject.to_owned(), measures, contestants: Vec::new() }
    }

    /// Adds one round of a contestant: what it did a second, by each measure.
    pub fn add(&mut self, name: &'static str, rates: Vec<f64>) {
        match self.contestants.iter_mut().find(|known| known.name == name) {
            Some(known) => known.rounds.push(rates),
            None => self.contestants.push(Contestant { name, rounds: vec![rates] }),
        }
    }

    /// The first contestant as a multiple of another one: the median of the rounds.
    fn ratio(&self, other: &Contestant, measure: usize) -> f64 {
        let first = self.contestants.iter().take(1).flat_map(|first| first.of(measure));
        median(first.zip(other.of(measure)).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// The least ratio to this contestant, by any measure; none without it.
    pub fn least_ratio(&self, name: &str) -> Option<f64> {
        let other = self.contestants.iter().find(|known| known.name == name)?;
        (0..self.measures.len()).map(|measure| self.ratio(other, measure)).min_by(f64::total_cmp)
    }

    /// The rows of the bench's table: of, what, value.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for (at, measure) in self.measures.iter().enumerate() {
            for contestant in &self.contestants {
                let rate = median(contestant.of(at).collect());
                rows.push(vec![
                    self.subject.clone(),
                    format!("{measure} a second, {}", contestant.name),
                    format!("{rate:.0}"),
                ]);
            }
            let Some((first, others)) = self.contestants.split_first() else { continue };
            for other in others {
                let what = format!("{measure}: {} ÷ {}", first.name, other.name);
                rows.push(vec![self.subject.clone(), what, format!("{:.1}", self.ratio(other, at))]);
            }
        }
        rows
    }

    pub fn json(&self) -> Value {
        let rates = self.contestants.iter().map(|contestant| {
            let measures = self.measures.iter().enumerate().map(|(at, measure)| {
                json!({
                    "measure": measure,
                    "per_second": median(contestant.of(at).collect()),
                    "first_to_this": self.ratio(contestant, at),
                })
            });
            json!({ "name": contestant.name, "measures": measures.collect::<Value>() })
        });
        json!({ "of": self.subject, "contestants": rates.collect::<Value>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contest() -> Contest {
        let mut contest = Contest::new("ASCII", &["parsed", "built"]);
        // The machine is slow in the second round.
        for (ours, theirs) in [(900.0, 100.0), (90.0, 10.0), (1000.0, 500.0)] {
            contest.add("ours", vec![ours, 2.0 * ours]);
            contest.add("theirs", vec![theirs, theirs]);
        }
        contest
    }

    #[test]
    fn ratios_are_of_one_round_and_their_median_is_told() {
        assert_eq!(contest().least_ratio("theirs"), Some(9.0));
        assert_eq!(contest().least_ratio("nobody"), None);
        let rows: Vec<String> = contest().rows().iter().map(|row| row.join(" | ")).collect();
        let expected = [
            "ASCII | parsed a second, ours | 900",
            "ASCII | parsed a second, theirs | 100",
            "ASCII | parsed: ours ÷ theirs | 9.0",
            "ASCII | built a second, ours | 1800",
            "ASCII | built a second, theirs | 100",
            "ASCII | built: ours ÷ theirs | 18.0",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn programs_get_the_same_figures() {
        let json = contest().json();
        assert_eq!(json["of"], "ASCII");
        assert_eq!(json["contestants"][1]["measures"][1]["first_to_this"], 18.0);
        assert_eq!(json["contestants"][0]["measures"][0]["per_second"], 900.0);
    }

    #[test]
    fn alone_there_is_no_ratio() {
        let mut contest = Contest::new("ASCII", &["parsed"]);
        contest.add("ours", vec![5.0]);
        assert_eq!(contest.rows(), [["ASCII", "parsed a second, ours", "5"]]);
    }
}
