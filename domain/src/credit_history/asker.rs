//! Who asks.

use std::fmt;

use crate::canonical::Lines;
use crate::{BankId, OperatorId, Reason};

const BANK: &str = "bank";
const OPERATOR: &str = "operator";

/// Who may ask about a person, by the name in the certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asker {
    /// A bank of the federation.
    Bank(BankId),
    /// Somebody who operates the hub.
    Operator(OperatorId),
}

impl Asker {
    /// The name in the certificate, without the role.
    pub fn name(&self) -> &str {
        match self {
            Self::Bank(id) => id.as_str(),
            Self::Operator(id) => id.as_str(),
        }
    }

    /// What somebody is told who may not be told anything, whatever the cause.
    pub const fn unanswered(&self) -> Reason {
        match self {
            Self::Bank(_) => Reason::InquiryUnanswered,
            Self::Operator(_) => Reason::ConsentRequired,
        }
    }

    /// The word under which it is stored: a bank by its id alone, an operator as `operator/<id>`, which is no bank's id.
    pub fn key(&self) -> String {
        match self {
            Self::Bank(id) => id.to_string(),
            Self::Operator(id) => format!("{OPERATOR}/{id}"),
        }
    }

    /// Reads the next line of a text that is signed or hashed.
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Self, Reason> {
        match lines.either(&[BANK, OPERATOR])? {
            (BANK, id) => BankId::parse(id).map(Self::Bank),
            (_, id) => OperatorId::parse(id).map(Self::Operator),
        }
    }
}

/// As it stands on a line of a text that is signed or hashed: `bank: bank-a` or `operator: anna`.
impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self {
            Self::Bank(_) => BANK,
            Self::Operator(_) => OPERATOR,
        };
        write!(f, "{role}: {}", self.name())
    }
}
