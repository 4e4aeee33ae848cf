//! What holds of every call, whatever is heard.

use proptest::prelude::*;

use super::super::*;
use crate::{Currency, Money};

/// Digits that must not show anywhere.
const CODE: &str = "90817263";
const CARD: &str = "6228480000000007";
const PASSWORD: &str = "553311";

fn refused() -> impl Strategy<Value = Refused> {
    prop::sample::select(vec![Refused::Code, Refused::Card, Refused::CodeTooSimple, Refused::NotByPhone, Refused::Away])
}

fn answer() -> impl Strategy<Value = Answer> {
    let at = Moment { month: 2, day: 3, hour: 4, minute: 5 };
    let heard = PurchaseHeard { amount: Money::new(Currency::CNY, 100), at, ending: LastDigits::of("0009") };
    prop_oneof![
        Just(Answer::CodeSet),
        (any::<u16>(), any::<u16>(), any::<bool>()).prop_map(|(confirmed, being_told, some_ended)| Answer::Held {
            confirmed,
            being_told,
            some_ended
        }),
        (0..100_usize).prop_map(move |count| Answer::Purchases(vec![heard; count])),
        refused().prop_map(Answer::Refused),
    ]
}

fn typed(text: &str) -> Input {
    Input::Digits(Digits::typed(text))
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        8 => prop::sample::select(vec!["0", "1", "2", "3", "4", "1#", "4#"]).prop_map(typed),
        1 => prop::sample::select(vec!["*", "9", "#", "", "12*34"]).prop_map(typed),
        4 => prop::sample::select(vec![CODE, CARD, PASSWORD]).prop_map(typed),
        1 => "[0-9*#A-D \\PC]{0,40}".prop_map(|text| typed(&text)),
        1 => Just(typed(&"7".repeat(5_000))),
        1 => Just(Input::Silence),
        6 => answer().prop_map(Input::Answer),
    ]
}

fn is_error(output: &Output) -> bool {
    let of_errors = [
        Prompt::NothingHeard,
        Prompt::NotUnderstood,
        Prompt::CodesDiffer,
        Prompt::CodeRefused,
        Prompt::CardRefused,
        Prompt::CodeTooSimple,
    ];
    output.say.iter().any(|said| of_errors.contains(&said.prompt))
}

fn shows_no_secret(text: &str) -> Result<(), TestCaseError> {
    for secret in [CODE, CARD, PASSWORD, "7777777"] {
        prop_assert!(!text.contains(secret), "{text}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn f2_every_call_ends_within_a_bound_and_gives_no_secret_away(inputs in prop::collection::vec(input(), 0..120)) {
        let (mut call, mut output) = Call::begin(Language::English);
        let mut errors = 0;
        for input in inputs {
            let was_asked = matches!(output.then, Then::Ask(_));
            let was_over = call.ending();
            shows_no_secret(&format!("{input:?}"))?;
            (call, output) = call.hears(input);
            shows_no_secret(&format!("{call:?} {output:?}"))?;
            shows_no_secret(&output.say.iter().map(Spoken::text).collect::<Vec<_>>().concat())?;
            errors += u32::from(is_error(&output));
            prop_assert!(errors <= 3);
            prop_assert!(output.say.len() <= 8, "{}", output.say.len());
            prop_assert!(output.open_from <= output.say.len());
            match &output.then {
                Then::Gather(gather) => {
                    prop_assert!((1..=20).contains(&gather.most) && (1..=10).contains(&gather.wait_s));
                    prop_assert!(errors < 3);
                }
                // Nothing is asked for that was asked for already and not answered.
                Then::Ask(_) => prop_assert!(!was_asked),
                Then::HangUp(ending) => prop_assert_eq!(call.ending(), Some(*ending)),
            }
            if let Some(ending) = was_over {
                prop_assert_eq!(call.ending(), Some(ending), "what is over stays over");
                prop_assert!(output.say.is_empty());
            }
        }
        let heard_enough = (0..61).fold((call, output), |(call, _), _| call.hears(typed("0")));
        prop_assert!(heard_enough.0.ending().is_some(), "a call has an end");
    }

    #[test]
    fn f2_hanging_up_ends_a_call_wherever_it_is(inputs in prop::collection::vec(input(), 0..40)) {
        let call = inputs.into_iter().fold(Call::begin(Language::Mandarin).0, |call, input| call.hears(input).0);
        let before = call.ending();
        let (call, output) = call.hears(Input::HangUp);
        prop_assert!(output.say.is_empty() && matches!(output.then, Then::HangUp(_)));
        prop_assert_eq!(call.ending(), before.or(Some(Ending::CallerHungUp)));
    }

    #[test]
    fn f2_what_is_typed_is_bounded_and_wiped_of_what_is_no_key(text in "\\PC{0,200}") {
        let digits = Digits::typed(&text);
        prop_assert!(digits.len() <= Digits::MOST);
        prop_assert!(digits.reveal().bytes().all(|key| key.is_ascii_digit() || key == b'*'));
    }
}
