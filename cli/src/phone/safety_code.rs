//! The safety code, set from the phone.

use clap::Args;
use domain::safety_code::{SafetyCode, SetForm};
use proto::cardholder as pb;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::show::time;
use super::{Phone, PhoneError};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Args)]
pub struct SafetyCodeArgs {
    /// Say how it stands, and set nothing.
    #[arg(long, conflicts_with = "stdin")]
    pub show: bool,
    /// Read the new code from the first line of standard input and the transaction password from the second; asked when not given.
    #[arg(long)]
    pub stdin: bool,
}

impl Phone {
    /// Sets the code by which the person is known over the telephone, signed by the phone's key. The same form again changes nothing.
    pub async fn set_safety_code(
        &self,
        form: &SetForm,
        transaction_password: &SecretString,
    ) -> Result<pb::SetSafetyCodeResponse, PhoneError> {
        let text = form.text();
        let signature = self.sdk.sign("bankhub.v1.safety_code", &text).await?;
        let transaction_password = transaction_password.expose_secret().to_owned();
        let request = pb::SetSafetyCodeRequest { text, signature, transaction_password };
        self.in_session(request, |mut hub, request| async move { hub.set_safety_code(request).await }).await
    }

    /// How the safety code stands.
    pub async fn safety_code(&self) -> Result<pb::GetSafetyCodeResponse, PhoneError> {
        let request = pb::GetSafetyCodeRequest {};
        self.in_session(request, |mut hub, request| async move { hub.get_safety_code(request).await }).await
    }
}

pub(super) async fn safety_code(phone: &Phone, args: &SafetyCodeArgs, out: &Output) -> Result<(), CliError> {
    if !args.show {
        let asking = |source| CliError::System { what: "the code cannot be asked for".to_owned(), source };
        let ask = |prompt| if args.stdin { typed::secret_from_stdin() } else { typed::hidden(prompt) };
        let code = ask("new safety code: ").map_err(asking)?;
        let told = |reason: domain::Reason| CliError::Usage(reason.english().to_owned());
        let code = SafetyCode::parse(code.expose_secret()).map_err(told)?;
        code.may_be_chosen().map_err(told)?;
        let password = ask("transaction password: ").map_err(asking)?;
        let set = phone.sdk().set_safety_code(code.reveal().to_owned(), password.expose_secret().to_owned());
        set.await.map_err(PhoneError::from)?;
    }
    let standing = phone.safety_code().await?;
    let (set, open) = (time(standing.set_at.as_ref()), time(standing.open_until.as_ref()));
    let blocked = time(standing.blocked_until.as_ref());
    let fields = [("set at", set.clone()), ("may be set until", open.clone()), ("blocked until", blocked.clone())];
    out.record(&fields, &json!({ "set_at": set, "open_until": open, "blocked_until": blocked }));
    Ok(())
}
