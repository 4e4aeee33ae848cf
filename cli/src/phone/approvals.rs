//! Payments that wait at terminals for the person's code, approved or declined on the phone.

use clap::Args;
use domain::{PaymentId, Reason, TransactionPassword};
use proto::cardholder as pb;
use proto::common;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::show::{money, money_value, name, time};
use super::{Phone, PhoneError, bare};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Args)]
pub struct ApproveArgs {
    /// The payment, as `approvals` and the feed name it.
    #[arg(value_name = "PAYMENT", value_parser = typed::payment_id)]
    pub payment: PaymentId,
    /// Read the transaction password from the first line of standard input; asked when not given.
    #[arg(long)]
    pub password_stdin: bool,
}

impl Phone {
    /// The payments that wait for an answer of the person, the last one first.
    pub async fn approvals(&self) -> Result<Vec<pb::Approval>, PhoneError> {
        let request = pb::ListApprovalsRequest {};
        let call = self.in_session(request, |mut hub, request| async move { hub.list_approvals(request).await });
        Ok(call.await?.approvals)
    }

    /// Approves what was listed: the SDK holds its text against what it shows, and has the key sign it.
    pub async fn approve(
        &self,
        approval: &pb::Approval,
        transaction_password: &SecretString,
    ) -> Result<pb::ApprovePaymentResponse, PhoneError> {
        Ok(self.sdk.approve_listed(approval.clone(), bare(transaction_password)).await?)
    }

    /// Signs a text, whatever it says, and sends it as an approval.
    pub async fn approve_text(
        &self,
        text: &str,
        transaction_password: &SecretString,
    ) -> Result<pb::ApprovePaymentResponse, PhoneError> {
        let request = pb::ApprovePaymentRequest {
            signature: self.sdk.sign("bankhub.v1.approval", text).await?,
            text: text.to_owned(),
            device_id: self.device_id.to_string(),
            transaction_password: transaction_password.expose_secret().to_owned(),
        };
        self.send_approval(request).await
    }

    /// Sends what was signed. The same again counts once.
    pub async fn send_approval(
        &self,
        request: pb::ApprovePaymentRequest,
    ) -> Result<pb::ApprovePaymentResponse, PhoneError> {
        self.in_session(request, |mut hub, request| async move { hub.approve_payment(request).await }).await
    }

    /// Declines a payment that waits.
    pub async fn decline_payment(&self, payment: PaymentId) -> Result<pb::DeclinePaymentResponse, PhoneError> {
        let request = pb::DeclinePaymentRequest { payment_id: payment.to_string() };
        self.in_session(request, |mut hub, request| async move { hub.decline_payment(request).await }).await
    }
}

pub(super) async fn approvals(phone: &Phone, out: &Output) -> Result<(), CliError> {
    let found = phone.approvals().await?;
    let row = |it: &pb::Approval| {
        vec![
            time(it.expires_at.as_ref()),
            money(it.amount.as_ref()),
            name(it.merchant.as_ref()),
            it.place.clone(),
            it.terminal_id.clone(),
            format!("{} {}", it.bank_id, it.account_masked),
            it.items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>().join(", "),
            it.payment_id.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let value = Value::Array(found.iter().map(value).collect());
    out.table(&["until (UTC)", "amount", "to", "place", "terminal", "from", "for", "payment"], &rows, &value);
    Ok(())
}

fn value(it: &pb::Approval) -> Value {
    json!({
        "payment_id": it.payment_id,
        "amount": money_value(it.amount.as_ref()),
        "merchant": name(it.merchant.as_ref()),
        "place": it.place,
        "terminal_id": it.terminal_id,
        "bank_id": it.bank_id,
        "bank_name": it.bank_name,
        "account_masked": it.account_masked,
        "created_at": time(it.created_at.as_ref()),
        "expires_at": time(it.expires_at.as_ref()),
        "items": it.items.iter().map(|item| json!({
            "name": item.name,
            "quantity_milli": item.quantity_milli,
            "amount_minor": item.amount_minor,
        })).collect::<Vec<_>>(),
        "text": it.text,
    })
}

pub(super) async fn approve(phone: &Phone, args: &ApproveArgs, out: &Output) -> Result<(), CliError> {
    let id = args.payment.to_string();
    let waiting = phone.approvals().await?.into_iter().find(|approval| approval.payment_id == id);
    let Some(approval) = waiting else {
        let reason = Reason::NotAwaitingCode;
        return Err(CliError::Declined { reason: Some(reason), words: reason.english().to_owned() });
    };
    if !args.password_stdin {
        approval.text.lines().for_each(|line| out.note(line));
    }
    let asking = |source| CliError::System { what: "the password cannot be asked for".to_owned(), source };
    let password = if args.password_stdin {
        typed::secret_from_stdin().map_err(asking)?
    } else {
        typed::hidden("transaction password: ").map_err(asking)?
    };
    TransactionPassword::parse(password.expose_secret()).map_err(|reason| CliError::Usage(reason.to_string()))?;
    let answer = phone.approve(&approval, &password).await?;
    outcome(&id, answer.state(), answer.refusal.as_ref(), out);
    match answer.state() {
        pb::ApprovalState::Approved => Ok(()),
        pb::ApprovalState::Pending => {
            let words = "the bank has not answered yet; the feed tells of the charge when there is one";
            Err(CliError::Unknown(words.to_owned()))
        }
        _ => Err(CliError::Declined {
            reason: answer.refusal.as_ref().and_then(|refusal| Reason::from_code(&refusal.reason)),
            words: answer.refusal.map_or_else(|| "it is not paid".to_owned(), |refusal| refusal.message_en),
        }),
    }
}

pub(super) async fn decline(phone: &Phone, payment: PaymentId, out: &Output) -> Result<(), CliError> {
    let answer = phone.decline_payment(payment).await?;
    outcome(&payment.to_string(), answer.state(), answer.refusal.as_ref(), out);
    Ok(())
}

fn outcome(payment_id: &str, state: pb::ApprovalState, refusal: Option<&common::Refusal>, out: &Output) {
    let word = match state {
        pb::ApprovalState::Unspecified => "",
        pb::ApprovalState::Awaiting => "still waits",
        pb::ApprovalState::Pending => "pending",
        pb::ApprovalState::Approved => "approved",
        pb::ApprovalState::Declined => "declined",
        pb::ApprovalState::Reversed => "reversed",
    };
    let reason = refusal.map(|refusal| refusal.reason.clone());
    let fields = [
        ("payment", payment_id.to_owned()),
        ("state", word.to_owned()),
        ("why", refusal.map(|refusal| refusal.message_en.clone()).unwrap_or_default()),
    ];
    let shown = if reason.is_some() { 3 } else { 2 };
    let value = json!({ "payment_id": payment_id, "state": state.as_str_name(), "reason": reason });
    out.record(fields.get(..shown).unwrap_or_default(), &value);
}
