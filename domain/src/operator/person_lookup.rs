//! Looking people up (M9): what it is for, how often, and how much each role sees.

use super::Role;
use crate::Reason;

/// What an operator looks somebody up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonPurpose {
    Support,
    Loss,
    Fraud,
    Rights,
}

impl PersonPurpose {
    pub const ALL: [Self; 4] = [Self::Support, Self::Loss, Self::Fraud, Self::Rights];

    /// The name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Support => "SUPPORT",
            Self::Loss => "LOSS",
            Self::Fraud => "FRAUD",
            Self::Rights => "RIGHTS",
        }
    }

    /// Reads what [`PersonPurpose::as_str`] gives. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// What the person is told that it was for, in English and Chinese.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Support => ("help that you asked for", "处理您的求助"),
            Self::Loss => ("something that was reported as lost", "处理挂失"),
            Self::Fraud => ("a suspicion of fraud", "核查欺诈嫌疑"),
            Self::Rights => ("a request about what is stored of you", "处理个人信息查询请求"),
        }
    }
}

/// How many people an operator may look up on one day (UTC), found or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonLookupPolicy {
    pub operator: u32,
    pub risk: u32,
    pub admin: u32,
}

impl Default for PersonLookupPolicy {
    fn default() -> Self {
        Self { operator: 50, risk: 200, admin: 50 }
    }
}

impl PersonLookupPolicy {
    /// How many are left for today after one more. `Err(PersonLookupsExhausted)` when there is none.
    pub fn take(&self, role: Role, looked_up_today: u32) -> Result<u32, Reason> {
        let most = match role {
            Role::Viewer => 0,
            Role::Operator => self.operator,
            Role::Risk => self.risk,
            Role::Admin => self.admin,
        };
        let left = most.saturating_sub(looked_up_today);
        left.checked_sub(1).ok_or(Reason::PersonLookupsExhausted)
    }
}

impl Role {
    /// Whether somebody in this role sees a person's tries, blocks and phones beside what everybody sees who may look people up.
    pub const fn sees_risk_of_persons(self) -> bool {
        matches!(self, Self::Risk | Self::Admin)
    }
}

/// A name of which no more can be read than its first character: enough to hear whether the person on the telephone says it.
pub fn masked_name(name: &str) -> String {
    const MOST_STARS: usize = 8;
    let mut characters = name.chars();
    let first = characters.next();
    first.into_iter().chain(characters.take(MOST_STARS).map(|_| '*')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m9_each_role_looks_up_so_many_people_a_day_and_no_more() {
        let policy = PersonLookupPolicy { operator: 2, risk: 3, admin: 1 };
        let none = Err(Reason::PersonLookupsExhausted);
        for (role, looked_up, wanted) in [
            (Role::Viewer, 0, none),
            (Role::Operator, 0, Ok(1)),
            (Role::Operator, 1, Ok(0)),
            (Role::Operator, 2, none),
            (Role::Operator, u32::MAX, none),
            (Role::Risk, 2, Ok(0)),
            (Role::Risk, 3, none),
            (Role::Admin, 0, Ok(0)),
            (Role::Admin, 1, none),
        ] {
            assert_eq!(policy.take(role, looked_up), wanted, "{role:?} {looked_up}");
        }
        assert_eq!(Role::ALL.map(Role::sees_risk_of_persons), [false, false, true, true]);
    }

    #[test]
    fn m9_a_masked_name_shows_its_first_character_and_never_its_length_beyond_nine() {
        for (name, wanted) in
            [("王小明", "王**"), ("王", "王"), ("", ""), ("Ann Lee", "A******"), ("Bartholomew Long", "B********")]
        {
            assert_eq!(masked_name(name), wanted);
        }
    }

    #[test]
    fn m9_purposes_have_names_of_their_own() {
        for purpose in PersonPurpose::ALL {
            assert_eq!(PersonPurpose::parse(purpose.as_str()), Ok(purpose));
        }
        assert_eq!(PersonPurpose::parse("CURIOSITY"), Err(Reason::FieldUnknown));
    }
}
