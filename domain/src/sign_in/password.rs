//! The account password.

use std::fmt;

use zeroize::Zeroize as _;

use crate::{PhoneNumber, Reason};

/// 12 to 64 characters that somebody can type again. They never show themselves, and their memory is wiped when they are dropped;
/// whoever stores them does it by a function that is slow on purpose.
#[derive(Clone)]
pub struct AccountPassword(Box<str>);

/// What passwords are made of that are tried first, in lower case, and what such a one may have around it that makes it no better.
const WORDS: [&str; 24] = [
    "password",
    "passw0rd",
    "passwort",
    "qwerty",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx",
    "iloveyou",
    "woaini",
    "letmein",
    "welcome",
    "admin",
    "administrator",
    "dragon",
    "monkey",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "abc",
    "aini",
    "bankhub",
    "changeme",
];
/// Fewer different characters than this are a pattern.
const FEWEST_DIFFERENT: usize = 5;
/// So many digits of somebody's number are known to whoever knows the number.
const TELLING_DIGITS: usize = 8;

impl AccountPassword {
    pub const FEWEST_CHARS: usize = 12;
    pub const MOST_CHARS: usize = 64;

    /// Reads a password that somebody says to know. `Err(AccountPasswordMalformed)` for another length and for control characters.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let chars = text.chars().take(Self::MOST_CHARS + 1).count();
        let fine = (Self::FEWEST_CHARS..=Self::MOST_CHARS).contains(&chars) && !text.chars().any(char::is_control);
        if fine { Ok(Self(text.into())) } else { Err(Reason::AccountPasswordMalformed) }
    }

    /// Whether it may be set. `Err(AccountPasswordGuessable)` for what is tried first: few different characters, a part again and again,
    /// a run of neighbours, words of the lists that everybody has with digits around them, and the person's own number.
    pub fn may_be_chosen(&self, phone: &PhoneNumber) -> Result<(), Reason> {
        let lower = self.0.to_lowercase();
        if is_guessable(&lower) || has_number(&lower, phone) { Err(Reason::AccountPasswordGuessable) } else { Ok(()) }
    }

    /// The same for somebody who has a name and no number: the name is not in it. `Err(AccountPasswordGuessable)`.
    pub fn may_be_chosen_as(&self, name: &str) -> Result<(), Reason> {
        let lower = self.0.to_lowercase();
        // A name of one or two letters is in many a password.
        let has_name = name.len() > 2 && lower.contains(name);
        if is_guessable(&lower) || has_name { Err(Reason::AccountPasswordGuessable) } else { Ok(()) }
    }

    /// The characters, to hash or to sign; never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Whether it is tried first, whoever has chosen it.
fn is_guessable(lower: &str) -> bool {
    let chars: Vec<char> = lower.chars().collect();
    let mut different = chars.clone();
    different.sort_unstable();
    different.dedup();
    different.len() < FEWEST_DIFFERENT
        || (1..=chars.len() / 2).any(|length| repeats(&chars, length))
        || is_run(&chars)
        || is_of_words(lower)
}

/// Whether what comes after the first so many characters is the same again, the last time maybe in part.
fn repeats(chars: &[char], length: usize) -> bool {
    chars.iter().zip(chars.iter().skip(length)).all(|(a, b)| a == b)
}

/// Whether each character is the neighbour of the one before, always on the same side; 9 and 0 are neighbours.
fn is_run(chars: &[char]) -> bool {
    let next = |c: char| if c == '9' { Some('0') } else { char::from_u32(u32::from(c).saturating_add(1)) };
    let pairs = || chars.iter().zip(chars.iter().skip(1));
    pairs().all(|(a, b)| next(*a) == Some(*b)) || pairs().all(|(a, b)| next(*b) == Some(*a))
}

/// Whether nothing but digits and signs is left when the words that are tried first are taken out.
fn is_of_words(lower: &str) -> bool {
    let mut left = lower.to_owned();
    // The longer ones first, so that what is left of one is not in the way.
    let mut words = WORDS;
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    for word in words {
        left = left.replace(word, "");
    }
    left.len() < lower.len() && !left.chars().any(char::is_alphabetic)
}

fn has_number(lower: &str, phone: &PhoneNumber) -> bool {
    let digits: String = lower.chars().filter(char::is_ascii_digit).collect();
    let number = phone.as_e164().trim_start_matches('+');
    let telling = number.get(number.len().saturating_sub(TELLING_DIGITS)..).unwrap_or(number);
    digits.contains(telling)
}

impl Drop for AccountPassword {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for AccountPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountPassword(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f3_an_account_password_has_12_to_64_characters_and_no_control_characters() {
        for fine in ["correct horse", "正确的马电池订书钉很好用吗", &"ab".repeat(32), "            "] {
            assert_eq!(AccountPassword::parse(fine).unwrap().reveal(), fine);
        }
        for bad in
            ["", "elevenchars", &"a".repeat(65), "correct\nhorse battery", "correct\u{7f}horse", "tab\tseparated words"]
        {
            assert_eq!(AccountPassword::parse(bad).err(), Some(Reason::AccountPasswordMalformed), "{bad:?}");
        }
    }

    #[test]
    fn f3_what_is_guessed_first_may_not_be_chosen_by_this_table() {
        let phone = PhoneNumber::parse("+8613800138078").unwrap();
        let table = [
            ("aaaaaaaaaaaa", false),
            ("abababababab", false),
            ("            ", false),
            ("horsehorseho", false),
            ("123456789012", false),
            ("210987654321", false),
            ("abcdefghijkl", false),
            ("password1234", false),
            ("PassWord!2026", false),
            ("qwertyuiop123", false),
            ("1qaz2wsx1qaz2wsx", false),
            ("iloveyou520520", false),
            ("woaini5201314", false),
            ("bankhub-2026-11", false),
            ("admin/admin/1", false),
            ("+8613800138078", false),
            ("my 138-0013-8078", false),
            ("call 00138078 x", false),
            ("correct horse battery", true),
            ("正确的马电池订书钉很好用", true),
            ("my-password-is-long", true),
            ("x7#Kp!vR29qL", true),
        ];
        for (text, fine) in table {
            let wanted = if fine { Ok(()) } else { Err(Reason::AccountPasswordGuessable) };
            assert_eq!(AccountPassword::parse(text).unwrap().may_be_chosen(&phone), wanted, "{text}");
        }
    }

    #[test]
    fn m9_an_operators_password_does_not_have_their_name_in_it() {
        for (text, fine) in [("Annabel lives here", false), ("correct horse battery", true), ("qwertyuiop123", false)] {
            let wanted = if fine { Ok(()) } else { Err(Reason::AccountPasswordGuessable) };
            assert_eq!(AccountPassword::parse(text).unwrap().may_be_chosen_as("anna"), wanted, "{text}");
        }
    }

    #[test]
    fn m8_an_account_password_does_not_show_itself() {
        let password = AccountPassword::parse("correct horse battery").unwrap();
        assert_eq!(format!("{password:?} {password:#?}"), "AccountPassword(***) AccountPassword(***)");
    }
}
