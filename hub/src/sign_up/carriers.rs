//! Carriers, as operators register them.

use domain::text::Line;
use domain::{BankId, CarrierId, Reason};
use proto::operator as pb;
use server_kit::audit::Entry;
use server_kit::store::StoreError;
use uuid::Uuid;

use super::sql::{self, Carrier};
use super::steps::{Done, Work};

/// The most banks of a carrier.
const MOST_BANKS: usize = 50;

/// A carrier to add or to change.
#[derive(Debug)]
pub(super) struct Register {
    carrier_id: CarrierId,
    display_name: Line,
    banks: Vec<BankId>,
    suspended: bool,
    by: String,
}

impl Register {
    /// `Err` with `FieldMissing`, `NameMalformed`, `TextMalformed` or `TooManyItems`.
    pub(super) fn read(by: String, request: pb::RegisterCarrierRequest) -> Result<Self, Reason> {
        let carrier = request.carrier.ok_or(Reason::FieldMissing)?;
        if carrier.bank_ids.len() > MOST_BANKS {
            return Err(Reason::TooManyItems);
        }
        let mut banks: Vec<BankId> = Vec::with_capacity(carrier.bank_ids.len());
        for bank in &carrier.bank_ids {
            let bank = BankId::parse(bank)?;
            if !banks.contains(&bank) {
                banks.push(bank);
            }
        }
        Ok(Self {
            carrier_id: CarrierId::parse(&carrier.carrier_id)?,
            display_name: Line::parse(&carrier.display_name)?,
            banks,
            suspended: carrier.suspended,
            by,
        })
    }

    /// `Err` inside with `BankUnknown`, or `NameTaken` for another name.
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        for bank in &self.banks {
            let known = work.tx.fetch("SELECT 1 FROM banks WHERE bank_id = $1", vec![bank.as_str().into()]).await?;
            if known.is_empty() {
                return Ok(Err(Reason::BankUnknown));
            }
        }
        let known = sql::load_carrier(work.tx, &self.carrier_id).await?;
        if known.as_ref().is_some_and(|known| known.display_name != self.display_name.as_str()) {
            return Ok(Err(Reason::NameTaken));
        }
        let before = known.unwrap_or_else(|| Carrier {
            carrier_id: self.carrier_id.clone(),
            display_name: self.display_name.to_string(),
            banks: Vec::new(),
            suspended: false,
            turns: 0,
            last_answer: 0,
            version: 0,
        });
        let carrier = Carrier { banks: self.banks.clone(), suspended: self.suspended, ..before.clone() };
        if carrier != before || carrier.version == 0 {
            sql::put_carrier(work.tx, &carrier).await?;
            let banks: Vec<&str> = carrier.banks.iter().map(BankId::as_str).collect();
            let (id, banks, suspended) = (&carrier.carrier_id, banks.join(","), carrier.suspended);
            let content = format!("carrier={id} banks={banks} suspended={suspended} by={}", self.by);
            let kind = if carrier.version == 0 { "CARRIER_REGISTERED" } else { "CARRIER_CHANGED" };
            work.log.push(Entry { kind, subject: Uuid::nil(), content });
        }
        Ok(Ok(Done::Carrier(Box::new(carrier))))
    }
}

pub(super) fn to_pb(carrier: &Carrier) -> pb::Carrier {
    pb::Carrier {
        carrier_id: carrier.carrier_id.to_string(),
        display_name: carrier.display_name.clone(),
        bank_ids: carrier.banks.iter().map(BankId::to_string).collect(),
        suspended: carrier.suspended,
    }
}
