//! Vendors' push services. A push message says an id and nothing else; what it is about, the phone asks the hub.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use domain::DeviceId;
use proto::cardholder as pb;

use crate::error::{SdkError, Trouble};
use crate::mirror::mirror;
use crate::phone::Phone;
use crate::session::Hub;

/// Ids that are remembered, so that a message that comes twice is known.
const REMEMBERED: usize = 256;
/// The one field of a message.
const ID_FIELD: &str = "id";

mirror! {
    /// Whose push service.
    PushVendor = pb::PushVendor {
        /// Firebase Cloud Messaging.
        Fcm,
        /// Apple Push Notification service.
        Apns,
        /// Huawei Push Kit.
        Hms,
    }
}

/// What a push message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum PushOutcome {
    /// Listeners hear the news by the stream of events, which is opened at once. A forged id does no more than that.
    New,
    /// It has come before.
    Duplicate,
}

/// Ids that have come.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    seen: Mutex<VecDeque<DeviceId>>,
}

impl Pushes {
    /// Whether it is new. `Err` when it is no id of a notice.
    fn take(&self, data: &HashMap<String, String>) -> Result<PushOutcome, Trouble> {
        let id = data.get(ID_FIELD).ok_or(Trouble::PushForeign)?;
        // Ids of notices look like every other id of the hub.
        let id = DeviceId::parse(id).map_err(|_| Trouble::PushForeign)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(&id) {
            return Ok(PushOutcome::Duplicate);
        }
        if seen.len() >= REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(id);
        Ok(PushOutcome::New)
    }
}

#[uniffi::export]
impl Phone {
    /// Has a vendor's push service reach this phone, in the place of where it was reached before.
    pub async fn register_push(&self, vendor: PushVendor, token: String) -> Result<(), SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.register_push(request).await };
            inner.in_session(pb::RegisterPushRequest { vendor: vendor.number(), token }, call).await?;
            Ok(())
        })
        .await
    }

    /// Has push reach this phone no more.
    pub async fn forget_push(&self) -> Result<(), SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.forget_push(request).await };
            inner.in_session(pb::ForgetPushRequest {}, call).await?;
            Ok(())
        })
        .await
    }

    /// Takes the data of a push message as the vendor's service gave them. `Invalid` with `PUSH_FOREIGN` when it is none of the hub's.
    pub fn handle_push(&self, data: HashMap<String, String>) -> Result<PushOutcome, SdkError> {
        let inner = &self.inner;
        if inner.closing.is_cancelled() {
            return Err(inner.words(Trouble::PhoneClosed));
        }
        let outcome = inner.pushes.take(&data).map_err(|trouble| inner.words(trouble))?;
        if outcome == PushOutcome::New {
            inner.feed.resume();
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_a_push_that_is_forged_or_comes_twice_is_seen() {
        let pushes = Pushes::default();
        let data = |id: &str| HashMap::from([("id".to_owned(), id.to_owned())]);
        let id = |n: usize| format!("0192f0c1-7a6b-7c3d-8e4f-{n:012x}");
        assert_eq!(pushes.take(&data(&id(1))), Ok(PushOutcome::New));
        assert_eq!(pushes.take(&data(&id(1))), Ok(PushOutcome::Duplicate));
        let long = "7".repeat(10 << 20);
        for bad in ["", "1", "0192F0C1-7A6B-7C3D-8E4F-000000000001", "0192f0c1-7a6b-4c3d-8e4f-000000000001", &long] {
            assert_eq!(pushes.take(&data(bad)), Err(Trouble::PushForeign));
        }
        assert_eq!(pushes.take(&HashMap::new()), Err(Trouble::PushForeign));
        for n in 2..2_000 {
            assert_eq!(pushes.take(&data(&id(n))), Ok(PushOutcome::New));
        }
        assert_eq!(pushes.seen.lock().unwrap().len(), REMEMBERED);
    }
}
