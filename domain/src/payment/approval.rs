//! A payment that waits for its code is approved or declined on the payer's phone (S2).

use std::fmt;
use std::time::Duration;

use super::approve::Try;
use super::{PayerGuard, Payment, Policy, Proof, State};
use crate::canonical::{Lines, same_again, time};
use crate::text::Line;
use crate::{AttemptId, BankId, Currency, LegId, Money, PaymentId, PersonId, Reason, TerminalId, Timestamp};

const FORM: &str = "bankhub approval v1";
/// How far the time at which a text was shown may be from the hub's clock when it is first taken in.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(300);
const SECOND_MICROS: i64 = 1_000_000;

/// What a payer agrees to: this payment, of so much, to this payee, from there.
///
/// Its `Display` form is what the phone shows and what its key signs, as UTF-8:
///
/// ```text
/// bankhub approval v1
/// payment: 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f
/// person: 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e10
/// amount: 35.50 CNY
/// payee: Noodle House
/// terminal: till-1
/// from: bank-a ****4821
/// shown: 2026-11-22T10:00:00Z
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalForm {
    pub payment_id: PaymentId,
    /// Who is asked.
    pub person_id: PersonId,
    pub amount: Money,
    /// The merchant's name, as people call it.
    pub payee: Line,
    pub terminal_id: TerminalId,
    pub bank_id: BankId,
    /// What would be charged, by its number as others may see it.
    pub masked: Line,
    /// When the hub gave the text out, in whole seconds: by the hub's clock, since a phone's may stand anywhere.
    pub shown_at: Timestamp,
}

impl ApprovalForm {
    /// What there is to agree to about a payment, shown at this moment. Nothing about one that has no payer, or none that can pay.
    pub fn of(payment: &Payment, shown_at: Timestamp) -> Option<Self> {
        let (seller, charge) = (payment.seller.as_ref()?, payment.charge.as_ref()?);
        let shown_at =
            Timestamp::from_micros(shown_at.micros().saturating_sub(shown_at.micros().rem_euclid(SECOND_MICROS)));
        Some(Self {
            payment_id: payment.id,
            person_id: payment.person_id?,
            amount: payment.amount,
            payee: seller.merchant.name.clone(),
            terminal_id: payment.terminal_id.clone(),
            bank_id: charge.bank_id.clone(),
            masked: Line::parse(&charge.masked).ok()?,
            shown_at,
        })
    }

    /// Reads what was signed. `Err(ApprovalMalformed)` for anything that is not written exactly so.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::read(text).map_err(|_| Reason::ApprovalMalformed)
    }

    fn read(text: &str) -> Result<Self, Reason> {
        let mut lines = Lines::after(FORM, text)?;
        let payment_id = PaymentId::parse(lines.value("payment")?)?;
        let person_id = PersonId::parse(lines.value("person")?)?;
        let (major, currency) = lines.value("amount")?.split_once(' ').ok_or(Reason::AmountMalformed)?;
        let amount = Money::parse_major(Currency::parse(currency)?, major)?;
        let payee = Line::parse(lines.value("payee")?)?;
        let terminal_id = TerminalId::parse(lines.value("terminal")?)?;
        let (bank, masked) = lines.value("from")?.split_once(' ').ok_or(Reason::FieldMissing)?;
        let form = Self {
            payment_id,
            person_id,
            amount: Money::payable(amount.currency, amount.minor)?,
            payee,
            terminal_id,
            bank_id: BankId::parse(bank)?,
            masked: Line::parse(masked)?,
            shown_at: lines.time("shown")?,
        };
        if form.shown_at.micros().rem_euclid(SECOND_MICROS) != 0 {
            return Err(Reason::FieldUnknown);
        }
        same_again(form, text)
    }

    fn is_outdated(&self, now: Timestamp) -> bool {
        now.since(self.shown_at) > SHOWN_WITHIN || self.shown_at.since(now) > SHOWN_WITHIN
    }
}

impl fmt::Display for ApprovalForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORM}")?;
        writeln!(f, "payment: {}", self.payment_id)?;
        writeln!(f, "person: {}", self.person_id)?;
        writeln!(f, "amount: {}", self.amount)?;
        writeln!(f, "payee: {}", self.payee)?;
        writeln!(f, "terminal: {}", self.terminal_id)?;
        writeln!(f, "from: {} {}", self.bank_id, self.masked)?;
        writeln!(f, "shown: {}", time(self.shown_at))
    }
}

/// A person's yes, whose signature is verified.
#[derive(Clone, Debug)]
pub struct Approval {
    /// Tells one try from another; made of what was signed and typed, so that the same sent twice counts once.
    pub id: AttemptId,
    pub form: ApprovalForm,
    pub password_matches: bool,
    /// The leg to use if the try is good.
    pub leg_id: LegId,
}

impl Payment {
    /// The payment if it is this person's; to others it does not exist.
    pub fn paid_by(&self, person_id: PersonId) -> Result<&Self, Reason> {
        if self.person_id == Some(person_id) { Ok(self) } else { Err(Reason::PaymentUnknown) }
    }

    /// Whether a yes is to be evaluated; not if the same was taken in before. `Err` for one that is good for nothing here, which a reader of the
    /// payment can say as well as its writer: a payment that waits no more will not wait again. `PaymentUnknown`, `ApprovalMismatch`,
    /// `NotAwaitingCode` or `ApprovalOutdated`.
    pub fn awaits_approval(
        &self,
        person_id: PersonId,
        (id, form): (AttemptId, &ApprovalForm),
        now: Timestamp,
    ) -> Result<bool, Reason> {
        self.paid_by(person_id)?;
        if ApprovalForm::of(self, form.shown_at).as_ref() != Some(form) {
            return Err(Reason::ApprovalMismatch);
        }
        if self.attempts.contains(&id) {
            return Ok(false);
        }
        if self.state != State::Challenged {
            return Err(Reason::NotAwaitingCode);
        }
        if form.is_outdated(now) { Err(Reason::ApprovalOutdated) } else { Ok(true) }
    }

    /// Evaluates a person's yes: the signature stands in the place of the code, and all else is as with a try at the terminal. `Ok` is an
    /// answer, good or bad; an error changes nothing.
    pub fn approve(
        &mut self,
        person_id: PersonId,
        approval: &Approval,
        guard: &mut PayerGuard,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<(), Reason> {
        if !self.awaits_approval(person_id, (approval.id, &approval.form), now)? {
            return Ok(());
        }
        let proof = Proof { code_matches: true, password_matches: approval.password_matches };
        self.evaluate(
            &Try { id: approval.id, proof, leg_id: approval.leg_id, by_code: false, route: None },
            guard,
            now,
            policy,
        )
    }

    /// Whether a no would change anything; not if the person has said it before. `Err` with `PaymentUnknown` or `NotAwaitingCode`.
    pub fn awaits_decline(&self, person_id: PersonId) -> Result<bool, Reason> {
        self.paid_by(person_id)?;
        match (self.state, self.refusal) {
            (State::Challenged, _) => Ok(true),
            (State::Declined, Some(Reason::PayerDeclined)) => Ok(false),
            _ => Err(Reason::NotAwaitingCode),
        }
    }

    /// The person says no: the payment ends at once, and with it its code. So already is fine.
    pub fn decline_by_payer(&mut self, person_id: PersonId, now: Timestamp) -> Result<(), Reason> {
        if self.awaits_decline(person_id)? {
            self.decline(State::Declined, Reason::PayerDeclined, now);
        }
        Ok(())
    }
}
