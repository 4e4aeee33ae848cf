//! What a bank puts its signature under.

use super::HolderFreeze;
use crate::BankId;
use crate::payment::Instrument;

/// A bank's word on since when an account or a card is frozen, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    pub bank_id: BankId,
    pub instrument: Instrument,
    pub left: HolderFreeze,
}

impl Confirmation {
    /// What is signed (Ed25519, RFC 8032): lines that end with a line feed, `bankhub freeze 1`, then `bank=`, `account=` or `card=`
    /// with the id, `order=`, `frozen=true` or `frozen=false`, and `effective_at_micros=` since 1970 in UTC.
    pub fn statement(&self) -> String {
        let (bank, HolderFreeze { order_number, frozen, effective_at }) = (&self.bank_id, self.left);
        let instrument = match self.instrument {
            Instrument::Account(id) => format!("account={id}"),
            Instrument::Card(id) => format!("card={id}"),
        };
        let micros = effective_at.micros();
        format!(
            "bankhub freeze 1\nbank={bank}\n{instrument}\norder={order_number}\nfrozen={frozen}\neffective_at_micros={micros}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, CardId, Timestamp};

    #[test]
    fn a_statement_names_everything_that_it_is_about() {
        let id = uuid::Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0001);
        let left = HolderFreeze { order_number: 7, frozen: true, effective_at: Timestamp::from_secs(1_790_000_000) };
        let account = Confirmation {
            bank_id: BankId::parse("bank-a").unwrap(),
            instrument: Instrument::Account(AccountId::from_uuid(id)),
            left,
        };
        let text = "bankhub freeze 1\nbank=bank-a\naccount=0192f0c1-7a6b-7000-8000-000000000001\norder=7\nfrozen=true\n\
                    effective_at_micros=1790000000000000\n";
        assert_eq!(account.statement(), text);
        let others = [
            Confirmation { bank_id: BankId::parse("bank-b").unwrap(), ..account.clone() },
            Confirmation { instrument: Instrument::Card(CardId::from_uuid(id)), ..account.clone() },
            Confirmation { left: HolderFreeze { order_number: 8, ..left }, ..account.clone() },
            Confirmation { left: HolderFreeze { frozen: false, ..left }, ..account.clone() },
            Confirmation { left: HolderFreeze { effective_at: Timestamp::from_secs(1), ..left }, ..account.clone() },
        ];
        for other in others {
            assert_ne!(other.statement(), text, "{other:?}");
        }
    }
}
