//! By what the person is known where this phone is not at hand: the safety code on the telephone and the web page, the account password on
//! the web page. Both are set here, with the key and the transaction password.

use std::time::SystemTime;

use domain::sign_in::AccountPassword;
use domain::{OrderId, TransactionPassword, safety_code, sign_in};
use proto::cardholder as pb;
use zeroize::Zeroizing;

use crate::error::{Failure, SdkError};
use crate::phone::{Inner, Phone};
use crate::platform;
use crate::purchase::optional_time;
use crate::session::Hub;

/// How the safety code stands. The code itself is known to nobody but the person.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SafetyCodeStanding {
    /// When it was set last; none when it never was.
    pub set_at: Option<SystemTime>,
    /// Until when it may be set for the first time, after an identity check at a bank; none when no check is open.
    pub open_until: Option<SystemTime>,
    /// Until when it is not looked at, since it was wrong too often; none when it is.
    pub blocked_until: Option<SystemTime>,
}

impl Inner {
    fn new_order(&self) -> Result<OrderId, Failure> {
        Ok(OrderId::from_uuid(platform::new_id(&*self.clock)?))
    }

    async fn set_safety_code(&self, code: Zeroizing<String>, password: Zeroizing<String>) -> Result<(), Failure> {
        TransactionPassword::parse(&password)?;
        let code = safety_code::SafetyCode::parse(&code)?;
        code.may_be_chosen()?;
        let form = safety_code::SetForm { order_id: self.new_order()?, signed_at: self.clock.now(), code };
        let text = form.text();
        let (_, signature) = self.sign_text("bankhub.v1.safety_code", &text).await?;
        let request = pb::SetSafetyCodeRequest { text, signature, transaction_password: password.to_string() };
        let call = |mut hub: Hub, request| async move { hub.set_safety_code(request).await };
        self.insist(request, call).await.map(|_| ())
    }

    async fn set_account_password(&self, new: Zeroizing<String>, password: Zeroizing<String>) -> Result<(), Failure> {
        TransactionPassword::parse(&password)?;
        let new = AccountPassword::parse(&new)?;
        let form = sign_in::SetForm { order_id: self.new_order()?, signed_at: self.clock.now(), password: new };
        let text = form.text();
        let (_, signature) = self.sign_text("bankhub.v1.account_password", &text).await?;
        let request = pb::SetAccountPasswordRequest { text, signature, transaction_password: password.to_string() };
        let call = |mut hub: Hub, request| async move { hub.set_account_password(request).await };
        self.insist(request, call).await.map(|_| ())
    }
}

#[uniffi::export]
impl Phone {
    /// How the safety code stands at this moment; nothing is told when the hub cannot be reached.
    pub async fn safety_code(&self) -> Result<SafetyCodeStanding, SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.get_safety_code(request).await };
            let stands = inner.insist(pb::GetSafetyCodeRequest {}, call).await?;
            Ok(SafetyCodeStanding {
                set_at: optional_time(stands.set_at.as_ref()),
                open_until: optional_time(stands.open_until.as_ref()),
                blocked_until: optional_time(stands.blocked_until.as_ref()),
            })
        })
        .await
    }

    /// Sets the safety code, six to eight digits that are not easily guessed, by which the person freezes on the telephone and on the web
    /// page. The first one takes an identity check at a bank. The key signs it, and the transaction password, six digits, is asked for: a
    /// wrong one counts like one at a terminal.
    pub async fn set_safety_code(&self, code: String, transaction_password: String) -> Result<(), SdkError> {
        let (code, password) = (Zeroizing::new(code), Zeroizing::new(transaction_password));
        self.run(|inner| async move { inner.set_safety_code(code, password).await }).await
    }

    /// Sets the account password, 12 to 64 characters, by which and by a code the person signs in at the hub's web page; whoever is signed
    /// in there is signed out. The key signs it, and the transaction password is asked for as above.
    pub async fn set_account_password(&self, password: String, transaction_password: String) -> Result<(), SdkError> {
        let (new, password) = (Zeroizing::new(password), Zeroizing::new(transaction_password));
        self.run(|inner| async move { inner.set_account_password(new, password).await }).await
    }
}
