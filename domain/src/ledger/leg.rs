//! A leg: one movement at this bank for one payment, as the hub knows it, or for a charge that another network carried.

use super::{AccountKind, Nature, Part, Party, Split, Transfer, TransferKind, keep};
use crate::purchase::{LineItem, Location, Merchant};
use crate::text::Line;
use crate::{AccountId, Currency, LegId, Money, PaymentId, Reason, TerminalId, Timestamp};

/// Who has a movement made. A leg belongs to whoever asked for it first, and the other does not know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The hub.
    Hub,
    /// Another network, whose messages the bank's own switch takes.
    Network,
}

impl Origin {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "HUB",
            Self::Network => "NETWORK",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        [Self::Hub, Self::Network].into_iter().find(|origin| origin.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// The bank's own account on the other side of what moves for it.
    pub fn settlement(self, currency: Currency) -> AccountId {
        match self {
            Self::Hub => AccountKind::HubSettlement.house_id(currency),
            Self::Network => AccountKind::NetworkSettlement.house_id(currency),
        }
    }
}

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegState {
    /// The money is reserved here; an existing credit system is asked for its part, and its answer is not known. Nobody gets
    /// an answer from such a leg yet.
    Asking,
    /// The money is reserved; it can always be posted.
    Held,
    /// The money has moved.
    Posted,
    /// Released, or voided before it came.
    Voided,
    /// Nothing was reserved, and why.
    Refused(Reason),
}

impl LegState {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asking => "ASKING",
            Self::Held => "HELD",
            Self::Posted => "POSTED",
            Self::Voided => "VOIDED",
            Self::Refused(_) => "REFUSED",
        }
    }

    pub const fn refusal(self) -> Option<Reason> {
        match self {
            Self::Refused(reason) => Some(reason),
            Self::Asking | Self::Held | Self::Posted | Self::Voided => None,
        }
    }

    /// Reads the stored word, and the reason that a refused leg has.
    pub fn parse(text: &str, refusal: Option<Reason>) -> Result<Self, Reason> {
        match (text, refusal) {
            ("ASKING", None) => Ok(Self::Asking),
            ("HELD", None) => Ok(Self::Held),
            ("POSTED", None) => Ok(Self::Posted),
            ("VOIDED", None) => Ok(Self::Voided),
            ("REFUSED", Some(reason)) => Ok(Self::Refused(reason)),
            _ => Err(Reason::FieldUnknown),
        }
    }
}

/// What the bank knows of a charge that another network carried, besides what it knows of every charge: the hub keeps the
/// record of those that it carries itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Sale {
    /// When it was bought.
    pub occurred_at: Timestamp,
    /// The acquirer's name for the terminal.
    pub terminal_id: TerminalId,
    /// What people call the place.
    pub place: Option<Line>,
    pub location: Option<Location>,
    pub items: Vec<LineItem>,
}

/// A location is a pair of coordinates in range, so that it always equals itself.
impl Eq for Sale {}

/// Money to take from an account or a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub payer: Party,
    /// One by which money goes out.
    pub nature: Nature,
    pub amount: Money,
    /// Who gets it, for the holder's statement.
    pub merchant: Merchant,
    /// The savings account that gets it when the nature is [`Nature::Savings`]; anything else goes to whoever asked for it.
    pub savings: Option<AccountId>,
    /// Set when another network carried it.
    pub sale: Option<Box<Sale>>,
}

impl Charge {
    /// A purchase from an account by itself, as for a payment by phone number.
    pub const fn purchase(account_id: AccountId, amount: Money, merchant: Merchant) -> Self {
        let payer = Party::Account(account_id);
        Self { payer, nature: Nature::Purchase, amount, merchant, savings: None, sale: None }
    }
}

/// Money to pay into an account or to a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub payee: Party,
    /// One by which money comes in.
    pub nature: Nature,
    pub amount: Money,
    /// Where it was paid in, for the holder's statement.
    pub merchant: Merchant,
    /// The savings account that it comes back from, which takes the nature [`Nature::TransferIn`]; anything else comes from
    /// the federation.
    pub savings: Option<AccountId>,
}

/// Money to give back from a posted leg: a refund or a reversal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiveBack {
    pub original_leg_id: LegId,
    pub amount: Money,
}

/// What was asked for under a leg's id. The same id with another order is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegOrder {
    Charge(Charge),
    Receipt(Receipt),
    GiveBack(GiveBack),
    /// Voided before it came: what it would have been is not known.
    Unseen,
}

impl LegOrder {
    /// The charge of another network, with what is known of it.
    pub fn network_charge(&self) -> Option<(&Charge, &Sale)> {
        match self {
            Self::Charge(charge) => charge.sale.as_deref().map(|sale| (charge, sale)),
            Self::Receipt(_) | Self::GiveBack(_) | Self::Unseen => None,
        }
    }
}

/// One movement at this bank for one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    pub id: LegId,
    /// Of a network's leg, the purchase under its own id.
    pub payment_id: PaymentId,
    pub origin: Origin,
    pub order: LegOrder,
    pub state: LegState,
    /// The account that it moves: the one that was named, of a card the first one that bears a part, or for money given back
    /// that of the original.
    pub account_id: Option<AccountId>,
    /// The number of the account or the card as a receipt may show it; empty when none is known.
    pub account_masked: String,
    /// What it takes from, or gives back to, which account; empty when it moves nothing.
    pub splits: Vec<Split>,
    /// How much of what was held was released by a completion with less, in minor units.
    pub released_minor: i64,
    /// How much of it was given back, in minor units.
    pub refunded_minor: i64,
    /// What the front knew when it decided, as [`Facts`](super::Facts) are written; empty when it decided nothing.
    pub decision: String,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// The version of the stored row; 0 when it is not stored yet.
    pub version: i64,
}

impl Leg {
    /// A leg that moves nothing yet.
    pub(super) fn new(
        id: LegId,
        (origin, payment_id): (Origin, PaymentId),
        order: LegOrder,
        state: LegState,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            payment_id,
            origin,
            order,
            state,
            account_id: None,
            account_masked: String::new(),
            splits: Vec::new(),
            released_minor: 0,
            refunded_minor: 0,
            decision: String::new(),
            created_at: now,
            changed_at: now,
            version: 0,
        }
    }

    /// How much it is about; `None` when it was voided before it came.
    pub fn amount(&self) -> Option<Money> {
        match &self.order {
            LegOrder::Charge(charge) => Some(charge.amount),
            LegOrder::Receipt(receipt) => Some(receipt.amount),
            LegOrder::GiveBack(give_back) => Some(give_back.amount),
            LegOrder::Unseen => None,
        }
    }

    /// What was asked for, unless it was to give money back.
    pub fn nature(&self) -> Option<Nature> {
        match &self.order {
            LegOrder::Charge(charge) => Some(charge.nature),
            LegOrder::Receipt(receipt) => Some(receipt.nature),
            LegOrder::GiveBack(_) | LegOrder::Unseen => None,
        }
    }

    /// The savings account on the other side, if it is not the settlement account.
    pub fn savings(&self) -> Option<AccountId> {
        match &self.order {
            LegOrder::Charge(charge) => charge.savings,
            LegOrder::Receipt(receipt) => receipt.savings,
            LegOrder::GiveBack(_) | LegOrder::Unseen => None,
        }
    }

    /// Who pays or gets, by the name under which it was asked for.
    pub fn party(&self) -> Option<Party> {
        match &self.order {
            LegOrder::Charge(charge) => Some(charge.payer),
            LegOrder::Receipt(receipt) => Some(receipt.payee),
            LegOrder::GiveBack(_) | LegOrder::Unseen => None,
        }
    }

    /// How much of it has moved, or can still be posted, in minor units: the amount less what was released.
    pub fn kept_minor(&self) -> i64 {
        self.amount().map_or(0, |amount| amount.minor.saturating_sub(self.released_minor))
    }

    /// The splits without what was released of them.
    pub fn kept_splits(&self) -> Vec<Split> {
        let kept = keep(&self.splits, self.released_minor);
        kept.into_iter().filter(|split| split.amount_minor > 0).collect()
    }

    /// How much of it a credit account bears, purchases and cash advances alike, in minor units and without what was released.
    pub fn credit_minor(&self) -> i64 {
        let on_credit = |split: &Split| (split.part != Part::Debit).then_some(split.amount_minor);
        keep(&self.splits, self.released_minor).iter().filter_map(on_credit).fold(0, i64::saturating_add)
    }

    /// Whether it draws on a credit account as cash.
    pub fn is_cash_advance(&self) -> bool {
        self.splits.iter().any(|split| split.part == Part::CashAdvance)
    }

    pub fn original_leg_id(&self) -> Option<LegId> {
        match &self.order {
            LegOrder::GiveBack(give_back) => Some(give_back.original_leg_id),
            LegOrder::Charge(_) | LegOrder::Receipt(_) | LegOrder::Unseen => None,
        }
    }

    pub(super) fn moved_to(&self, state: LegState, now: Timestamp) -> Self {
        Self { state, changed_at: now, ..self.clone() }
    }

    /// The transfers that resolve what it holds: all but `released_minor` is posted, and what was drawn last is released
    /// first. They follow the pending ones, which have the numbers from 0.
    pub(super) fn resolutions(&self, released_minor: i64, now: Timestamp) -> Vec<Transfer> {
        let pending = self.transfers(&self.order, TransferKind::Pending, now);
        let mut seq = i64::try_from(pending.len()).unwrap_or(i64::MAX);
        let mut resolutions = Vec::new();
        for (transfer, kept) in pending.into_iter().zip(keep(&self.splits, released_minor)) {
            let released = transfer.amount.minor.saturating_sub(kept.amount_minor);
            let kinds = [TransferKind::PostOf(transfer.seq), TransferKind::VoidOf(transfer.seq)];
            for (kind, minor) in kinds.into_iter().zip([kept.amount_minor, released]) {
                if minor > 0 {
                    let amount = Money::new(transfer.amount.currency, minor);
                    resolutions.push(Transfer { seq, kind, amount, ..transfer.clone() });
                    seq = seq.saturating_add(1);
                }
            }
        }
        resolutions
    }

    /// The transfers that move its splits as `order` says, which is its own or that of the leg from which it gives back,
    /// numbered from 0.
    pub(super) fn transfers(&self, order: &LegOrder, kind: TransferKind, now: Timestamp) -> Vec<Transfer> {
        let Some((amount, other, out)) = self.ends(order) else { return Vec::new() };
        let transfer = |(seq, split): (i64, &Split)| Transfer {
            source: self.id.uuid(),
            seq,
            kind,
            debit_account: if out { split.account_id } else { other },
            credit_account: if out { other } else { split.account_id },
            amount: Money::new(amount.currency, split.amount_minor),
            cash_advance: split.part == Part::CashAdvance,
            made_at: now,
        };
        (0..).zip(&self.splits).map(transfer).collect()
    }

    /// How much goes between the splits and which other account, and whether it goes out.
    fn ends(&self, order: &LegOrder) -> Option<(Money, AccountId, bool)> {
        let settlement = |amount: Money| self.origin.settlement(amount.currency);
        match order {
            LegOrder::Charge(charge) => {
                let other = charge.savings.unwrap_or_else(|| settlement(charge.amount));
                Some((charge.amount, other, true))
            }
            LegOrder::Receipt(receipt) => {
                let other = receipt.savings.unwrap_or_else(|| settlement(receipt.amount));
                Some((receipt.amount, other, false))
            }
            LegOrder::GiveBack(_) | LegOrder::Unseen => None,
        }
    }
}

/// The line of a leg in the digest by which hub and bank compare their books: `leg_id state amount_minor` and a line feed,
/// with the amount 0 for a leg that was voided before it came.
pub fn digest_line(leg_id: LegId, state: LegState, amount_minor: i64) -> String {
    format!("{leg_id} {} {amount_minor}\n", state.as_str())
}
