//! Payments that wait at a terminal for the person's code, approved or declined here instead: the code need not be typed.

use std::time::SystemTime;

use domain::payment::ApprovalForm;
use domain::{PersonId, Reason, TransactionPassword};
use proto::cardholder as pb;
use zeroize::Zeroizing;

use crate::error::{Failure, SdkError, Trouble};
use crate::mirror::mirror;
use crate::phone::{Inner, Phone};
use crate::purchase::{LineItem, Location, Merchant, Money, items_of, location_of, merchant_of, money_of, time_of};
use crate::repayments::{Refusal, refusal_of};
use crate::session::Hub;

mirror! {
    /// Where a payment stands for the person who was asked.
    ApprovalState = pb::ApprovalState {
        /// It still waits: the transaction password was wrong, which the refusal says. It counts as at a terminal.
        Awaiting,
        /// Approved by the person; the bank is being asked, and the charge comes as an event when there is one.
        Pending,
        /// Charged.
        Approved,
        /// Nothing was charged, nor will be; the refusal says why.
        Declined,
        /// Charged and given back whole since, or never charged because the terminal took it back.
        Reversed,
    }
}

/// A payment that waits for the person's answer.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Approval {
    pub payment_id: String,
    pub amount: Money,
    pub merchant: Merchant,
    /// What people call the place; may be empty.
    pub place: String,
    pub location: Option<Location>,
    /// The terminal that waits.
    pub terminal_id: String,
    pub items: Vec<LineItem>,
    /// The bank that would be charged.
    pub bank_id: String,
    /// What people call that bank.
    pub bank_name: String,
    /// The account or card that would be charged as others may see it, such as "****4821".
    pub account_masked: String,
    /// When the terminal asked.
    pub created_at: SystemTime,
    /// Until when it can be approved: the end of its code.
    pub expires_at: SystemTime,
    /// What the key signs, line by line; it is taken within five minutes after it was listed.
    pub text: String,
}

/// What came of an answer.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ApprovalOutcome {
    pub payment_id: String,
    pub state: ApprovalState,
    /// Why it was declined, or why it still waits.
    pub refusal: Option<Refusal>,
}

fn approval_of(it: pb::Approval) -> Approval {
    Approval {
        payment_id: it.payment_id,
        amount: money_of(it.amount),
        merchant: merchant_of(it.merchant),
        place: it.place,
        location: it.location.map(location_of),
        terminal_id: it.terminal_id,
        items: items_of(it.items),
        bank_id: it.bank_id,
        bank_name: it.bank_name,
        account_masked: it.account_masked,
        created_at: time_of(it.created_at.as_ref()),
        expires_at: time_of(it.expires_at.as_ref()),
        text: it.text,
    }
}

/// Whether the text to be signed says what the person was shown, and nobody else's: a phone signs nothing that it has not read itself.
/// `Err(ApprovalMalformed)` for a text that is no approval at all.
fn says_what_it_shows(approval: &Approval, person_id: PersonId) -> Result<bool, Reason> {
    let form = ApprovalForm::parse(&approval.text)?;
    Ok(form.person_id == person_id
        && form.payment_id.to_string() == approval.payment_id
        && form.amount.currency.code() == approval.amount.currency_code
        && form.amount.minor == approval.amount.minor_units
        && form.payee.as_str() == approval.merchant.display_name
        && form.terminal_id.to_string() == approval.terminal_id
        && form.bank_id.as_str() == approval.bank_id
        && form.masked.as_str() == approval.account_masked)
}

impl Inner {
    /// Approves what was listed, and gives the hub's answer.
    pub(crate) async fn approve_listed(
        &self,
        approval: pb::Approval,
        password: Zeroizing<String>,
    ) -> Result<pb::ApprovePaymentResponse, Failure> {
        self.approve(&approval_of(approval), password).await
    }

    async fn approve(
        &self,
        approval: &Approval,
        password: Zeroizing<String>,
    ) -> Result<pb::ApprovePaymentResponse, Failure> {
        // A typing error costs no try.
        TransactionPassword::parse(&password)?;
        if !says_what_it_shows(approval, self.bound()?.person_id)? {
            return Err(Trouble::TextForeign.into());
        }
        let text = approval.text.clone();
        let (device_id, signature) = self.sign_text("bankhub.v1.approval", &text).await?;
        let transaction_password = password.to_string();
        let request = pb::ApprovePaymentRequest { text, device_id, signature, transaction_password };
        let call = |mut hub: Hub, request| async move { hub.approve_payment(request).await };
        self.insist(request, call).await
    }

    async fn decline(&self, payment_id: String) -> Result<ApprovalOutcome, Failure> {
        let request = pb::DeclinePaymentRequest { payment_id: payment_id.clone() };
        let call = |mut hub: Hub, request| async move { hub.decline_payment(request).await };
        let answer = self.insist(request, call).await?;
        Ok(ApprovalOutcome {
            payment_id,
            state: ApprovalState::read(answer.state),
            refusal: answer.refusal.map(|refusal| refusal_of(refusal, self.language)),
        })
    }
}

#[uniffi::export]
impl Phone {
    /// The payments that wait for the person's code at a terminal, the last one first; at most 16. They are of this moment, so that nothing
    /// is told when the hub cannot be reached. An event with a code says when there is one more.
    pub async fn pending_approvals(&self) -> Result<Vec<Approval>, SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.list_approvals(request).await };
            let answer = inner.insist(pb::ListApprovalsRequest {}, call).await?;
            Ok(answer.approvals.into_iter().map(approval_of).collect())
        })
        .await
    }

    /// Approves a payment as it was listed, in the place of its code: the key signs its text, which is held against what the approval shows
    /// before, and the transaction password, six digits, is asked for. A wrong one counts like one at a terminal. When no answer comes, the
    /// same call again counts nothing and charges nothing twice.
    pub async fn approve(&self, approval: Approval, transaction_password: String) -> Result<ApprovalOutcome, SdkError> {
        let password = Zeroizing::new(transaction_password);
        self.run(|inner| async move {
            let answer = inner.approve(&approval, password).await?;
            Ok(ApprovalOutcome {
                payment_id: approval.payment_id,
                state: ApprovalState::read(answer.state),
                refusal: answer.refusal.map(|refusal| refusal_of(refusal, inner.language)),
            })
        })
        .await
    }

    /// Declines a payment that waits: its terminal is told at once. It asks for no signature; again it changes nothing.
    pub async fn decline(&self, payment_id: String) -> Result<ApprovalOutcome, SdkError> {
        self.run(|inner| async move { inner.decline(payment_id).await }).await
    }
}

#[cfg(test)]
mod tests {
    use proto::common;

    use super::*;

    const PERSON: &str = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e10";

    fn listed() -> Approval {
        let id = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
        let text = format!(
            "bankhub approval v1\npayment: {id}\nperson: {PERSON}\namount: 35.50 CNY\npayee: Noodle House\n\
             terminal: till-1\nfrom: bank-a ****4821\nshown: 2026-11-22T10:00:00Z\n"
        );
        approval_of(pb::Approval {
            payment_id: id.to_owned(),
            amount: Some(common::Money { currency_code: "CNY".to_owned(), minor_units: 3_550 }),
            merchant: Some(common::Merchant { display_name: "Noodle House".to_owned(), ..common::Merchant::default() }),
            terminal_id: "till-1".to_owned(),
            bank_id: "bank-a".to_owned(),
            account_masked: "****4821".to_owned(),
            text,
            ..pb::Approval::default()
        })
    }

    #[test]
    fn s2_a_phone_signs_nothing_that_says_something_else_than_it_shows() {
        let person = PersonId::parse(PERSON).unwrap();
        assert_eq!(says_what_it_shows(&listed(), person), Ok(true));
        for (shown, signed) in [
            ("35.50 CNY", "355.00 CNY"),
            ("35.50 CNY", "35.50 EUR"),
            ("Noodle House", "Noodle Hous"),
            ("till-1", "till-2"),
            ("bank-a", "bank-b"),
            ("4821", "4822"),
            (PERSON, "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e11"),
            ("9e0f", "9e0e"),
            ("\nshown", "\n\nshown"),
        ] {
            let text = listed().text.replace(shown, signed);
            assert_ne!(text, listed().text, "{shown}");
            assert_ne!(says_what_it_shows(&Approval { text, ..listed() }, person), Ok(true), "{signed}");
        }
    }
}
