//! What the simulator says of whom.

use serde::Deserialize;

/// What is said of somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimulatedAnswer {
    /// Name and number belong to one person.
    #[default]
    Match,
    /// The number is somebody else's.
    Mismatch,
    /// There is no such number.
    Unknown,
    /// No answer at all.
    Timeout,
    /// The service says that it is not there.
    Away,
}

/// One rule. A name or a number that is not set speaks of everybody.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub citizen_number: Option<String>,
    pub answer: SimulatedAnswer,
}

/// All rules. Without any, everybody is who they say.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The first that speaks of somebody counts.
    pub rules: Vec<Rule>,
    pub otherwise: SimulatedAnswer,
}

impl Rules {
    /// What is said of somebody.
    pub fn answer(&self, name: &str, citizen_number: &str) -> SimulatedAnswer {
        let speaks = |rule: &&Rule| {
            rule.name.as_deref().is_none_or(|it| it == name)
                && rule.citizen_number.as_deref().is_none_or(|it| it == citizen_number)
        };
        self.rules.iter().find(speaks).map_or(self.otherwise, |rule| rule.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m2_the_first_rule_that_speaks_of_somebody_counts() {
        let rule = |name: Option<&str>, number: Option<&str>, answer| Rule {
            name: name.map(str::to_owned),
            citizen_number: number.map(str::to_owned),
            answer,
        };
        let rules = Rules {
            rules: vec![
                rule(Some("王小明"), Some("1"), SimulatedAnswer::Match),
                rule(None, Some("1"), SimulatedAnswer::Mismatch),
                rule(Some("Lin Mei"), None, SimulatedAnswer::Timeout),
            ],
            otherwise: SimulatedAnswer::Unknown,
        };
        for (name, number, said) in [
            ("王小明", "1", SimulatedAnswer::Match),
            ("王大明", "1", SimulatedAnswer::Mismatch),
            ("Lin Mei", "2", SimulatedAnswer::Timeout),
            ("王小明", "2", SimulatedAnswer::Unknown),
        ] {
            assert_eq!(rules.answer(name, number), said, "{name} {number}");
        }
        assert_eq!(Rules::default().answer("王小明", "1"), SimulatedAnswer::Match);
    }
}
