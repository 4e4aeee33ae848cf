//! What shops ask for their goods, and who nearby asks for less (P1, P2).
//!
//! A terminal publishes the prices of the shop in which it stands. From a purchase with a place the same goods are looked up in shops of
//! the same category around it, by the engine's own index over what the goods are known by and the place; what is worth telling is
//! decided by `domain::nearby`.

mod sql;
mod steps;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::nearby::{Bought, Message, Price, Reach, look};
use domain::purchase::{Purchase, Terminal};
use domain::text::Line;
use domain::{Currency, Money, Reason};
use proto::terminal as pb;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use steps::{PriceSteps, Publish};

/// The most prices of one message.
const MOST_PRICES: usize = 200;

/// The prices of all shops. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prices {
    store: Store,
    writer: GroupWriter<PriceSteps>,
}

impl Prices {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(store: Store, owner: Arc<Owner>) -> (Self, JoinHandle<()>) {
        let (writer, task) =
            GroupWriter::start(store.clone(), Arc::new(PriceSteps { owner }), WriterOptions::default());
        (Self { store, writer }, task)
    }

    /// Publishes what the shop of a terminal asks; gives how many of the prices are new or have changed.
    pub async fn publish(
        &self,
        terminal: Arc<Terminal>,
        request: &pb::PublishPricesRequest,
    ) -> Result<Result<usize, Reason>, StoreError> {
        match read(&terminal, request) {
            Ok(prices) => Ok(Ok(self.writer.write(Publish { terminal, prices }).await?)),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// What is worth telling of a purchase; nothing for one without a place, or when there is nothing to compare.
    pub async fn compare(&self, purchase: &Purchase, reach: Reach) -> Result<Option<Message>, StoreError> {
        let Some(bought) = Bought::of(purchase) else { return Ok(None) };
        let bought = Bought { goods: bought.goods.iter().take(sql::GOODS_AT_ONCE).cloned().collect(), ..bought };
        let shops = sql::read_shops(&self.store, &bought, reach).await?;
        Ok(look(&bought, &shops, reach))
    }
}

/// Prices that can be read, of a terminal whose place is known. Zero is the price of what the shop has no more.
fn read(terminal: &Terminal, request: &pb::PublishPricesRequest) -> Result<Vec<Price>, Reason> {
    terminal.location.ok_or(Reason::LocationUnknown)?;
    if request.prices.is_empty() {
        return Err(Reason::FieldMissing);
    }
    if request.prices.len() > MOST_PRICES {
        return Err(Reason::TooManyItems);
    }
    request.prices.iter().map(price).collect()
}

fn price(message: &pb::Price) -> Result<Price, Reason> {
    let line = |text: &str| if text.is_empty() { Ok(None) } else { Line::parse(text).map(Some) };
    let money = message.price.as_ref().ok_or(Reason::FieldMissing)?;
    let currency = Currency::parse(&money.currency_code)?;
    let price = match money.minor_units {
        0 => Money::new(currency, 0),
        minor => Money::payable(currency, minor)?,
    };
    Ok(Price { name: Line::parse(&message.name)?, code: line(&message.code)?, unit: line(&message.unit)?, price })
}
