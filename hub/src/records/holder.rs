//! Whose the accounts and cards are that banks report of.

use std::collections::BTreeMap;

use domain::payment::Instrument;
use domain::{BankId, PersonId, Reason};
use server_kit::store::{Keys, Load, StoreError, Tx};
use uuid::Uuid;

/// What is bound to whom, of the instruments that some reports name.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    bindings: BTreeMap<Uuid, Vec<Binding>>,
}

#[derive(Clone, Debug)]
struct Binding {
    bank_id: BankId,
    instrument: Instrument,
    person_id: PersonId,
    active: bool,
}

impl Holders {
    /// The bindings of instruments by their ids, at whichever bank.
    pub(crate) async fn load(tx: &mut Tx, instruments: Vec<Instrument>) -> Result<Self, StoreError> {
        let load = Load {
            select: "SELECT instrument_id, bank_id, instrument, person_id, active FROM bindings WHERE instrument_id",
            tail: "",
            lock: false,
        };
        let rows = tx.load(load, Keys::Ids(instruments.into_iter().map(Instrument::uuid).collect())).await?;
        let mut bindings: BTreeMap<Uuid, Vec<Binding>> = BTreeMap::new();
        for row in &rows {
            let id = row.id(0)?;
            let instrument = row.parsed(2, |kind| Instrument::of(kind, id))?;
            let (bank_id, person_id) = (row.parsed(1, BankId::parse)?, PersonId::from_uuid(row.id(3)?));
            bindings.entry(id).or_default().push(Binding { bank_id, instrument, person_id, active: row.flag(4)? });
        }
        Ok(Self { bindings })
    }

    /// Everybody to whom something is bound.
    pub(crate) fn persons(&self) -> impl Iterator<Item = PersonId> {
        self.bindings.values().flatten().map(|binding| binding.person_id)
    }

    /// Whose account or card it is at this bank; nobody's who is known here. `Err(NotYours)` when it is another bank's.
    pub(crate) fn of(&self, bank_id: &BankId, instrument: Instrument) -> Result<Option<PersonId>, Reason> {
        let named = self.bindings.get(&instrument.uuid()).map_or(&[][..], Vec::as_slice);
        let of_bank = |binding: &&Binding| binding.bank_id == *bank_id && binding.instrument == instrument;
        match named.iter().find(of_bank) {
            Some(binding) => Ok(binding.active.then_some(binding.person_id)),
            None if named.is_empty() => Ok(None),
            None => Err(Reason::NotYours),
        }
    }
}
