//! What a set of steps has loaded and changed, and what each step makes of it by the rules of `domain::network`.

use std::collections::BTreeMap;

use domain::network::{
    Again, Asked, First, Said, Standing, UNKNOWN_ENOUGH, Voiding, acquirer_day, again, first, giving_back, is_believed,
    voiding,
};
use domain::{LegId, Money, Reason, Timestamp};
use iso8583::element::Stan;
use iso8583::{Message, Mti};
use jiff::civil::Date;
use server_kit::audit::Entry;
use server_kit::keystore::KeyName;
use server_kit::store::StoreError;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::link::Link;
use super::message::{About, Answer, Draft, Numbered, Trace, about, first as first_message, mti_of, reference};
use super::sql::{Order, Orders};
use super::steps::{IssuerSteps, Named, Outcome, bound, entry};
use super::totals::DayTotals;
use crate::network::sql::LinkDay;

/// What a set of steps has loaded and changed.
pub(super) struct Set<'s> {
    pub(super) steps: &'s IssuerSteps,
    pub(super) now: Timestamp,
    pub(super) today: Date,
    pub(super) orders: Orders,
    pub(super) changed: BTreeMap<(LegId, Asked), i64>,
    pub(super) days: BTreeMap<String, LinkDay>,
    pub(super) lines: BTreeMap<String, (i64, i64)>,
    pub(super) numbered: BTreeMap<String, i64>,
    /// Totals of days that are due.
    pub(super) totals: Vec<DayTotals>,
    pub(super) log: Vec<Entry>,
}

impl Set<'_> {
    pub(super) fn standing(&self, leg: LegId, asked: Asked) -> Option<Standing> {
        self.orders.get(&(leg, asked)).map(|order| order.standing)
    }

    /// What a leg began with.
    fn begun(&self, leg: LegId) -> Option<&Order> {
        self.orders.get(&(leg, Asked::Charge)).or_else(|| self.orders.get(&(leg, Asked::Authorisation)))
    }

    pub(super) fn day(&self, link: &str) -> Date {
        self.days.get(link).map_or(self.today, |day| day.day)
    }

    /// The next number of a line; after 999999 comes 000001.
    pub(super) fn number(&mut self, link: &str) -> i64 {
        let (_, next) = self.lines.get(link).copied().unwrap_or((0, 1));
        let stan = self.numbered.get(link).copied().unwrap_or(next);
        let after = u64::try_from(stan).ok().and_then(Stan::from_number).unwrap_or(Stan::LAST).next();
        self.numbered.insert(link.to_owned(), i64::try_from(after.number()).unwrap_or(1));
        stan
    }

    pub(super) fn put(&mut self, mut order: Order) -> Order {
        let key = (order.leg, order.asked);
        let stored = self.orders.get(&key).map_or(0, |known| known.version);
        // Written once, however many steps of the set have changed it.
        let version = *self.changed.entry(key).or_insert(stored + 1);
        order.version = version;
        self.orders.insert(key, order.clone());
        order
    }

    /// A new order with its numbers, whose message is made by `build`.
    fn ask(
        &mut self,
        named: &Named,
        (asked, original, amount): (Asked, Option<LegId>, Money),
        build: impl FnOnce(&Link, &Numbered<'_>) -> Result<Zeroizing<Vec<u8>>, String>,
    ) -> Result<Outcome, StoreError> {
        let steps = self.steps;
        let Some(link) = steps.links.get(&named.link) else { return Ok(Outcome::Impossible(Reason::BankAway)) };
        let sent_at = Timestamp::from_micros(self.now.micros() - self.now.micros().rem_euclid(1_000_000));
        let stan = self.number(&named.link);
        let numbered = Numbered { trace: Trace::of(stan, sent_at), sent_at: self.now, zone: &steps.zone };
        let octets = match build(link, &numbered) {
            Ok(octets) => octets,
            Err(error) => {
                tracing::error!(link = link.id, error, "a message to a card network cannot be made");
                return Ok(Outcome::Impossible(Reason::MessageMalformed));
            }
        };
        let sealed = steps.keys.seal(KeyName::SealedPayload, &bound(named.leg, asked), &octets);
        let sealed = sealed.map_err(|error| StoreError::Refused(error.to_string()))?;
        let order = self.put(Order {
            leg: named.leg,
            asked,
            version: 0,
            standing: Standing::Asked,
            unknown: 0,
            told_again: false,
            approval_code: None,
            due_at: None,
            day: self.day(&named.link),
            link: named.link.clone(),
            bank: named.bank.clone(),
            payment: named.payment,
            original,
            amount,
            stan,
            sent_at,
            sealed,
        });
        Ok(Outcome::Send { order: Box::new(order), is_repeat: false })
    }

    pub(super) fn first(&mut self, named: &Named, draft: &Draft) -> Result<Outcome, StoreError> {
        let is_void = self.standing(named.leg, Asked::Reversal).is_some();
        match first(self.standing(named.leg, draft.asked), is_void) {
            First::Void => Ok(Outcome::Void),
            First::Stands(standing) => Ok(Outcome::Stands(standing)),
            First::AskAgain => Ok(self.again(named.leg, draft.asked)),
            First::Ask => {
                let name = reference(named.leg.uuid());
                self.ask(named, (draft.asked, None, draft.amount), |link, numbered| {
                    written(&first_message(&link.manner, draft, &name, numbered))
                })
            }
        }
    }

    fn again(&self, leg: LegId, asked: Asked) -> Outcome {
        match self.orders.get(&(leg, asked)) {
            Some(order) => Outcome::Send { order: Box::new(order.clone()), is_repeat: true },
            None => Outcome::Impossible(Reason::LegUnknown),
        }
    }

    /// A message about another leg, or about the beginning of its own.
    fn about(
        &mut self,
        named: &Named,
        (asked, of): (Asked, LegId),
        (original, amount): (Option<LegId>, Money),
    ) -> Result<Outcome, StoreError> {
        let Some(begun) = self.begun(of).cloned() else { return Ok(Outcome::Impossible(Reason::LegUnknown)) };
        let octets = self.steps.open(&begun)?;
        // Of what was completed, the completion is what has taken the money.
        let completion = self.orders.get(&(of, Asked::Completion)).filter(|order| order.standing == Standing::Done);
        let target = completion.filter(|_| asked != Asked::Completion).unwrap_or(&begun);
        let mti: Mti = mti_of(target.asked);
        let named_before = (mti, Trace::of(target.stan, target.sent_at));
        let approval_code = target.approval_code.clone().or_else(|| begun.approval_code.clone());
        let own = (asked == Asked::Refund).then(|| reference(named.leg.uuid()));
        self.ask(named, (asked, original, amount), |link, numbered| {
            let message = Message::read(link.manner.dialect, &octets).map_err(|error| error.to_string())?;
            let told = About {
                asked,
                first: &message,
                named: named_before,
                amount,
                approval_code: approval_code.as_deref(),
                reference: own.as_deref(),
            };
            written(&about(&link.manner, &told, numbered))
        })
    }

    pub(super) fn void(&mut self, named: &Named) -> Result<Outcome, StoreError> {
        let begun = self.begun(named.leg).map(|order| (order.standing, order.amount));
        match voiding(begun.map(|(standing, _)| standing), self.standing(named.leg, Asked::Reversal)) {
            Voiding::Done => Ok(Outcome::Void),
            Voiding::TellAgain => Ok(self.again(named.leg, Asked::Reversal)),
            Voiding::Tell => {
                let amount = begun.map(|(_, amount)| amount).ok_or(StoreError::Stopped)?;
                self.about(named, (Asked::Reversal, named.leg), (None, amount))
            }
            Voiding::Bury => {
                self.put(Order {
                    leg: named.leg,
                    asked: Asked::Reversal,
                    version: 0,
                    standing: Standing::Done,
                    unknown: 0,
                    told_again: false,
                    approval_code: None,
                    due_at: None,
                    day: self.day(&named.link),
                    link: named.link.clone(),
                    bank: named.bank.clone(),
                    payment: named.payment,
                    original: None,
                    amount: Money::new(domain::Currency::CNY, 0),
                    stan: 0,
                    sent_at: Timestamp::from_micros(0),
                    sealed: Vec::new(),
                });
                Ok(Outcome::Void)
            }
        }
    }

    pub(super) fn complete(&mut self, named: &Named, amount: Money) -> Result<Outcome, StoreError> {
        match self.standing(named.leg, Asked::Completion) {
            Some(Standing::Asked) => Ok(self.again(named.leg, Asked::Completion)),
            Some(standing) => Ok(Outcome::Stands(standing)),
            None => self.about(named, (Asked::Completion, named.leg), (None, amount)),
        }
    }

    /// What has taken the money of a leg, or was to.
    fn taken(&self, leg: LegId) -> Option<&Order> {
        self.orders.get(&(leg, Asked::Completion)).or_else(|| self.begun(leg))
    }

    pub(super) fn give_back(&mut self, named: &Named, original: LegId, amount: Money) -> Result<Outcome, StoreError> {
        for asked in [Asked::Reversal, Asked::Refund] {
            match self.standing(named.leg, asked) {
                None => {}
                Some(Standing::Asked) => return Ok(self.again(named.leg, asked)),
                Some(standing) => return Ok(Outcome::Stands(standing)),
            }
        }
        let Some(taken) = self.taken(original) else { return Ok(Outcome::Impossible(Reason::OriginalUnknown)) };
        let asked = giving_back(taken.amount == amount, taken.day == self.day(&named.link));
        self.about(named, (asked, original), (Some(original), amount))
    }

    pub(super) fn answered(
        &mut self,
        (leg, asked): (LegId, Asked),
        said: Said,
        approval_code: Option<&String>,
    ) -> Outcome {
        let Some(mut order) = self.orders.get(&(leg, asked)).cloned() else {
            return Outcome::Impossible(Reason::LegUnknown);
        };
        if order.standing != Standing::Asked {
            return Outcome::Stands(order.standing);
        }
        // What was only reserved the network lets go of by itself, and knows no more.
        let taken = self.taken(order.original.unwrap_or(leg)).filter(|it| it.asked != Asked::Authorisation);
        let taken = taken.map(|order| order.standing);
        match said {
            Said::Unclear(_) => return Outcome::Stands(Standing::Asked),
            Said::Refused(reason) => order.standing = Standing::Refused(reason),
            Said::Done => {
                order.standing = Standing::Done;
                order.approval_code = approval_code.cloned();
            }
            Said::Unknown => {
                order.unknown += 1;
                if is_believed(taken, order.unknown) {
                    order.standing = Standing::Done;
                } else if order.unknown == UNKNOWN_ENOUGH {
                    tracing::error!(link = order.link, payment = %order.payment, "a card network has approved a payment and knows nothing of it");
                    metrics::counter!("bankhub_issuer_advices_refused_total", "link" => order.link.clone(), "asked" => asked.as_str())
                        .increment(1);
                }
            }
        }
        if order.standing != Standing::Asked {
            order.due_at = None;
            if order.told_again {
                self.tell_again(&mut order);
            }
        }
        let order = self.put(order);
        if asked.is_first() && order.standing == Standing::Done && self.is_void(leg) {
            return Outcome::Void;
        }
        Outcome::Stands(order.standing)
    }

    /// The network approves what nobody waits for any more. What was refused before is taken back: whoever asked was told no.
    pub(super) fn late(
        &mut self,
        link: &str,
        (stan, sent_at): (i64, Timestamp),
        answer: &Answer,
    ) -> Result<Outcome, StoreError> {
        let is_it = |order: &&Order| {
            order.asked.is_first() && order.link == link && (order.stan, order.sent_at) == (stan, sent_at)
        };
        let Some(order) = self.orders.values().find(is_it).cloned() else {
            return Ok(Outcome::Impossible(Reason::LegUnknown));
        };
        let note = |kind| entry(kind, order.payment.uuid(), format!("link={link} stan={stan:06}"));
        let octets = self.steps.open(&order)?;
        let sent = self.steps.links.get(link).and_then(|link| Message::read(link.manner.dialect, &octets).ok());
        if !sent.is_some_and(|sent| answer.is_of(&sent)) {
            tracing::error!(link, stan, payment = %order.payment, "a card network approves late, and something else than it was asked");
            self.log.push(note("NETWORK_APPROVED_OTHERWISE"));
            return Ok(Outcome::Impossible(Reason::Fault));
        }
        let (leg, approval_code) = (order.leg, answer.approval_code.as_ref());
        if !matches!(order.standing, Standing::Refused(_)) {
            return Ok(self.answered((leg, order.asked), Said::Done, approval_code));
        }
        tracing::error!(link, stan, payment = %order.payment, "a card network approves what it has refused");
        self.log.push(note("NETWORK_APPROVED_AFTER_REFUSAL"));
        let named = Named { link: link.to_owned(), bank: order.bank.clone(), leg, payment: order.payment };
        let amount = order.amount;
        self.put(Order { standing: Standing::Done, approval_code: approval_code.cloned(), ..order });
        if self.is_void(leg) {
            return Ok(Outcome::Void);
        }
        self.about(&named, (Asked::Reversal, leg), (None, amount))?;
        // No payment waits for it, so that it is told by itself.
        if let Some(reversal) = self.orders.get(&(leg, Asked::Reversal)).cloned() {
            self.put(Order { due_at: Some(self.now), ..reversal });
        }
        Ok(Outcome::Void)
    }

    /// Whether a leg that was approved just now has been given up before: then its reversal is told again, for the network may have heard
    /// of that one first.
    fn is_void(&mut self, leg: LegId) -> bool {
        let Some(mut reversal) = self.orders.get(&(leg, Asked::Reversal)).cloned() else { return false };
        match again(reversal.standing, reversal.stan > 0) {
            Again::Never => return true,
            Again::AtOnce => self.tell_again(&mut reversal),
            Again::OnceAnswered => reversal.told_again = true,
        }
        self.put(reversal);
        true
    }

    /// The same message goes out by itself as if it had never been answered.
    fn tell_again(&mut self, reversal: &mut Order) {
        reversal.standing = Standing::Asked;
        reversal.unknown = 0;
        reversal.told_again = false;
        reversal.due_at = Some(self.now);
        let content = format!("link={} stan={:06}", reversal.link, reversal.stan);
        self.log.push(entry("NETWORK_REVERSAL_AGAIN", reversal.payment.uuid(), content));
    }

    pub(super) fn cut_over(&mut self, link: &str, day: u16) -> Outcome {
        let before = self.day(link);
        let next = match acquirer_day(day, before) {
            Ok(next) if next >= before => next,
            Ok(_) | Err(_) => return Outcome::Impossible(Reason::TimeOutOfRange),
        };
        if next > before {
            let version = self.days.get(link).map_or(1, |day| day.version + 1);
            self.days.insert(link.to_owned(), LinkDay { version, day: next });
            self.log.push(entry("NETWORK_CUT_OVER", Uuid::nil(), format!("link={link} day={next}")));
        }
        Outcome::Day(before, next)
    }
}

fn written(
    message: &Result<iso8583::MessageBuilder<'static>, iso8583::BuildError>,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut octets = Zeroizing::new(Vec::with_capacity(512));
    let message = message.as_ref().map_err(ToString::to_string)?;
    message.write(&mut octets).map_err(|error| error.to_string())?;
    Ok(octets)
}
