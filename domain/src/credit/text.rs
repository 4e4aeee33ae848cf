//! A position as it is stored: lines of words `key=value`, after a word that names the line.

use std::fmt;

use super::allocation::{Item, Portion};
use super::position::{Billed, Position, Sums};
use crate::words::Words;
use crate::{AccountId, Reason};

const POSITION: &str = "position.v1";
const CYCLE: &str = "cycle";
const BILLED: &str = "billed";
const ITEM: &str = "item";

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account_id, closed_through, from, surplus_minor, sums, .. } = self;
        let overdue = self.overdue_since.map_or_else(|| "-".to_owned(), |since| since.to_string());
        write!(f, "{POSITION} account={account_id} closed_through={closed_through} surplus_minor={surplus_minor}")?;
        write!(f, " overdue_since={overdue}\n{CYCLE} from={from} opening_minor={}", sums.opening)?;
        write!(f, " purchases_minor={} cash_advances_minor={}", sums.purchases, sums.cash_advances)?;
        write!(f, " fees_minor={} repayments_minor={} refunds_minor={}", sums.fees, sums.repayments, sums.refunds)?;
        if let Some(billed) = &self.billed {
            let Billed { number, closed_on, due_on, last_day, minimum_due_minor, paid_minor, is_judged } = billed;
            write!(f, "\n{BILLED} number={number} closed_on={closed_on} due_on={due_on} last_day={last_day}")?;
            write!(f, " minimum_due_minor={minimum_due_minor} paid_minor={paid_minor} is_judged={is_judged}")?;
        }
        for item in &self.items {
            let Item { posted_on, portion, billed, left_minor, minor_days, bears } = item;
            let billed = billed.map_or_else(|| "-".to_owned(), |number| number.to_string());
            write!(f, "\n{ITEM} posted_on={posted_on} portion={} billed={billed}", portion.as_str())?;
            write!(f, " left_minor={left_minor} minor_days={minor_days} bears={bears}")?;
        }
        Ok(())
    }
}

impl Position {
    /// Reads a position as it is stored.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut lines = text.split('\n').peekable();
        let mut words = Words::after(POSITION, lines.next().ok_or(Reason::FieldMissing)?)?;
        let account_id = words.read("account", AccountId::parse)?;
        let closed_through = words.value("closed_through")?;
        let surplus_minor = words.number("surplus_minor")?;
        let overdue_since = words.maybe("overdue_since")?;
        words.end()?;
        let mut words = Words::after(CYCLE, lines.next().ok_or(Reason::FieldMissing)?)?;
        let from = words.value("from")?;
        let sums = Sums {
            opening: words.number("opening_minor")?,
            purchases: words.number("purchases_minor")?,
            cash_advances: words.number("cash_advances_minor")?,
            fees: words.number("fees_minor")?,
            repayments: words.number("repayments_minor")?,
            refunds: words.number("refunds_minor")?,
            ..Sums::default()
        };
        words.end()?;
        let billed = match lines.next_if(|line| line.starts_with(BILLED)) {
            None => None,
            Some(line) => Some(read_billed(line)?),
        };
        let items = lines.map(read_item).collect::<Result<_, _>>()?;
        Ok(Self { account_id, closed_through, from, items, surplus_minor, sums, billed, overdue_since })
    }
}

fn read_billed(line: &str) -> Result<Billed, Reason> {
    let mut words = Words::after(BILLED, line)?;
    let billed = Billed {
        number: words.value("number")?,
        closed_on: words.value("closed_on")?,
        due_on: words.value("due_on")?,
        last_day: words.value("last_day")?,
        minimum_due_minor: words.number("minimum_due_minor")?,
        paid_minor: words.number("paid_minor")?,
        is_judged: words.value("is_judged")?,
    };
    words.end()?;
    Ok(billed)
}

fn read_item(line: &str) -> Result<Item, Reason> {
    let mut words = Words::after(ITEM, line)?;
    let item = Item {
        posted_on: words.value("posted_on")?,
        portion: words.read("portion", Portion::parse)?,
        billed: words.maybe("billed")?,
        left_minor: words.number("left_minor")?,
        minor_days: words.value("minor_days")?,
        bears: words.value("bears")?,
    };
    words.end()?;
    Ok(item)
}
