//! What somebody who asked is told, as it is kept for the same inquiry.

use domain::Reason;
use domain::credit_history::Subject;
use prost::Message as _;
use proto::{common, federation};

#[derive(Debug, PartialEq)]
pub(super) enum Told {
    History(federation::CreditReport),
    Habits(common::HabitTotals),
    /// The purchases of the record up to this place in the person's feed.
    Records {
        through_sequence: i64,
    },
}

impl Told {
    /// Whether only the leave is kept, and what it is for is read when it is asked for.
    pub(super) const fn is_read_anew(&self) -> bool {
        matches!(self, Self::Records { .. })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::History(report) => report.encode_to_vec(),
            Self::Habits(totals) => totals.encode_to_vec(),
            Self::Records { through_sequence } => through_sequence.to_be_bytes().to_vec(),
        }
    }

    /// `Err(FieldUnknown)` for what this does not write.
    pub(super) fn decode(subject: Subject, bytes: &[u8]) -> Result<Self, Reason> {
        let told = match subject {
            Subject::History => federation::CreditReport::decode(bytes).ok().map(Self::History),
            Subject::Habits => common::HabitTotals::decode(bytes).ok().map(Self::Habits),
            Subject::Records => {
                let place = bytes.try_into().ok().map(i64::from_be_bytes);
                place.map(|through_sequence| Self::Records { through_sequence })
            }
        };
        told.ok_or(Reason::FieldUnknown)
    }
}
