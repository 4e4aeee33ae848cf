//! The durable steps of links: messages are noted before anything is done about them, days change, totals are compared.

use std::sync::Arc;

use jiff::civil::Date;
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;

use super::sql::{self, Compared, LinkDay, Noted};

#[derive(Debug)]
pub(super) enum Step {
    /// A message came; a repeat changes nothing.
    Note(Box<Noted>),
    /// The link is on another day from now on.
    CutOver {
        link: String,
        day: Date,
    },
    Compare(Box<Compared>),
}

impl Step {
    fn link(&self) -> &str {
        match self {
            Self::Note(noted) => &noted.link,
            Self::CutOver { link, .. } => link,
            Self::Compare(compared) => &compared.link,
        }
    }
}

#[derive(Debug)]
pub(super) struct NetworkSteps {
    pub(super) owner: Arc<Owner>,
    pub(super) chain: HeldChain,
}

impl StepSet for NetworkSteps {
    const NAME: &'static str = "network-writer";

    type Step = Step;
    type Outcome = ();

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<()>, StoreError> {
        self.owner.fence(tx);
        let mut days = sql::load_days(tx, steps.iter().map(|step| step.link().to_owned()).collect()).await?;
        let (mut messages, mut log) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Note(noted) => messages.push(&**noted),
                Step::CutOver { link, day } => {
                    let before = days.get(link).copied();
                    if before.is_none_or(|before| before.day != *day) {
                        let next = LinkDay { version: before.map_or(1, |before| before.version + 1), day: *day };
                        sql::put_day(tx, link, next).await?;
                        days.insert(link.clone(), next);
                        log.push(entry("NETWORK_CUT_OVER", format!("link={link} day={day}")));
                    }
                }
                Step::Compare(compared) => {
                    sql::put_settlement(tx, compared).await?;
                    let Compared { link, day, currency, .. } = &**compared;
                    let balance = if compared.differences().is_empty() { "in" } else { "out" };
                    let content = format!("link={link} day={day} currency={currency} balance={balance}");
                    log.push(entry("NETWORK_TOTALS_COMPARED", content));
                }
            }
        }
        if !messages.is_empty() {
            fault::point("network.before");
        }
        sql::note(tx, messages).await?;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        Ok(steps.iter().map(|_| ()).collect())
    }

    fn committed(&self, steps: &[Step], _: &[()]) {
        self.chain.confirm();
        if steps.iter().any(|step| matches!(step, Step::Note(_))) {
            fault::point("network.after");
        }
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

const fn entry(kind: &'static str, content: String) -> Entry {
    Entry { kind, subject: Uuid::nil(), content }
}
