//! The durable steps of payments with a card, on both engines, without banks.

use domain::ledger::Nature;
use domain::payment::{Completion, Held, NewCardPayment};
use domain::{CardId, PersonId};

use super::*;

impl Desk {
    fn with_card(&self, id: PaymentId, nature: Nature, minor: i64) -> NewCardPayment {
        let Step::Create(create) = self.create(id, minor) else { unreachable!() };
        NewCardPayment {
            id,
            terminal: create.new.terminal,
            fingerprint: create.new.fingerprint,
            nature,
            amount: cny(minor),
            items: create.new.items,
            reference: Some(Line::parse("T-17").unwrap()),
            bank_id: BankId::parse("bank-a").unwrap(),
            bank_suspended: false,
            masked: "622848******0015".to_owned(),
            leg_id: self.leg(),
        }
    }

    fn held(&self, payment: PaymentId, person_id: Option<PersonId>) -> Step {
        let card_id = Some(CardId::from_uuid(self.ids.uuid().unwrap()));
        Step::Held { payment, held: Held { card_id, person_id, credit_minor: Some(700) } }
    }

    fn complete(&self, payment_id: PaymentId, minor: i64) -> Step {
        Step::Complete(Completion { payment_id, terminal_id: till(), amount: cny(minor) })
    }
}

#[tokio::test]
async fn a_payment_with_a_card_reads_back_as_it_was_written_in_each_of_its_states() {
    for database in databases().await {
        let desk = desk(&database).await;
        let id = desk.payment_id();
        let steps = [
            Step::CreateCard(Box::new(desk.with_card(id, Nature::PreAuthorisation, 1250))),
            desk.held(id, Some(desk.person)),
            desk.complete(id, 900),
            Step::Posted { payment: id },
        ];
        let mut states = Vec::new();
        for step in steps {
            let written = desk.write(step).await.payment.unwrap();
            states.push(written.state);
            assert_eq!(super::super::sql::find_payment(&desk.store, id).await.unwrap(), Some(written));
        }
        assert_eq!(states, [State::Holding, State::Authorised, State::Committed, State::Posted]);
        let log = audit::read_chain(&desk.store, "hub-1/payment").await.unwrap();
        let last = &log.last().unwrap().content;
        assert!(last.starts_with("card nature=PRE_AUTHORISATION amount="), "{last}");
        assert!(last.contains("account=622848******0015") && last.contains("completed_minor=900"), "{last}");
        desk.all_is_well().await;
    }
}

#[tokio::test]
async fn card_steps_that_are_run_again_after_their_commit_give_the_same_outcomes() {
    for database in databases().await {
        let desk = desk(&database).await;
        let (new, bought, paid_in, reserved, ended) =
            (desk.payment_id(), desk.payment_id(), desk.payment_id(), desk.payment_id(), desk.payment_id());
        for (id, nature) in [
            (bought, Nature::CashWithdrawal),
            (paid_in, Nature::Deposit),
            (reserved, Nature::PreAuthorisation),
            (ended, Nature::PreAuthorisation),
        ] {
            let created = desk.write(Step::CreateCard(Box::new(desk.with_card(id, nature, 500)))).await;
            assert!(created.to_hold);
        }
        desk.write(desk.held(reserved, Some(desk.person))).await.payment.unwrap();
        let steps = [
            Step::CreateCard(Box::new(desk.with_card(new, Nature::Purchase, 1250))),
            desk.held(bought, Some(desk.person)),
            desk.held(paid_in, Some(desk.person)),
            desk.held(ended, None),
            desk.complete(reserved, 400),
            Step::Lapse { payment: ended },
        ];
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let mut tx = desk.store.begin().await.unwrap();
            outcomes.push(desk.steps.run(&mut tx, &steps).await.unwrap());
            tx.commit().await.unwrap();
            desk.steps.dropped(&StoreError::CommitUnknown(String::new()));
        }
        let answers = |outcomes: &[Outcome]| -> Vec<(State, bool)> {
            outcomes.iter().map(|o| (o.payment.as_ref().unwrap().state, o.to_hold)).collect()
        };
        assert_eq!(answers(&outcomes[0]), answers(&outcomes[1]));
        assert_eq!(
            answers(&outcomes[0]),
            [
                (State::Holding, true),
                (State::Committed, false),
                (State::Committed, false),
                (State::Authorised, false),
                (State::Committed, false),
                (State::Authorised, false),
            ]
        );
        assert_eq!(kinds(&desk.events().await), ["CHARGE", "PAID_IN", "CHARGE"]);
        desk.all_is_well().await;
    }
}
