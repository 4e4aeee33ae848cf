//! What a caller is told when the machinery fails: what they can do about it, and never the particulars.

use std::fmt::Display;

use domain::Reason;
use server_kit::store::StoreError;
use tonic::Status;

/// The status of a call that the store failed. What is not the caller's to mend is logged in full and told as a fault.
pub fn store_status(error: &StoreError) -> Status {
    let reason = error.reason();
    if reason == Reason::Fault {
        return fault(error);
    }
    tracing::debug!(%error, reason = reason.code(), "the store failed a call");
    proto::status(reason)
}

/// The status of a call that failed through a fault of ours.
pub fn fault(error: &dyn Display) -> Status {
    tracing::error!(%error, "a call failed");
    proto::status(Reason::Fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_hears_what_to_do_and_not_what_is_inside() {
        for (error, reason) in [
            (StoreError::Full, Reason::TooBusy),
            (StoreError::Conflict, Reason::StorageAway),
            (StoreError::Away("10.0.0.7 refused".into()), Reason::StorageAway),
            (StoreError::CommitUnknown("10.0.0.7 reset".into()), Reason::StorageAway),
            (StoreError::Stopped, Reason::ShuttingDown),
            (StoreError::Refused("no such table: persons".into()), Reason::Fault),
            (StoreError::Unreadable { column: 3, what: "secret".into() }, Reason::Fault),
        ] {
            let status = store_status(&error);
            assert_eq!(proto::reason_of(&status), Some(reason), "{error}");
            assert_eq!(status.message(), reason.english());
        }
    }
}
