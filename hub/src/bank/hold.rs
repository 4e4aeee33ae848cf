//! Holds in sets: payments whose codes were good, or whose cards were read, at the same time ask their bank together.

use std::sync::Arc;
use std::time::Duration;

use domain::payment::{Instrument, Payment, ends_hold};
use domain::purchase::Merchant;
use domain::{BankId, CardId, Reason};
use proto::bank as pb;
use server_kit::clock::Stopwatch;
use server_kit::trace::{Kind, Span};
use tokio::sync::oneshot;
use tonic::Status;

use super::card::PresentedCard;
use super::queue::{SetCall, SetQueue, set_span};
use super::{Links, refusal_of};

/// Holds of one call. The bank takes 128; the largest hold, with a merchant's name of 100 characters of 4 bytes, has 666 bytes,
/// and a message has at most 64 KiB.
const MOST_TOGETHER: usize = 96;
/// The same of holds with cards that terminals have read, the largest of which has 800 bytes.
const MOST_CARDS_TOGETHER: usize = 64;
/// The pause between two tries of a hold.
const PAUSE: Duration = Duration::from_millis(300);

/// What a bank says to a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HoldAnswer {
    /// The card, if it is one that pays, and how much its credit side bears.
    Held {
        card_id: Option<CardId>,
        credit_minor: Option<i64>,
    },
    Refused(Reason),
    /// Nothing is stored there, and nothing will be.
    Impossible(Reason),
    /// No answer, or none that settles it: the leg is void only when the bank has said so.
    Unknown,
}

/// The queues of all banks.
#[derive(Debug)]
pub(super) struct HoldQueue {
    together: SetQueue<Holding>,
    /// Of cards that the bank has yet to verify, by a key store that may be slow: no other hold waits for that.
    cards: SetQueue<Holding>,
    /// For holds whose call got no answer: if one of its holds was to blame, the others get theirs now.
    alone: SetQueue<Holding>,
    timeout: Duration,
    tries: u32,
}

/// A hold, and where its answer goes.
#[derive(Debug)]
struct Item {
    hold: pb::Hold,
    card: Option<Arc<PresentedCard>>,
    answer: oneshot::Sender<HoldAnswer>,
    waiting: Stopwatch,
    /// The time that this hold takes, alone or in a set.
    span: Span,
}

#[derive(Debug)]
struct Holding {
    links: Arc<Links>,
    most: usize,
}

impl HoldQueue {
    pub(super) fn new(links: Arc<Links>) -> Self {
        let (timeout, tries) = (links.options.timeout, links.options.tries);
        let queue = |most| SetQueue::new(Holding { links: links.clone(), most });
        Self { together: queue(MOST_TOGETHER), cards: queue(MOST_CARDS_TOGETHER), alone: queue(1), timeout, tries }
    }

    /// Asks for a hold a few times, always for the same leg, until the bank answers.
    pub(super) async fn hold(&self, payment: &Payment, card: Option<Arc<PresentedCard>>) -> HoldAnswer {
        match hold_of(payment, card.is_some()) {
            Some((bank, hold)) => self.ask(&bank, hold, card).await,
            None => HoldAnswer::Unknown,
        }
    }

    /// The same for a hold that is made already.
    pub(super) async fn ask(&self, bank: &BankId, hold: pb::Hold, card: Option<Arc<PresentedCard>>) -> HoldAnswer {
        for tried in 0..self.tries {
            if tried > 0 {
                // A bank that is just coming up refuses connections for a moment.
                tokio::time::sleep(PAUSE).await;
            }
            let (answer, heard) = oneshot::channel();
            let queue = match (tried, &card) {
                (0, None) => &self.together,
                (0, Some(_)) => &self.cards,
                _ => &self.alone,
            };
            let (waiting, span) = (Stopwatch::start(), span_of(bank, &hold, tried));
            queue.push(bank, Item { hold: hold.clone(), card: card.clone(), answer, waiting, span });
            // What waits in the queue for longer than a call may take is dropped there, and the call itself has as long again.
            match tokio::time::timeout(self.timeout * 2, heard).await {
                Ok(Ok(HoldAnswer::Unknown)) | Ok(Err(_)) | Err(_) => {
                    tracing::warn!(%bank, payment = hold.payment_id, "a hold got no answer");
                }
                Ok(Ok(answer)) => return answer,
            }
        }
        HoldAnswer::Unknown
    }
}

impl Item {
    /// The hold as it goes to the bank.
    fn ready(self) -> (pb::Hold, (oneshot::Sender<HoldAnswer>, Span)) {
        let mut hold = self.hold;
        hold.traceparent = self.span.context().map(|context| context.to_string()).unwrap_or_default();
        if let Some(card) = self.card {
            hold.payer = Some(pb::hold::Payer::Card(card.at_terminal()));
        }
        (hold, (self.answer, self.span))
    }
}

impl SetCall for Holding {
    type Item = Item;

    fn most(&self) -> usize {
        self.most
    }

    async fn call(&self, bank: &BankId, items: Vec<Item>) {
        let in_time = |item: &Item| !item.answer.is_closed() && item.waiting.elapsed() < self.links.options.timeout;
        let items = items.into_iter().filter(in_time).map(Item::ready);
        let (holds, answers): (Vec<_>, Vec<_>) = items.unzip();
        if holds.is_empty() {
            return;
        }
        let legs: Vec<String> = holds.iter().map(|hold| hold.leg_id.clone()).collect();
        let request = pb::HoldLegsRequest { holds };
        let set = set_span("hold set", answers.iter().map(|(_, span)| span));
        let asked = self
            .links
            .call((bank, "hold_legs"), request, |mut client, request| async move { client.hold_legs(request).await });
        match set.run(asked).await.and_then(|answer| in_order(answer, &legs)) {
            Ok(results) => {
                for (result, (answer, span)) in results.iter().zip(answers) {
                    let heard = span.run_now(|| answer_of(result));
                    note(&span, &heard);
                    // Who has given up asks again.
                    let _ = answer.send(heard);
                }
            }
            // With the senders go the answers.
            Err(status) => {
                answers.iter().for_each(|(_, span)| span.fail());
                tracing::warn!(%bank, holds = legs.len(), code = ?status.code(), "a call for holds got no answer");
            }
        }
    }
}

fn span_of(bank: &BankId, hold: &pb::Hold, tried: u32) -> Span {
    let span = Span::begin("hold", Kind::Internal);
    span.note("bankhub.bank", || bank.to_string());
    span.note("bankhub.payment.id", || hold.payment_id.clone());
    span.note("bankhub.leg.id", || hold.leg_id.clone());
    span.note("bankhub.try", || (tried + 1).to_string());
    span
}

fn note(span: &Span, answer: &HoldAnswer) {
    let (outcome, reason) = match answer {
        HoldAnswer::Held { .. } => ("held", None),
        HoldAnswer::Refused(reason) => ("refused", Some(reason)),
        HoldAnswer::Impossible(reason) => ("impossible", Some(reason)),
        HoldAnswer::Unknown => ("unknown", None),
    };
    span.note("bankhub.outcome", || outcome.to_owned());
    if let Some(reason) = reason {
        span.note("bankhub.reason", || reason.code().to_owned());
    }
}

/// The results, if they are those of the legs.
fn in_order(answer: pb::HoldLegsResponse, legs: &[String]) -> Result<Vec<pb::HoldLegResult>, Status> {
    let fits =
        answer.results.len() == legs.len()
            && answer.results.iter().zip(legs).all(|(result, leg)| {
                result.leg_id == *leg && result.leg.as_ref().is_none_or(|inner| inner.leg_id == *leg)
            });
    if fits { Ok(answer.results) } else { Err(Status::internal("the answers are not those of the holds")) }
}

fn answer_of(result: &pb::HoldLegResult) -> HoldAnswer {
    let Some(leg) = &result.leg else {
        // Nothing was stored there.
        let code = result.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str());
        tracing::warn!(leg = result.leg_id, reason = code, "a bank does not take a hold");
        return match Reason::from_code(code).filter(|reason| ends_hold(*reason)) {
            Some(reason) => HoldAnswer::Impossible(to_terminal(reason)),
            None => HoldAnswer::Unknown,
        };
    };
    match leg.state() {
        pb::LegState::Held | pb::LegState::Posted => {
            HoldAnswer::Held { card_id: CardId::parse(&leg.card_id).ok(), credit_minor: credit_of(&leg.parts) }
        }
        pb::LegState::Refused => HoldAnswer::Refused(to_terminal(refusal_of(leg))),
        pb::LegState::Voided => HoldAnswer::Refused(Reason::DecisionTimedOut),
        pb::LegState::Unspecified => HoldAnswer::Unknown,
    }
}

/// How much of a leg the credit side of a card bears; nothing is known of a leg without parts.
fn credit_of(parts: &[pb::LegPart]) -> Option<i64> {
    let credit = |part: &pb::LegPart| matches!(part.part(), pb::Part::Credit | pb::Part::CashAdvance);
    let sum = |sum: i64, part: &pb::LegPart| sum.saturating_add(part.amount_minor);
    (!parts.is_empty()).then(|| parts.iter().filter(|part| credit(part)).fold(0, sum))
}

/// Whether a card exists is nobody's business at a terminal.
pub(super) fn to_terminal(reason: Reason) -> Reason {
    if reason == Reason::CardUnknown { Reason::CardNotVerified } else { reason }
}

pub(super) fn to_merchant(merchant: &Merchant) -> proto::common::Merchant {
    proto::common::Merchant {
        merchant_id: merchant.id.to_string(),
        display_name: merchant.name.to_string(),
        category_code: merchant.category.as_str().to_owned(),
    }
}

/// The hold of a payment; that of a card at a terminal still without the card.
fn hold_of(payment: &Payment, by_card_at_terminal: bool) -> Option<(BankId, pb::Hold)> {
    let (charge, seller) = (payment.charge.as_ref()?, payment.seller.as_ref()?);
    let payer = match charge.instrument {
        _ if by_card_at_terminal => None,
        Some(Instrument::Account(id)) => Some(pb::hold::Payer::AccountId(id.to_string())),
        Some(Instrument::Card(id)) => Some(pb::hold::Payer::CardId(id.to_string())),
        None => return None,
    };
    let hold = pb::Hold {
        leg_id: charge.leg_id?.to_string(),
        payment_id: payment.id.to_string(),
        payer,
        amount: Some(proto::to_money(payment.amount)),
        merchant: Some(to_merchant(&seller.merchant)),
        nature: proto::to_nature(payment.kind.nature()?).into(),
        savings_account_id: String::new(),
        // Put in when it goes.
        traceparent: String::new(),
    };
    Some((charge.bank_id.clone(), hold))
}

#[cfg(test)]
mod tests {
    use domain::card::{Pan, Track2};
    use prost::Message as _;

    use super::*;

    #[test]
    fn as_many_of_the_largest_holds_as_go_together_fit_into_a_message() {
        let id = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
        let largest = pb::Hold {
            leg_id: id.to_owned(),
            payment_id: id.to_owned(),
            payer: Some(pb::hold::Payer::AccountId(id.to_owned())),
            amount: Some(proto::common::Money { currency_code: "CNY".to_owned(), minor_units: i64::MAX }),
            merchant: Some(proto::common::Merchant {
                merchant_id: "m".repeat(64),
                display_name: "\u{20bb7}".repeat(domain::text::Line::MOST_CHARS),
                category_code: "5812".to_owned(),
            }),
            nature: proto::common::Nature::Purchase.into(),
            savings_account_id: String::new(),
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        };
        let request = pb::HoldLegsRequest { holds: vec![largest; MOST_TOGETHER] };
        assert!(request.encoded_len() <= proto::MAX_MESSAGE_BYTES, "{}", request.encoded_len());
        let mut with_card = request.holds[0].clone();
        let card = proto::common::PresentedCard {
            pan: "9".repeat(Pan::MOST_DIGITS),
            expiry: "2703".to_owned(),
            cvv2: "017".to_owned(),
            track2: "9".repeat(Track2::MOST_CHARS),
            pin_block: Some(proto::common::PinBlock { format: 2, key_version: u32::MAX, block: vec![9; 16] }),
        };
        let terminal_id = "t".repeat(64);
        with_card.payer = Some(pb::hold::Payer::Card(pb::CardAtTerminal { card: Some(card), terminal_id }));
        assert_eq!(with_card.encoded_len(), 800);
        let request = pb::HoldLegsRequest { holds: vec![with_card; MOST_CARDS_TOGETHER] };
        assert!(request.encoded_len() <= proto::MAX_MESSAGE_BYTES, "{}", request.encoded_len());
    }
}
