//! Open feeds: what an idle one costs the hub, and how soon a charge is on its feed while half of what can be paid is paid.

use std::collections::VecDeque;
use std::time::Duration;

use proto::cardholder as pb;
use tokio::task::JoinSet;
use tonic::Streaming;

use super::world::World;
use super::{RecordsError, RecordsOptions};
use crate::bench::contest::ROUNDS;
use crate::bench::payments::{Load, Means, Seen};
use crate::bench::rounds::median;
use crate::bench::{WARM_UP, usage};
use crate::phone::Phone;
use crate::trial::Federation;

/// Feeds that are opened at once.
const OPENING: usize = 64;
/// How long the hub is left alone before its memory is read.
const SETTLES: Duration = Duration::from_secs(3);

/// What open feeds cost, and how soon they tell.
#[derive(Clone, Debug)]
pub struct Fed {
    /// Idle feeds, each of a person of its own over a connection of its own, and by how much they made the hub larger.
    pub idle: usize,
    pub idle_kib: u64,
    /// Feeds of those who pay, each over a connection of its own.
    pub open: usize,
    /// What all of them pay when each pays all the time: the median of the rounds.
    pub peak_per_second: f64,
    /// What was paid while it was measured how soon feeds tell: the median of the rounds.
    pub paid_per_second: f64,
    /// What they saw at half of that.
    pub seen: Seen,
}

/// Measures both: first the idle ones, which are closed again.
pub async fn measure(world: &mut World, options: &RecordsOptions) -> Result<Fed, RecordsError> {
    let (idle, idle_kib) = idle(world).await?;
    world.scene.pay(Means::Phone, WARM_UP).await?;
    let span = options.span / ROUNDS;
    let (mut peaks, mut paid, mut seen) = (Vec::new(), Vec::new(), Seen::default());
    for _ in 0..ROUNDS {
        let (at_most, elapsed) = world.scene.pay(Means::Phone, span).await?;
        let peak = at_most.per_second(elapsed);
        peaks.push(peak);
        let every = Some(Duration::from_secs_f64(world.scene.payers.len() as f64 / (peak / 2.0).max(0.1)));
        let (half, elapsed) = world.scene.pay_as(Load { means: Means::Phone, span, every }).await?;
        paid.push(half.per_second(elapsed));
        seen.merge(&half);
    }
    let open = world.scene.payers.len();
    Ok(Fed { idle, idle_kib, open, peak_per_second: median(peaks), paid_per_second: median(paid), seen })
}

/// Opens a feed for each phone, over a connection of its own; gives how many and by how much the hub has grown.
async fn idle(world: &World) -> Result<(usize, u64), RecordsError> {
    tokio::time::sleep(SETTLES).await;
    let before = resident(world);
    let (mut opening, mut feeds) = (JoinSet::new(), VecDeque::with_capacity(world.phones.len()));
    let mut phones = world.phones.iter();
    loop {
        while opening.len() < OPENING
            && let Some((phone, end)) = phones.next()
        {
            opening.spawn(open(phone.clone(), *end, &world.scene.federation)?);
        }
        match opening.join_next().await {
            Some(opened) => feeds.push_back(opened.map_err(|_| RecordsError::TaskEnded)??),
            None => break,
        }
    }
    tokio::time::sleep(SETTLES).await;
    Ok((feeds.len(), resident(world).saturating_sub(before)))
}

type Opened = (Phone, Streaming<pb::WatchEventsResponse>);

/// A feed that is open, from the end of what has happened.
fn open(
    phone: Phone,
    end: i64,
    federation: &Federation,
) -> Result<impl Future<Output = Result<Opened, RecordsError>> + Send + 'static, RecordsError> {
    let channel = federation.phone_channel()?;
    Ok(async move {
        let phone = phone.over(channel)?;
        let events = phone.events(end).await?;
        Ok((phone, events))
    })
}

fn resident(world: &World) -> u64 {
    let process = world.scene.federation.first_hub().ok().and_then(|hub| hub.process_id());
    process.and_then(usage::resident_kib).unwrap_or_default()
}
