//! What a call asks of the desk, and what is said of its answer.

use std::sync::Arc;
use std::time::Duration;

use domain::card::Pin;
use domain::freeze::Seen;
use domain::safety_code::SafetyCode;
use domain::voice::{Answer, LastDigits, Moment, PurchaseHeard, Refused, Request};
use domain::{OrderId, PhoneNumber, Reason, Timestamp};
use jiff::tz::TimeZone;
use server_kit::rng::IdMaker;

use super::{AtBank, Desk, SpokenPurchase};

/// Nobody is left on the line in silence for longer; what was asked for goes on without the caller.
const ANSWER_AT_MOST: Duration = Duration::from_secs(15);

/// Asks the desk for whoever calls.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) desk: Arc<dyn Desk>,
    pub(super) ids: IdMaker,
    /// In which the times of purchases are said.
    pub(super) zone: TimeZone,
}

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

impl Asking {
    /// Asks once. It runs to its end whatever becomes of the call, so that an order that was begun is not cut off by a hang-up.
    pub(super) async fn answer(&self, caller: &PhoneNumber, request: Request) -> Answer {
        let (asking, caller) = (self.clone(), caller.clone());
        let asked = tokio::spawn(async move { asking.ask(&caller, request).await });
        match tokio::time::timeout(ANSWER_AT_MOST, asked).await {
            Ok(Ok(Ok(answer))) => answer,
            Ok(Ok(Err(reason))) => Answer::Refused(refused(reason)),
            Ok(Err(_)) | Err(_) => Answer::Refused(Refused::Away),
        }
    }

    async fn ask(&self, caller: &PhoneNumber, request: Request) -> Result<Answer, Reason> {
        match request {
            Request::SetSafetyCode { pan, card_password, code } => {
                let (pin, code) = (Pin::parse(card_password.reveal())?, SafetyCode::parse(code.reveal())?);
                self.desk.set_safety_code(caller, &pan, &pin, &code).await?;
                Ok(Answer::CodeSet)
            }
            Request::Freeze { code } => {
                let code = SafetyCode::parse(code.reveal())?;
                let at_banks = self.desk.freeze(caller, &code, self.order_id()?).await?;
                Ok(held(&at_banks, |seen| matches!(seen, Seen::Frozen(_))))
            }
            Request::Unfreeze { code } => {
                let code = SafetyCode::parse(code.reveal())?;
                let at_banks = self.desk.unfreeze(caller, &code, self.order_id()?).await?;
                Ok(held(&at_banks, |seen| *seen == Seen::Free))
            }
            Request::LastPurchases { code, at_most } => {
                let code = SafetyCode::parse(code.reveal())?;
                let purchases = self.desk.last_purchases(caller, &code, at_most.into()).await?;
                purchases.iter().map(|purchase| self.heard(purchase)).collect::<Result<_, _>>().map(Answer::Purchases)
            }
        }
    }

    /// One for each wish.
    fn order_id(&self) -> Result<OrderId, Reason> {
        self.ids.uuid().map(OrderId::from_uuid).map_err(|_| Reason::Fault)
    }

    fn heard(&self, purchase: &SpokenPurchase) -> Result<PurchaseHeard, Reason> {
        let at = moment(purchase.occurred_at, &self.zone)?;
        Ok(PurchaseHeard { amount: purchase.amount, at, ending: LastDigits::of(&purchase.last_four) })
    }
}

/// How many banks have confirmed what was asked for. What its bank has closed counts for nothing.
fn held(at_banks: &[AtBank], is_so: impl Fn(&Seen) -> bool) -> Answer {
    let (mut confirmed, mut being_told, mut some_ended) = (0_u16, 0_u16, false);
    for bank in at_banks {
        let seen = || bank.instruments.iter().map(|standing| &standing.seen);
        some_ended |= seen().any(|seen| matches!(seen, Seen::Ended(_)));
        let mut alive = seen().filter(|seen| !matches!(seen, Seen::Ended(_))).peekable();
        if alive.peek().is_none() {
            continue;
        }
        let count = if alive.all(&is_so) { &mut confirmed } else { &mut being_told };
        *count = count.saturating_add(1);
    }
    Answer::Held { confirmed, being_told, some_ended }
}

fn moment(at: Timestamp, zone: &TimeZone) -> Result<Moment, Reason> {
    let at = jiff::Timestamp::from_microsecond(at.micros()).map_err(|_| Reason::TimeOutOfRange)?;
    let there = zone.to_datetime(at);
    let small = |n: i8| u8::try_from(n).map_err(|_| Reason::TimeOutOfRange);
    Ok(Moment {
        month: small(there.month())?,
        day: small(there.day())?,
        hour: small(there.hour())?,
        minute: small(there.minute())?,
    })
}

/// What the caller is told of a reason.
fn refused(reason: Reason) -> Refused {
    match reason {
        Reason::SafetyCodeRefused | Reason::SafetyCodeMalformed => Refused::Code,
        Reason::SafetyCodeCardRefused | Reason::PinMalformed | Reason::SafetyCodeNotAllowed => Refused::Card,
        Reason::SafetyCodeGuessable => Refused::CodeTooSimple,
        Reason::SafetyCodeNotSetByCard => Refused::NotByPhone,
        _ => Refused::Away,
    }
}

#[cfg(test)]
mod tests {
    use domain::BankId;
    use domain::freeze::HolderFreeze;
    use domain::text::Line;

    use super::*;
    use crate::voice::InstrumentStanding;

    fn at_bank(all_seen: &[Seen]) -> AtBank {
        let instruments =
            all_seen.iter().map(|seen| InstrumentStanding { masked: "****4821".to_owned(), seen: *seen }).collect();
        AtBank { bank_id: BankId::parse("bank-a").unwrap(), bank_name: Line::parse("Bank A").unwrap(), instruments }
    }

    #[test]
    fn f2_a_bank_has_confirmed_when_it_has_confirmed_everything_that_is_still_there() {
        let frozen = Seen::Frozen(HolderFreeze {
            order_number: 1,
            frozen: true,
            effective_at: Timestamp::from_secs(1_790_000_000),
        });
        let ended = Seen::Ended(Reason::CardClosed);
        let is_frozen = |seen: &Seen| matches!(seen, Seen::Frozen(_));
        type Row<'a> = (&'a [AtBank], (u16, u16, bool));
        let table: [Row<'_>; 5] = [
            (&[], (0, 0, false)),
            (&[at_bank(&[frozen]), at_bank(&[frozen, frozen]), at_bank(&[frozen, Seen::Freezing])], (2, 1, false)),
            (&[at_bank(&[frozen, ended])], (1, 0, true)),
            (&[at_bank(&[ended])], (0, 0, true)),
            (&[at_bank(&[Seen::Free])], (0, 1, false)),
        ];
        for (banks, (confirmed, being_told, some_ended)) in table {
            assert_eq!(held(banks, is_frozen), Answer::Held { confirmed, being_told, some_ended }, "{banks:?}");
        }
    }

    #[test]
    fn r7_a_purchase_is_said_at_the_time_of_where_people_live() {
        let zone = crate::zone::Zone::shanghai().rules().clone();
        let at = moment(Timestamp::from_secs(1_790_000_000), &zone).unwrap();
        assert_eq!(at, Moment { month: 9, day: 21, hour: 22, minute: 13 });
    }
}
