//! Payments that a network charges by itself, as durable steps: limits count from the naming on, and what is told again changes nothing.

use domain::limit::LimitKey;
use domain::payment::{Reversal, Routed, RoutedOutcome};
use domain::{OperatorId, Reason};

use super::*;

impl Desk {
    /// A payment of which this is known when its code comes.
    async fn routed(&self, minor: i64, route: Result<(), Reason>) -> Payment {
        let id = self.payment_id();
        let Step::Create(mut create) = self.create(id, minor) else { panic!("a creation") };
        create.new.routed = true;
        self.write(Step::Create(create)).await.payment.unwrap();
        let Step::Authorize(typed) = self.authorize(id, CODE, PASSWORD) else { panic!("a try") };
        let outcome = self.write(Step::Authorize(Authorize { route: Some(route), ..typed })).await;
        assert!(!outcome.to_hold, "no bank is asked");
        outcome.payment.unwrap()
    }

    async fn told(&self, payment: &Payment, outcome: RoutedOutcome) -> Result<Payment, Reason> {
        let told = Routed { payment_id: payment.id, terminal_id: till(), amount: payment.amount, outcome };
        self.write(Step::ToldByNetwork(told)).await.payment
    }

    async fn taken_back(&self, payment: &Payment) -> Payment {
        let (terminal_id, leg_id) = (till(), self.leg());
        let reversal = Reversal { payment_id: payment.id, terminal_id, amount: payment.amount, leg_id };
        self.write(Step::Reverse(reversal)).await.payment.unwrap()
    }

    async fn limit(&self, words: &str, most: i64) {
        let by = OperatorId::parse("rita").unwrap();
        let set = (LimitKey::parse(words).unwrap(), Some(most));
        self.steps.limits.set(by, set, true).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn m6_what_a_network_tells_is_recorded_once_and_what_comes_back_is_too() {
    for database in databases().await {
        let desk = desk(&database).await;
        let payment = desk.routed(1250, Ok(())).await;
        assert_eq!((payment.state, payment.charge.as_ref().unwrap().leg_id), (State::Authorised, None));
        assert_eq!(super::super::sql::find_payment(&desk.store, payment.id).await.unwrap(), Some(payment.clone()));
        for _ in 0..3 {
            assert_eq!(desk.told(&payment, RoutedOutcome::Approved).await.unwrap().state, State::Posted);
        }
        assert_eq!(kinds(&desk.events().await), ["CODE", "CHARGE"]);
        for _ in 0..3 {
            assert_eq!(desk.taken_back(&payment).await.state, State::Reversed);
        }
        assert_eq!(kinds(&desk.events().await), ["CODE", "CHARGE", "REVERSAL"]);
        let row = desk.store.fetch_one("SELECT given_back_minor, state FROM purchases", Vec::new()).await;
        let row = row.unwrap().unwrap();
        assert_eq!((row.int(0).unwrap(), row.text(1).unwrap().as_str()), (1250, "REVERSED"));
        let refused = desk.routed(1250, Err(Reason::InstrumentNotRoutable)).await;
        assert_eq!((refused.state, refused.refusal), (State::Declined, Some(Reason::InstrumentNotRoutable)));
        assert_eq!(desk.told(&refused, RoutedOutcome::Approved).await.unwrap().state, State::Declined);
        desk.all_is_well().await;
    }
}

#[tokio::test]
async fn m9_what_is_named_counts_for_limits_until_it_is_said_not_to_be_charged() {
    for database in databases().await {
        let desk = desk(&database).await;
        desk.limit("PERSON * CNY SUM 86400", 2_000).await;
        let mut tx = desk.store.begin().await.unwrap();
        // What is taken back has been counted for sure only a while after the limit was set.
        tx.execute("UPDATE limits SET set_at = set_at - 3600000000, version = version + 1", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        desk.limit("PERSON * USD EACH 0", 1).await;
        let named = desk.routed(1_250, Ok(())).await;
        assert_eq!(named.state, State::Authorised);
        let above = desk.routed(1_250, Ok(())).await;
        assert_eq!((above.state, above.refusal), (State::Declined, Some(Reason::SpendingLimitReached)));
        // That it was not charged gives back what was counted.
        let declined = desk.told(&named, RoutedOutcome::Declined(Reason::InsufficientFunds)).await.unwrap();
        assert_eq!(declined.state, State::Declined);
        let again = desk.routed(1_250, Ok(())).await;
        assert_eq!(again.state, State::Authorised);
        assert_eq!(desk.taken_back(&again).await.state, State::Aborted);
        let third = desk.routed(2_000, Ok(())).await;
        assert_eq!(third.state, State::Authorised);
        assert_eq!(desk.told(&third, RoutedOutcome::Approved).await.unwrap().state, State::Posted);
        let full = desk.routed(1, Ok(())).await;
        assert_eq!(full.refusal, Some(Reason::SpendingLimitReached), "it was counted once");
        desk.all_is_well().await;
    }
}
