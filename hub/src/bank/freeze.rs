//! A bank is told what its customers have frozen.

use domain::{BankId, Reason};
use proto::bank as pb;

use super::{Banks, Client};

impl Banks {
    /// Tells a bank once; `Err` says why it has not answered, for the log of whoever tells it again.
    pub(crate) async fn follow_orders(
        &self,
        bank: &BankId,
        request: pb::FollowOrdersRequest,
    ) -> Result<pb::FollowOrdersResponse, String> {
        let asked = |mut client: Client, request| async move { client.follow_orders(request).await };
        let answer = self.links.call((bank, "follow_orders"), request, asked).await;
        answer.map_err(|status| {
            let reason = proto::reason_of(&status).map_or("", Reason::code);
            format!("{:?} {reason}", status.code())
        })
    }
}
