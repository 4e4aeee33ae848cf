//! Numbers, amounts and times as they are said, and the recordings that say them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::*;
use crate::{Currency, Money};

fn amount(language: Language, code: &str, minor: i64) -> String {
    let at = Moment { month: 1, day: 2, hour: 3, minute: 4 };
    let amount = Money::new(Currency::parse(code).unwrap(), minor);
    let sounds = Spoken { language, prompt: Prompt::Purchase { amount, at } }.sounds();
    // In Mandarin the amount is what follows "消费", in English what comes before "on".
    let words: Vec<&str> = sounds.iter().map(|sound| sound.words.as_ref()).collect();
    match language {
        Language::English => words.split(|word| *word == "on").next().unwrap().join(" "),
        Language::Mandarin => words.split(|word| *word == "消费").nth(1).unwrap().concat(),
    }
}

#[test]
fn r7_amounts_are_said_as_people_say_them() {
    let table = [
        ("CNY", 0, "zero yuan", "零元"),
        ("CNY", 5, "zero point zero five yuan", "零点零五元"),
        ("CNY", 200, "two yuan", "两元"),
        ("CNY", 250, "two point five zero yuan", "二点五零元"),
        ("CNY", 1_000, "ten yuan", "十元"),
        ("CNY", 1_900, "nineteen yuan", "十九元"),
        ("CNY", 11_000, "one hundred ten yuan", "一百一十元"),
        ("CNY", 20_000, "two hundred yuan", "两百元"),
        ("CNY", 100_500, "one thousand five yuan", "一千零五元"),
        ("CNY", 1_000_000, "ten thousand yuan", "一万元"),
        ("CNY", 10_000_000, "one hundred thousand yuan", "十万元"),
        ("CNY", -1_250, "minus twelve point five zero yuan", "负十二点五零元"),
        ("JPY", 25, "twenty five yen", "二十五日元"),
        ("KWD", 1_005, "one point zero zero five K W D", "一点零零五KWD"),
        (
            "CNY",
            12_345_678_999,
            "one hundred twenty three million four hundred fifty six thousand seven hundred eighty nine point nine nine yuan",
            "一亿两千三百四十五万六千七百八十九点九九元",
        ),
    ];
    for (code, minor, english, chinese) in table {
        assert_eq!(amount(Language::English, code, minor), english);
        assert_eq!(amount(Language::Mandarin, code, minor), chinese);
    }
    for (minor, chinese) in
        [(1_000_000, "一万元"), (10_000_000, "十万元"), (1_005_000, "一万零五十元"), (100_000_000_000, "十亿元")]
    {
        assert_eq!(amount(Language::Mandarin, "CNY", minor), chinese);
    }
}

/// Prompts with every sort of value.
fn prompt() -> impl Strategy<Value = Prompt> {
    let at = (1..=12_u8, 1..=31_u8, 0..=23_u8, 0..=59_u8).prop_map(|(month, day, hour, minute)| Moment {
        month,
        day,
        hour,
        minute,
    });
    let currency = prop::sample::select(vec!["CNY", "EUR", "GBP", "HKD", "JPY", "USD", "KWD", "QAR", "ZWG", "XCG"])
        .prop_map(|code| Currency::parse(code).unwrap());
    let minor = prop_oneof![any::<i64>(), 0..10_000_000_i64, Just(i64::MIN)];
    let amount = (currency, minor).prop_map(|(currency, minor)| Money::new(currency, minor));
    let ending = "[0-9]{4}".prop_map(|digits| LastDigits::of(&digits).unwrap());
    prop_oneof![
        (any::<u16>(), any::<u16>()).prop_map(|(confirmed, banks)| Prompt::FrozenAtSome { confirmed, banks }),
        (any::<u16>(), any::<u16>()).prop_map(|(confirmed, banks)| Prompt::FreeAtSome { confirmed, banks }),
        any::<u16>().prop_map(|banks| Prompt::FrozenAtAll { banks }),
        any::<u16>().prop_map(|banks| Prompt::FreeAtAll { banks }),
        (amount.clone(), at.clone()).prop_map(|(amount, at)| Prompt::Purchase { amount, at }),
        (amount, at, ending).prop_map(|(amount, at, ending)| Prompt::PurchaseWith { amount, at, ending }),
    ]
}

proptest! {
    #[test]
    fn f2_whatever_is_said_has_its_recordings(prompt in prompt()) {
        for language in Language::ALL {
            let known: BTreeSet<_> = all_sounds(language).into_iter().map(|sound| sound.name).collect();
            let sounds = Spoken { language, prompt }.sounds();
            prop_assert!(!sounds.is_empty() && sounds.len() < 64, "{} of {:?}", sounds.len(), prompt);
            for sound in sounds {
                prop_assert!(known.contains(&sound.name), "no recording {} in {:?}", sound.name, language);
            }
        }
    }
}

#[test]
fn f2_every_recording_has_a_name_that_is_a_file_and_words_that_fit_its_language() {
    for language in Language::ALL {
        let all = all_sounds(language);
        assert!(all.len() > 80, "{}", all.len());
        for sound in all {
            assert!(sound.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{}", sound.name);
            let has_chinese = sound.words.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            let may_have =
                language == Language::Mandarin && !sound.name.starts_with("letter-") && sound.name != "silence";
            assert_eq!(has_chinese, may_have, "{}: {}", sound.name, sound.words);
            assert_eq!(sound.words.is_empty(), sound.name == "silence");
            assert!(!sound.words.contains(['{', '}']), "{}", sound.words);
        }
    }
}

#[test]
fn f2_the_fields_that_words_name_are_those_of_the_prompt_in_both_languages() {
    let fields = |words: &str| -> BTreeSet<String> {
        words.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(field, _)| field.to_owned())).collect()
    };
    let mut keys = BTreeSet::new();
    for (key, english, chinese) in Prompt::WORDS {
        assert!(keys.insert(key), "{key} twice");
        assert_eq!(fields(english), fields(chinese), "{key}");
    }
}
