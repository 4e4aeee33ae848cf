use super::cards::authorised;
use super::*;

#[test]
fn what_a_bank_is_told_of_a_leg_that_it_holds_follows_from_the_state_alone() {
    let table = [
        (State::Challenged, Verdict::Void),
        (State::Holding, Verdict::Wait),
        (State::Authorised, Verdict::Wait),
        (State::Committed, Verdict::Post),
        (State::Posted, Verdict::Post),
        (State::Declined, Verdict::Void),
        (State::Expired, Verdict::Void),
        (State::Cancelled, Verdict::Void),
        (State::Aborting, Verdict::Void),
        (State::Aborted, Verdict::Void),
        (State::Reversing, Verdict::Post),
        (State::Reversed, Verdict::Post),
    ];
    assert_eq!(table.map(|(state, _)| state), State::ALL);
    let leg = authorised().charge.unwrap().leg_id.unwrap();
    for (state, verdict) in table {
        let payment = Payment { state, ..authorised() };
        assert_eq!(payment.verdict_on(leg), verdict, "{state:?}");
        assert_eq!(payment.verdict_on(LegId::from_uuid(id(99))), Verdict::Void, "another leg, {state:?}");
    }
}

#[test]
fn a_completed_payment_is_not_posted_whole_because_its_bank_asks() {
    let leg = authorised().charge.unwrap().leg_id.unwrap();
    for state in [State::Committed, State::Reversing] {
        let payment = Payment { state, completed_minor: Some(100), ..authorised() };
        assert_eq!(payment.verdict_on(leg), Verdict::Wait);
    }
}
