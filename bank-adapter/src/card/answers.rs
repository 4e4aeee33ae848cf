//! What the last changes of each card's PIN were answered, so that one that is sent again gets the same answer and counts
//! nothing: whoever sends it may not know what became of it (ADR 15).

use std::collections::{BTreeMap, BTreeSet};

use domain::{CardId, Reason};
use ring::digest::{SHA256, digest};
use server_kit::store::{Keys, Load, Row, StoreError, Table, Tx};
use uuid::Uuid;

use crate::hsm::PinVerificationValue;

/// Changes of a card that are remembered.
const MOST: i64 = 8;

/// A change of a PIN as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PinSent {
    pub(crate) card_id: CardId,
    pub(crate) change_id: Uuid,
    /// What was asked for, as a digest of values that only the key store can make.
    content: [u8; 32],
}

impl PinSent {
    /// With what the PIN is to be compared with afterwards, and what the one before it would be if it was the right one.
    pub(crate) fn new(
        (card_id, change_id): (CardId, Uuid),
        new: &PinVerificationValue,
        current: Option<&PinVerificationValue>,
    ) -> Self {
        let mut content = [b"a change of a PIN ".as_slice(), card_id.uuid().as_bytes(), change_id.as_bytes()].concat();
        content.extend(new.to_bytes());
        content.extend(current.map(PinVerificationValue::to_bytes).into_iter().flatten());
        let mut digested = [0; 32];
        digested.copy_from_slice(digest(&SHA256, &content).as_ref());
        Self { card_id, change_id, content: digested }
    }
}

/// A change and its answer.
#[derive(Clone, Copy, Debug)]
struct Answered {
    sent: PinSent,
    /// None when the PIN was changed, or its change taken on where a credit system has to agree.
    refusal: Option<Reason>,
}

/// The remembered changes of some cards: loaded, decided in memory, written once. Those of a card are counted from 0, and the
/// one numbered n stands in the slot n modulo [`MOST`], over the one before it there.
#[derive(Debug, Default)]
pub(crate) struct PinAnswers {
    rows: BTreeMap<(CardId, i64), Answered>,
    changed: BTreeSet<(CardId, i64)>,
}

const ANSWERS: Table = Table {
    name: "pin_answers",
    key: &["card_id", "slot"],
    columns: &["card_id", "slot", "version", "change_id", "content", "refusal", "answered_at"],
};

macro_rules! select_answers {
    ($tail:literal) => {
        concat!("SELECT card_id, slot, version, change_id, content, refusal FROM pin_answers ", $tail)
    };
}

const BY_CARD: Load = Load { select: select_answers!("WHERE card_id"), tail: " ORDER BY card_id, slot", lock: true };
const BY_CHANGE: Load =
    Load { select: select_answers!("WHERE change_id"), tail: " ORDER BY card_id, slot", lock: true };

impl PinAnswers {
    /// What the change was answered when it came before. None when it is new, or not remembered any more. `Err` with `IdTaken`
    /// when the id was used for something else.
    pub(crate) fn recall(&self, sent: &PinSent) -> Result<Option<Result<(), Reason>>, Reason> {
        let Some(before) = self.rows.values().find(|answered| answered.sent.change_id == sent.change_id) else {
            return Ok(None);
        };
        if before.sent != *sent {
            return Err(Reason::IdTaken);
        }
        Ok(Some(before.refusal.map_or(Ok(()), Err)))
    }

    pub(crate) fn remember(&mut self, sent: PinSent, refusal: Option<Reason>) {
        let last = self.rows.range((sent.card_id, i64::MIN)..=(sent.card_id, i64::MAX)).next_back();
        let number = last.map_or(0, |((_, number), _)| number.saturating_add(1));
        self.rows.remove(&(sent.card_id, number.saturating_sub(MOST)));
        self.rows.insert((sent.card_id, number), Answered { sent, refusal });
        self.changed.insert((sent.card_id, number));
    }

    /// Those of the cards of these changes, and any of the same ids.
    pub(crate) async fn load(tx: &mut Tx, sent: &[&PinSent]) -> Result<Self, StoreError> {
        let cards = tx.load(BY_CARD, Keys::Ids(sent.iter().map(|sent| sent.card_id.uuid()).collect())).await?;
        let changes = tx.load(BY_CHANGE, Keys::Ids(sent.iter().map(|sent| sent.change_id).collect())).await?;
        let rows = cards.iter().chain(&changes).map(answered_of).collect::<Result<_, _>>()?;
        Ok(Self { rows, changed: BTreeSet::new() })
    }

    pub(crate) async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let now = tx.now();
        let row = |key: &(CardId, i64)| {
            let Answered { sent, refusal } = self.rows.get(key)?;
            let (card_id, number) = *key;
            Some(vec![
                card_id.uuid().into(),
                number.rem_euclid(MOST).into(),
                number.div_euclid(MOST).saturating_add(1).into(),
                sent.change_id.into(),
                sent.content.to_vec().into(),
                refusal.map(|reason| reason.code().to_owned()).into(),
                now.into(),
            ])
        };
        tx.put(&ANSWERS, self.changed.iter().filter_map(row).collect()).await
    }
}

fn answered_of(row: &Row) -> Result<((CardId, i64), Answered), StoreError> {
    let unreadable = |column| move || StoreError::Unreadable { column, what: "out of range".to_owned() };
    let (card_id, slot, version) = (CardId::from_uuid(row.id(0)?), row.int(1)?, row.int(2)?);
    let content = row.bytes(4)?.try_into().map_err(|_| unreadable(4)())?;
    let refusal = row.maybe_text(5)?.map(|code| Reason::from_code(&code).ok_or_else(unreadable(5))).transpose()?;
    let number = version.saturating_sub(1).saturating_mul(MOST).saturating_add(slot);
    Ok(((card_id, number), Answered { sent: PinSent { card_id, change_id: row.id(3)?, content }, refusal }))
}
