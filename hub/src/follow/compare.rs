//! Comparing a purchase with shops nearby.

use domain::feed::{Event, EventKind, News, Topic};
use domain::nearby::Reach;
use domain::purchase::{Purchase, PurchaseState};
use server_kit::store::StoreError;

use super::Todo;
use crate::prices::Prices;

/// A purchase of things at a place that is known.
pub(super) fn wants(event: &Event) -> bool {
    match &event.kind {
        EventKind::Charge(purchase) => purchase.location.is_some() && !purchase.items.is_empty(),
        _ => false,
    }
}

/// News of what shops nearby ask, when there is anything to tell.
pub(super) async fn todo(prices: &Prices, purchase: &Purchase) -> Result<Todo, StoreError> {
    if purchase.state == PurchaseState::Reversed {
        return Ok(Todo::default());
    }
    let message = prices.compare(purchase, Reach::default()).await?;
    let news = message.map(|message| News {
        topic: Topic::Prices,
        subject: purchase.payment_id.uuid(),
        english: message.english(),
        chinese: message.chinese(),
    });
    Ok(Todo { news: news.into_iter().collect(), ..Todo::default() })
}
