//! Everybody is told: the person in the feed, from which SMS goes out, and the carrier among its answers. The bank knows by then.

use domain::sign_up::{SignUp, State};
use domain::{Reason, SignUpId};
use server_kit::store::StoreError;

use super::ask::who_of;
use super::steps::Work;
use super::{sql, words};
use crate::directory::join as people;
use crate::feed::Feeds;

pub(super) async fn tell(work: &mut Work<'_>, id: SignUpId) -> Result<Result<SignUp, Reason>, StoreError> {
    let Some(mut stored) = sql::load(work.tx, id).await? else { return Ok(Err(Reason::SignUpUnknown)) };
    let (Some((bank, _)), Some((person_id, masked)), State::Bound) =
        (stored.sign_up.account.clone(), stored.sign_up.bound.clone(), stored.sign_up.state)
    else {
        return Ok(Ok(stored.sign_up));
    };
    let who = who_of(work, &stored)?;
    let bank = sql::bank_name(work.tx, &bank).await?;
    let carrier = sql::load_carrier(work.tx, &stored.sign_up.carrier_id).await?;
    let carrier = carrier.map_or_else(|| stored.sign_up.carrier_id.to_string(), |carrier| carrier.display_name);
    let answer = work.next_answer(&stored.sign_up).await?;
    if stored.sign_up.tell(answer, work.now) {
        stored.sealed = None;
        work.moved(&stored).await?;
        let mut feeds = Feeds::load(work.tx, [person_id].into()).await?;
        let waits = !people::is_active(work.tx, person_id).await?;
        let news = words::signed_up(id.uuid(), (&bank, &masked), &carrier, (&who.phone.masked(), waits));
        work.events.extend(feeds.tell_news(person_id, news, work.now));
        feeds.write(work.tx).await?;
    }
    Ok(Ok(stored.sign_up))
}
