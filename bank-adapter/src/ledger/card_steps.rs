//! The ledger's steps with cards: issued, changed, their PINs, and what they may spend.

use std::collections::{BTreeSet, HashMap};

use domain::card::{Card, PinCheck, Proof};
use domain::ledger::{self as rules, Available, Books};
use domain::{CardId, Reason, Timestamp};
use jiff::civil::Date;
use server_kit::audit::Entry;
use server_kit::identity::Principal;

use super::credit_steps::CreditStep;
use super::steps::{Step, signed};
use crate::card::answers::{PinAnswers, PinSent};
use crate::card::sql::{CardFile, NewPin, Numbers, StoredPin};
use crate::hsm::PinVerificationValue;

/// A card to issue.
#[derive(Clone, Debug)]
pub(crate) struct IssueOrder {
    pub(crate) card: Card,
    pub(crate) file: CardFile,
    /// The card that it takes over from.
    pub(crate) replaces: Option<CardId>,
}

/// What happens to a card at the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CardChange {
    Activate,
    Freeze(bool),
    ReportLost,
    Close,
}

impl CardChange {
    fn apply(self, card: Card, today: Date) -> Result<Card, Reason> {
        match self {
            Self::Activate => card.activate(today),
            Self::Freeze(frozen) => card.set_frozen(frozen),
            Self::ReportLost => card.report_lost(),
            Self::Close => card.close(),
        }
    }

    const fn logged(self) -> &'static str {
        match self {
            Self::Activate => "card.activated",
            Self::Freeze(true) => "card.frozen",
            Self::Freeze(false) => "card.unfrozen",
            Self::ReportLost => "card.lost",
            Self::Close => "card.closed",
        }
    }
}

/// A PIN to set.
#[derive(Clone, Debug)]
pub(crate) struct PinOrder {
    pub(crate) sent: PinSent,
    /// What the HSM said of the PIN before it, when its holder changes it; nothing when the bank sets a new one.
    pub(crate) current: Option<PinCheck>,
    pub(crate) value: PinVerificationValue,
}

/// What the bank keeps of the cards of a set.
#[derive(Debug, Default)]
pub(super) struct CardFiles {
    /// Files of cards that the set may issue.
    pub(super) new: HashMap<CardId, CardFile>,
    /// Who has the numbers of those.
    pub(super) numbers: Numbers,
    pub(super) pins: HashMap<CardId, StoredPin>,
    pub(super) new_pins: Vec<NewPin>,
    pub(super) answers: PinAnswers,
}

/// The numbers of cards that are issued, by their hashes.
pub(super) fn numbers_of(steps: &[Step]) -> Vec<[u8; 32]> {
    let numbers = |step: &Step| match step {
        Step::Issue(order, _) => order.file.pan_hashes.to_vec(),
        _ => Vec::new(),
    };
    steps.iter().flat_map(numbers).collect()
}

/// The cards whose PINs are set, and the changes that are asked for.
pub(super) fn pins_of(steps: &[Step]) -> (BTreeSet<CardId>, Vec<&PinSent>) {
    let (mut cards, mut sent) = (BTreeSet::new(), Vec::new());
    for step in steps {
        match step {
            Step::SetPin(order, _) => {
                cards.insert(order.sent.card_id);
                sent.push(&order.sent);
            }
            Step::Credit(CreditStep::IntendPin(intent, _)) => sent.push(&intent.sent),
            Step::Credit(CreditStep::SettlePin(_, card_id, _)) => {
                cards.insert(*card_id);
            }
            _ => {}
        }
    }
    (cards, sent)
}

/// Issues a card. `Err` with `CardNumberTaken` when another one has its number: whoever has drawn it draws again.
pub(super) fn issue(
    books: &mut Books,
    files: &mut CardFiles,
    order: &IssueOrder,
    by: &Principal,
    log: &mut Vec<Entry>,
) -> Result<Card, Reason> {
    let decided = match order.replaces {
        None => rules::issue_card(books, order.card.clone()),
        Some(old) => rules::replace_card(books, old, order.card.clone()),
    }?;
    if !decided.change.is_empty() {
        for hash in order.file.pan_hashes {
            if *files.numbers.entry(hash).or_insert(order.card.id) != order.card.id {
                return Err(Reason::CardNumberTaken);
            }
        }
        let what = order.replaces.map(|old| format!(" replaces={old}")).unwrap_or_default();
        log.push(entry("card.issued", &decided.answer, &what, by));
        files.new.insert(order.card.id, order.file.clone());
    }
    books.apply(decided.change);
    Ok(decided.answer)
}

pub(super) fn change(
    books: &mut Books,
    id: CardId,
    change: CardChange,
    by: &Principal,
    log: &mut Vec<Entry>,
) -> Result<Card, Reason> {
    let today = books.today()?;
    let decided = rules::change_card(books, id, |card| change.apply(card, today))?;
    if !decided.change.is_empty() {
        log.push(entry(change.logged(), &decided.answer, "", by));
    }
    books.apply(decided.change);
    Ok(decided.answer)
}

/// Sets a PIN. The same change again gives the card as it stands, or the same refusal. A wrong PIN before it is counted once.
pub(super) fn set_pin(
    books: &mut Books,
    files: &mut CardFiles,
    order: &PinOrder,
    by: &Principal,
    log: &mut Vec<Entry>,
) -> Result<Card, Reason> {
    let PinSent { card_id: id, change_id, .. } = order.sent;
    if let Some(before) = files.answers.recall(&order.sent)? {
        return before.and_then(|()| books.card(id).cloned().ok_or(Reason::CardUnknown));
    }
    let decided = rules::change_pin(books, id, order.current)?;
    let refused = decided.answer.as_ref().err().copied();
    let card = decided.change.cards.first().or_else(|| books.card(id)).ok_or(Reason::Fault)?;
    let what = refused.map(|reason| format!(" refusal={}", reason.code())).unwrap_or_default();
    log.push(entry(if refused.is_none() { "card.pin_set" } else { "card.pin_refused" }, card, &what, by));
    files.answers.remember(order.sent, refused);
    books.apply(decided.change);
    let card = decided.answer?;
    let version = files.pins.get(&id).map_or(0, |pin| pin.version);
    let new = NewPin { card_id: id, version, change_id, value: order.value.clone() };
    // Of two changes in one set the later one holds.
    files.new_pins.retain(|pin| pin.card_id != id);
    files.new_pins.push(new);
    Ok(card)
}

/// What a card may spend, and its number as a receipt may show it.
pub(super) fn inquire(
    books: &mut Books,
    id: CardId,
    proof: Proof,
    now: Timestamp,
    log: &mut Vec<Entry>,
) -> Result<(Available, String), Reason> {
    let decided = rules::inquire(books, id, proof, now)?;
    log.extend(decided.change.cards.iter().map(tried));
    books.apply(decided.change);
    let masked = books.card(id).map(|card| card.masked.clone()).unwrap_or_default();
    decided.answer.map(|available| (available, masked))
}

/// What a use of a card has left of its tries.
pub(super) fn tried(card: &Card) -> Entry {
    let (pins, values) = (card.tries.wrong(), card.cvv_tries.wrong());
    let content = format!("card={} wrong_pins={pins} wrong_cvvs={values}", card.masked);
    Entry { kind: "card.tried", subject: card.id.uuid(), content }
}

pub(super) fn entry(kind: &'static str, card: &Card, what: &str, by: &Principal) -> Entry {
    Entry { kind, subject: card.id.uuid(), content: signed(&format!("card={}{what}", card.masked), by) }
}
