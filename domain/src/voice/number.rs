//! Numbers, amounts and times as they are said.

use super::prompt::{Language, Moment};
use super::sound::Sound;
use crate::Money;

/// From here on a number is said digit by digit.
const SPELLED_FROM: u64 = 1_000_000_000_000;

const ENGLISH: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const ENGLISH_TENS: [(u64, &str); 8] = [
    (20, "twenty"),
    (30, "thirty"),
    (40, "forty"),
    (50, "fifty"),
    (60, "sixty"),
    (70, "seventy"),
    (80, "eighty"),
    (90, "ninety"),
];
/// Tens are no unit in English; they are words of their own.
const ENGLISH_UNITS: [(u64, &str); 4] =
    [(1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"), (100, "hundred")];
const CHINESE: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
const CHINESE_UNITS: [(u64, &str); 5] = [(100_000_000, "亿"), (10_000, "万"), (1_000, "千"), (100, "百"), (10, "十")];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Currencies with a name of their own, in English and Chinese; the others are spelled by their code.
const CURRENCIES: [(&str, &str, &str); 6] = [
    ("CNY", "yuan", "元"),
    ("EUR", "euros", "欧元"),
    ("GBP", "pounds", "英镑"),
    ("HKD", "Hong Kong dollars", "港元"),
    ("JPY", "yen", "日元"),
    ("USD", "dollars", "美元"),
];
/// Words between numbers: the name of the recording, English, Chinese; empty where the language has none.
const BETWEEN: [(&str, &str, &str); 8] = [
    ("point", "point", "点"),
    ("minus", "minus", "负"),
    ("oh", "oh", ""),
    ("o-clock", "o'clock", ""),
    ("at", "at", ""),
    ("month", "", "月"),
    ("day", "", "日"),
    ("minute", "", "分"),
];

fn pick(language: Language, english: &'static str, chinese: &'static str) -> &'static str {
    match language {
        Language::English => english,
        Language::Mandarin => chinese,
    }
}

fn between(language: Language, name: &str) -> Option<Sound> {
    let (name, english, chinese) = BETWEEN.iter().find(|(known, _, _)| *known == name)?;
    let words = pick(language, english, chinese);
    (!words.is_empty()).then(|| Sound::new(*name, words))
}

/// The word for a number that has one.
fn word(language: Language, number: u64) -> Option<Sound> {
    let at = usize::try_from(number).ok()?;
    let words = match language {
        Language::English => {
            ENGLISH.get(at).or_else(|| ENGLISH_TENS.iter().find(|(n, _)| *n == number).map(|(_, w)| w))
        }
        Language::Mandarin => CHINESE.get(at),
    };
    words.map(|words| Sound::new(format!("number-{number}"), *words))
}

fn unit(worth: u64, words: &'static str) -> Sound {
    Sound::new(format!("unit-{worth}"), words)
}

const LIANG: &str = "number-2-before-unit";

/// Two as it is said before what is counted: 两 and not 二.
fn liang() -> Sound {
    Sound::new(LIANG, "两")
}

/// How many there are of something.
pub(super) fn things(language: Language, number: u64) -> Vec<Sound> {
    if (language, number) == (Language::Mandarin, 2) { vec![liang()] } else { count(language, number) }
}

/// Digit by digit.
pub(super) fn spelled(language: Language, digits: impl Iterator<Item = u64>) -> Vec<Sound> {
    digits.filter_map(|digit| word(language, digit)).collect()
}

/// A number from zero on.
pub(super) fn count(language: Language, number: u64) -> Vec<Sound> {
    if number >= SPELLED_FROM {
        return spelled(language, number.to_string().bytes().map(|digit| u64::from(digit.saturating_sub(b'0'))));
    }
    match language {
        Language::English => english(number),
        Language::Mandarin => chinese(number, true),
    }
}

fn english(number: u64) -> Vec<Sound> {
    if let Some(word) = word(Language::English, number) {
        return vec![word];
    }
    for (worth, words) in ENGLISH_UNITS {
        if number >= worth {
            let mut said = english(number / worth);
            said.push(unit(worth, words));
            if !number.is_multiple_of(worth) {
                said.extend(english(number % worth));
            }
            return said;
        }
    }
    let tens = number / 10 * 10;
    [word(Language::English, tens), word(Language::English, number.saturating_sub(tens))]
        .into_iter()
        .flatten()
        .collect()
}

/// Two is 两 before a unit above ten; ten is 十 alone where nothing was said before it; a gap of zeros is one 零.
fn chinese(number: u64, is_first: bool) -> Vec<Sound> {
    for (worth, words) in CHINESE_UNITS {
        if number < worth {
            continue;
        }
        let (how_many, rest) = (number / worth, number % worth);
        let mut said = match (how_many, worth) {
            (1, 10) if is_first => Vec::new(),
            (2, 100..) => vec![liang()],
            _ => chinese(how_many, is_first),
        };
        said.push(unit(worth, words));
        if rest > 0 {
            if rest < worth / 10 {
                said.extend(word(Language::Mandarin, 0));
            }
            said.extend(chinese(rest, false));
        }
        return said;
    }
    word(Language::Mandarin, number).into_iter().collect()
}

/// Major units, with the decimals one by one if there are any, and the currency.
pub(super) fn amount(language: Language, amount: Money) -> Vec<Sound> {
    let exponent = amount.currency.exponent();
    let unit = 10_u64.saturating_pow(exponent).max(1);
    let minor = amount.minor.unsigned_abs();
    let mut said: Vec<Sound> =
        if amount.minor < 0 { between(language, "minus").into_iter().collect() } else { Vec::new() };
    let mut rest = minor % unit;
    said.extend(if rest == 0 { things(language, minor / unit) } else { count(language, minor / unit) });
    if rest > 0 {
        said.extend(between(language, "point"));
        let mut worth = unit;
        while worth > 1 {
            worth /= 10;
            said.extend(word(language, rest / worth));
            rest %= worth;
        }
    }
    let code = amount.currency.code();
    match CURRENCIES.iter().find(|(known, _, _)| *known == code) {
        Some((_, english, chinese)) => {
            said.push(Sound::new(format!("currency-{code}"), pick(language, english, chinese)))
        }
        None => said.extend(code.chars().map(letter)),
    }
    said
}

fn letter(letter: char) -> Sound {
    Sound::new(format!("letter-{letter}"), letter.to_string())
}

/// A month by its name or number, the day, and the time of 24 hours.
pub(super) fn moment(language: Language, at: Moment) -> Vec<Sound> {
    let number = |n: u8| count(language, n.into());
    let named = |name| between(language, name).into_iter();
    let mut said = Vec::new();
    match language {
        Language::English => {
            said.extend(month(at.month));
            said.extend(number(at.day).into_iter().chain(named("at")).chain(number(at.hour)));
            match at.minute {
                0 => said.extend(named("o-clock")),
                1..=9 => said.extend(named("oh").chain(number(at.minute))),
                _ => said.extend(number(at.minute)),
            }
        }
        Language::Mandarin => {
            said.extend(number(at.month).into_iter().chain(named("month")));
            said.extend(number(at.day).into_iter().chain(named("day")));
            // The hour is said with the same word as the point of a decimal.
            said.extend(things(language, at.hour.into()).into_iter().chain(named("point")));
            if (1..=9).contains(&at.minute) {
                said.extend(number(0));
            }
            said.extend(number(at.minute).into_iter().chain(named("minute")));
        }
    }
    said
}

fn month(month: u8) -> Option<Sound> {
    let words = MONTHS.get(usize::from(month).checked_sub(1)?)?;
    Some(Sound::new(format!("month-{month}"), *words))
}

/// All recordings that numbers, amounts and times are put together from.
pub(super) fn vocabulary(language: Language) -> Vec<Sound> {
    let numbers = (0..=90).filter_map(|number| word(language, number));
    let units: &[(u64, &'static str)] = match language {
        Language::English => &ENGLISH_UNITS,
        Language::Mandarin => &CHINESE_UNITS,
    };
    let units = units.iter().map(|(worth, words)| unit(*worth, words));
    let of_the_language: Vec<Sound> = match language {
        Language::English => (1..=12).filter_map(month).collect(),
        Language::Mandarin => vec![liang()],
    };
    let currencies = CURRENCIES
        .iter()
        .map(|(code, english, chinese)| Sound::new(format!("currency-{code}"), pick(language, english, chinese)));
    let betweens = BETWEEN.iter().filter_map(|(name, _, _)| between(language, name));
    numbers
        .chain(units)
        .chain(of_the_language)
        .chain(currencies)
        .chain(betweens)
        .chain(('A'..='Z').map(letter))
        .collect()
}
