//! What is said, as recordings one after the other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::number;
use super::prompt::{Language, Prompt, Spoken, Value};

/// One recording: its name, which is that of its file without the ending, and the words on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    pub name: Cow<'static, str>,
    pub words: Cow<'static, str>,
}

impl Sound {
    pub(super) fn new(name: impl Into<Cow<'static, str>>, words: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), words: words.into() }
    }
}

/// The recording for when nothing is to be said while keys are waited for.
const SILENCE: &str = "silence";

/// A piece of a prompt's words.
enum Piece {
    Fixed(Sound),
    Field(&'static str),
}

/// The words between the fields are a recording each, numbered from 1 where there are fields; the words of a prompt without fields are one.
fn pieces(key: &'static str, words: &'static str) -> Vec<Piece> {
    if !words.contains('{') {
        return vec![Piece::Fixed(Sound::new(key, words))];
    }
    let mut found = Vec::new();
    let mut fixed = 0_u8;
    for part in words.split_inclusive(['{', '}']) {
        let (text, is_field) = match part.strip_suffix('}') {
            Some(field) => (field, true),
            None => (part.strip_suffix('{').unwrap_or(part), false),
        };
        let text = text.trim_start_matches(|c: char| !c.is_alphanumeric()).trim_end();
        if is_field {
            found.push(Piece::Field(text));
        } else if text.chars().any(char::is_alphanumeric) {
            fixed = fixed.saturating_add(1);
            found.push(Piece::Fixed(Sound::new(format!("{key}-{fixed}"), text)));
        }
    }
    found
}

impl Spoken {
    /// The recordings that say it, in order.
    pub fn sounds(&self) -> Vec<Sound> {
        let said =
            pieces(self.prompt.key(), self.prompt.words(self.language)).into_iter().flat_map(|piece| match piece {
                Piece::Fixed(sound) => vec![sound],
                Piece::Field(field) => {
                    self.prompt.value(field).map(|value| said(self.language, value)).unwrap_or_default()
                }
            });
        said.collect()
    }

    /// What is heard, as one line of text.
    pub fn text(&self) -> String {
        let words: Vec<_> = self.sounds().into_iter().map(|sound| sound.words).collect();
        let between = match self.language {
            Language::English => " ",
            Language::Mandarin => "",
        };
        words.join(between)
    }
}

fn said(language: Language, value: Value) -> Vec<Sound> {
    match value {
        Value::Count(count) => number::things(language, count),
        Value::Amount(amount) => number::amount(language, amount),
        Value::Moment(moment) => number::moment(language, moment),
        Value::LastDigits(digits) => number::spelled(language, digits.numbers()),
    }
}

/// Every recording of a language, by name. [`Sound::words`] is empty for the one that is silent.
pub fn all_sounds(language: Language) -> Vec<Sound> {
    let mut all: BTreeMap<Cow<'static, str>, Sound> = BTreeMap::new();
    let prompts = Prompt::WORDS.iter().flat_map(|(key, english, chinese)| {
        let words = match language {
            Language::English => *english,
            Language::Mandarin => *chinese,
        };
        pieces(key, words)
    });
    let fixed = prompts.filter_map(|piece| match piece {
        Piece::Fixed(sound) => Some(sound),
        Piece::Field(_) => None,
    });
    let silence = Sound::new(SILENCE, "");
    for sound in fixed.chain(number::vocabulary(language)).chain([silence]) {
        all.insert(sound.name.clone(), sound);
    }
    all.into_values().collect()
}
