//! The durable step of prices: a shop says what it asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::TerminalId;
use domain::nearby::Price;
use domain::purchase::Terminal;
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::sql::{self, PriceRow};

/// What the shop of a terminal asks for some goods.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) terminal: Arc<Terminal>,
    pub(super) prices: Vec<Price>,
}

#[derive(Debug)]
pub(super) struct PriceSteps {
    pub(super) owner: Arc<Owner>,
}

impl StepSet for PriceSteps {
    const NAME: &'static str = "prices-writer";

    type Step = Publish;
    /// How many are new or have changed.
    type Outcome = usize;

    async fn run(&self, tx: &mut Tx, steps: &[Publish]) -> Result<Vec<usize>, StoreError> {
        self.owner.fence(tx);
        let terminals = steps.iter().map(|step| &step.terminal.id).collect();
        let mut rows: BTreeMap<(TerminalId, String), PriceRow> = sql::load_prices(tx, terminals).await?;
        let mut outcomes = Vec::with_capacity(steps.len());
        for Publish { terminal, prices } in steps {
            let mut changed = 0;
            for price in prices {
                let row = rows.entry((terminal.id.clone(), known_by(price))).or_default();
                if row.price.as_ref() != Some(price) || row.is_elsewhere(terminal) {
                    row.publish(terminal, price);
                    changed += 1;
                }
            }
            outcomes.push(changed);
        }
        sql::put_prices(tx, rows).await?;
        Ok(outcomes)
    }
}

/// What goods are known by in their own shop.
fn known_by(price: &Price) -> String {
    match &price.code {
        Some(code) => format!("code {code}"),
        None => format!("name {}", price.found_by().1),
    }
}
