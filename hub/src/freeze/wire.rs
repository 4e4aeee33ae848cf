//! What people freeze, as messages.

use std::collections::HashSet;

use domain::freeze::{MOST_INSTRUMENTS, Seen};
use domain::payment::{FrozenInstrument, Instrument};
use domain::{AccountId, BankId, CardId, Reason};
use proto::cardholder as pb;

use super::sql::Bound;

/// The names of what is to be frozen, each once. `Err` with `TooManyItems`, `FieldMissing`, `NameMalformed` or `IdMalformed`.
pub(super) fn names(messages: &[pb::InstrumentName]) -> Result<Vec<FrozenInstrument>, Reason> {
    use pb::instrument_name::Instrument as Named;
    if messages.len() > MOST_INSTRUMENTS {
        return Err(Reason::TooManyItems);
    }
    let read = |message: &pb::InstrumentName| {
        let instrument = match message.instrument.as_ref().ok_or(Reason::FieldMissing)? {
            Named::AccountId(id) => Instrument::Account(AccountId::parse(id)?),
            Named::CardId(id) => Instrument::Card(CardId::parse(id)?),
        };
        Ok(FrozenInstrument { bank_id: BankId::parse(&message.bank_id)?, instrument })
    };
    let mut seen = HashSet::new();
    let all: Vec<FrozenInstrument> = messages.iter().map(read).collect::<Result<_, Reason>>()?;
    Ok(all.into_iter().filter(|name| seen.insert(name.words())).collect())
}

pub(super) fn instruments(bound: &[Bound]) -> Vec<pb::Instrument> {
    bound.iter().map(instrument).collect()
}

fn instrument(bound: &Bound) -> pb::Instrument {
    use pb::instrument::Instrument as Named;
    let seen = bound.kept.as_ref().map_or(Seen::Free, |kept| kept.freezing.seen());
    let (state, since) = match seen {
        Seen::Free => (pb::FreezeState::Free, None),
        Seen::Freezing => (pb::FreezeState::Freezing, None),
        Seen::Frozen(left) => (pb::FreezeState::Frozen, Some(left.effective_at)),
        Seen::Unfreezing => (pb::FreezeState::Unfreezing, None),
        Seen::Ended(_) => (pb::FreezeState::Ended, None),
    };
    pb::Instrument {
        bank_id: bound.name.bank_id.to_string(),
        bank_name: bound.bank_name.to_string(),
        instrument: Some(match bound.name.instrument {
            Instrument::Account(id) => Named::AccountId(id.to_string()),
            Instrument::Card(id) => Named::CardId(id.to_string()),
        }),
        masked: bound.masked.clone(),
        is_default: bound.is_default,
        freeze_state: state.into(),
        frozen_since: since.map(proto::to_timestamp),
        ordered_at: bound.kept.as_ref().map(|kept| proto::to_timestamp(kept.ordered_at)),
    }
}
