//! The call about what the person is used to.

use proto::cardholder as pb;

use super::{Phone, PhoneError};

impl Phone {
    /// The person's habits, of one facet or of all.
    pub async fn habits(&self, facet: pb::Facet) -> Result<Vec<pb::Habit>, PhoneError> {
        let request = pb::ListHabitsRequest { facet: facet.into() };
        let call = self.in_session(request, |mut hub, request| async move { hub.list_habits(request).await });
        Ok(call.await?.habits)
    }
}
