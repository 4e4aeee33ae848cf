//! Credit accounts whose statements are closed while a test runs: a bank's clock runs a day ahead, so that today is over there.

use bankhub::trial::{IssuedCard, NewCard};
use domain::{AccountId, BankId, Currency, Money, PersonId, Timestamp};
use jiff::tz::{TimeZone, offset};
use proto::cardholder::{Bill, TotalBill};
use server_kit::clock::{Clock as _, SystemClock};

use crate::cards::{Holder, PIN};
use crate::wait::until;
use crate::world::{World, bin_of};

/// Where banks and hub have their days, which no clock is put forward or back in.
fn zone() -> TimeZone {
    TimeZone::fixed(offset(8))
}

fn zoned(at: Timestamp) -> jiff::Zoned {
    jiff::Timestamp::from_microsecond(at.micros()).unwrap().to_zoned(zone())
}

/// The time at the banks.
pub fn bank_time() -> jiff::Zoned {
    zoned(SystemClock.now())
}

impl World {
    /// A card of debit and credit at the n-th bank whose statement is closed by the end of today.
    pub async fn card_closing_today(&self, n: usize, bank: &str, debit_minor: i64, limit_minor: i64) -> IssuedCard {
        let counter = self.counter(bank).await;
        let opened = counter.open_account("Li Na", Currency::CNY, 0).await.unwrap();
        let debit = AccountId::parse(&opened.account_id).unwrap();
        if debit_minor > 0 {
            counter.deposit(debit, Money::new(Currency::CNY, debit_minor)).await.unwrap();
        }
        let new = NewCard {
            holder: "Li Na",
            bank,
            bin: &bin_of(n),
            debit,
            limit_minor,
            cash_limit_minor: limit_minor / 3,
            pad: "till-1",
            pin: PIN,
        };
        let day = u8::try_from(bank_time().day()).unwrap();
        self.federation.issue_card_closing(&new, day).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Binds a card to a person who has others.
    pub async fn bind_card(&self, person: PersonId, bank: &str, card: &IssuedCard) {
        let bank = BankId::parse(bank).unwrap();
        self.federation.operator().unwrap().bind_card(person, &bank, card.id, false).await.unwrap();
    }

    /// It is tomorrow at this bank, and the days that are over are closed, by an operator of its counter.
    pub async fn close_today(&mut self, bank: &str) {
        let server = self.server(bank);
        server.stop().await.unwrap_or_else(|error| panic!("{error}"));
        server.set("trial.clock_ahead", "24h");
        server.start().await.unwrap_or_else(|error| panic!("{error}"));
        self.counter(bank).await.close_days("").await.unwrap();
    }

    /// The bill of a card's credit side as the person's phone shows it, once it is as it has to be.
    pub async fn bill(&self, holder: &Holder, card: &IssuedCard, what: &str, right: impl Fn(&Bill) -> bool) -> Bill {
        until(what, Self::HEALING, async || {
            let accounts = holder.device.bills(Default::default()).await.unwrap().accounts;
            let of_card = accounts.into_iter().find(|it| it.account_id == card.credit.to_string())?;
            of_card.bills.into_iter().next().filter(|bill| right(bill))
        })
        .await
    }

    /// The one total that there is.
    pub async fn total(&self, holder: &Holder) -> TotalBill {
        let [total] = <[_; 1]>::try_from(holder.device.total_bill().await.unwrap().totals).unwrap();
        total
    }
}
