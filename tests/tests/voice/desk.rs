//! A desk that is played: it knows one caller, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use domain::card::{Pan, Pin};
use domain::freeze::{HolderFreeze, Seen};
use domain::safety_code::SafetyCode;
use domain::text::Line;
use domain::{BankId, Currency, Money, OrderId, PhoneNumber, Reason, Timestamp};
use hub::voice::{AtBank, BoxFuture, Desk, InstrumentStanding, SpokenPurchase};

pub(crate) const CALLER: &str = "+8613800138000";
pub(crate) const CARD: &str = "6228480000000007";
pub(crate) const CARD_PASSWORD: &str = "314159";
pub(crate) const CODE: &str = "271828";

/// What the desk was asked, in words; which codes came it tells by whether they were right.
#[derive(Debug, Default)]
pub(crate) struct PlayedDesk {
    asked: Mutex<Vec<String>>,
    orders: Mutex<Vec<OrderId>>,
}

impl PlayedDesk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// That no two wishes had one id.
    pub(crate) fn every_order_has_its_own_id(&self) -> bool {
        let mut orders = self.orders.lock().unwrap().clone();
        let count = orders.len();
        orders.sort_by_key(|id| id.to_string());
        orders.dedup();
        orders.len() == count
    }

    fn note(&self, what: &str) {
        self.asked.lock().unwrap().push(what.to_owned());
    }

    fn known(&self, caller: &PhoneNumber, code: &SafetyCode, what: &str) -> Result<(), Reason> {
        self.note(what);
        let is_right = caller.as_e164() == CALLER && code.reveal() == CODE;
        if is_right { Ok(()) } else { Err(Reason::SafetyCodeRefused) }
    }
}

fn at_bank(bank: &str, seen: Seen) -> AtBank {
    AtBank {
        bank_id: BankId::parse(bank).unwrap(),
        bank_name: Line::parse(bank).unwrap(),
        instruments: vec![InstrumentStanding { masked: "****4821".to_owned(), seen }],
    }
}

fn frozen() -> Seen {
    Seen::Frozen(HolderFreeze { order_number: 1, frozen: true, effective_at: Timestamp::from_secs(1_790_000_000) })
}

impl Desk for PlayedDesk {
    fn identify<'a>(&'a self, _caller: &'a PhoneNumber) -> BoxFuture<'a, Result<(), Reason>> {
        Box::pin(async { Ok(()) })
    }

    fn set_safety_code<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        pan: &'a Pan,
        pin: &'a Pin,
        code: &'a SafetyCode,
    ) -> BoxFuture<'a, Result<(), Reason>> {
        Box::pin(async move {
            self.note("set");
            code.may_be_chosen()?;
            let is_right = caller.as_e164() == CALLER && pan.reveal() == CARD && pin.digits() == [3, 1, 4, 1, 5, 9];
            if is_right { Ok(()) } else { Err(Reason::SafetyCodeCardRefused) }
        })
    }

    fn freeze<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        code: &'a SafetyCode,
        order_id: OrderId,
    ) -> BoxFuture<'a, Result<Vec<AtBank>, Reason>> {
        Box::pin(async move {
            self.known(caller, code, "freeze")?;
            self.orders.lock().unwrap().push(order_id);
            Ok(vec![at_bank("bank-a", frozen()), at_bank("bank-b", frozen()), at_bank("bank-c", Seen::Freezing)])
        })
    }

    fn unfreeze<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        code: &'a SafetyCode,
        order_id: OrderId,
    ) -> BoxFuture<'a, Result<Vec<AtBank>, Reason>> {
        Box::pin(async move {
            self.known(caller, code, "unfreeze")?;
            self.orders.lock().unwrap().push(order_id);
            Ok(vec![at_bank("bank-a", Seen::Free)])
        })
    }

    fn last_purchases<'a>(
        &'a self,
        caller: &'a PhoneNumber,
        code: &'a SafetyCode,
        at_most: usize,
    ) -> BoxFuture<'a, Result<Vec<SpokenPurchase>, Reason>> {
        Box::pin(async move {
            self.known(caller, code, "purchases")?;
            let purchase = SpokenPurchase {
                amount: Money::new(Currency::CNY, 1_250),
                merchant: Line::parse("Noodle House").unwrap(),
                occurred_at: Timestamp::from_secs(1_790_000_000),
                last_four: "4821".to_owned(),
            };
            Ok(vec![purchase; at_most.min(2)])
        })
    }
}
