//! The account password, set from the phone.

use clap::Args;
use domain::sign_in::{AccountPassword, SetForm};
use proto::cardholder as pb;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{Phone, PhoneError};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Args)]
pub struct AccountPasswordArgs {
    /// Read the new account password and then the transaction password from the first two lines of standard input; asked when not given.
    #[arg(long)]
    pub passwords_stdin: bool,
}

impl Phone {
    /// Sets the account password, signed by the phone's key. The same form again changes nothing.
    pub async fn set_account_password(
        &self,
        form: &SetForm,
        transaction_password: &SecretString,
    ) -> Result<(), PhoneError> {
        let text = form.text();
        let signature = self.sdk.sign("bankhub.v1.account_password", &text).await?;
        let transaction_password = transaction_password.expose_secret().to_owned();
        let request = pb::SetAccountPasswordRequest { text, signature, transaction_password };
        self.in_session(request, |mut hub, request| async move { hub.set_account_password(request).await }).await?;
        Ok(())
    }
}

pub(super) async fn set(phone: &Phone, args: &AccountPasswordArgs, out: &Output) -> Result<(), CliError> {
    let asking = |source| CliError::System { what: "a password cannot be asked for".to_owned(), source };
    let ask = |question| if args.passwords_stdin { typed::secret_from_stdin() } else { typed::hidden(question) };
    let chosen = ask("new account password: ").map_err(asking)?;
    let transaction_password = ask("transaction password: ").map_err(asking)?;
    AccountPassword::parse(chosen.expose_secret()).map_err(|reason| CliError::Usage(reason.english().to_owned()))?;
    let bare = |secret: &SecretString| secret.expose_secret().to_owned();
    let set = phone.sdk().set_account_password(bare(&chosen), bare(&transaction_password));
    set.await.map_err(PhoneError::from)?;
    out.event("the account password is set", &json!({ "set": true }));
    Ok(())
}
