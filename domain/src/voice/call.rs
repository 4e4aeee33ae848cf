//! The dialogue: one state for each question, and what follows what is heard.

use super::{Digits, Language, LastDigits, Moment, Prompt, Spoken};
use crate::Money;
use crate::card::Pan;

/// Wrong or missing input and refused codes that end a call.
const MOST_ERRORS: u8 = 3;
/// What a call may hear in all: whoever goes round in circles is asked to call again.
const MOST_INPUTS: u8 = 60;
/// The purchases that are read out.
const MOST_PURCHASES: u8 = 5;
/// How long a key is waited for at a choice, and for each of many digits.
const WAIT_S: u8 = 6;
const WAIT_FOR_MANY_S: u8 = 10;
/// Digits of a safety code, and of a card's password (ISO 9564-1, section 8).
const CODE: std::ops::RangeInclusive<usize> = 6..=8;
const CARD_PASSWORD: std::ops::RangeInclusive<usize> = 4..=12;

/// What happened to the call.
#[derive(Clone, Debug)]
pub enum Input {
    /// Keys, whether or not the end key came at their end.
    Digits(Digits),
    /// No key in time.
    Silence,
    HangUp,
    /// What the request of the output before came to.
    Answer(Answer),
}

/// What is said, and then exactly one thing that is done.
#[derive(Debug)]
pub struct Output {
    pub say: Vec<Spoken>,
    /// From this place in `say` on a key interrupts what is said; before, it tells of something that nobody should miss.
    pub open_from: usize,
    pub then: Then,
}

#[derive(Debug)]
pub enum Then {
    Gather(Gather),
    Ask(Request),
    HangUp(Ending),
}

/// Keys that are waited for. The end key is always `#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    pub most: u8,
    /// How long the first key and each after it is waited for.
    pub wait_s: u8,
}

/// What the hub is asked for. The caller is whose number it is; whoever carries the call adds that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    SetSafetyCode { pan: Pan, card_password: Digits, code: Digits },
    Freeze { code: Digits },
    Unfreeze { code: Digits },
    LastPurchases { code: Digits, at_most: u8 },
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    CodeSet,
    /// Everything is as it was asked for here; so many banks have confirmed it, and so many are being told.
    Held {
        confirmed: u16,
        being_told: u16,
        some_ended: bool,
    },
    /// The last one first.
    Purchases(Vec<PurchaseHeard>),
    Refused(Refused),
}

/// A purchase as it is read out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseHeard {
    pub amount: Money,
    pub at: Moment,
    pub ending: Option<LastDigits>,
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The safety code does not fit, or the number has none, or nobody has the number: the caller is told the same.
    Code,
    /// Card number or password do not fit, or the card is not the caller's.
    Card,
    /// The new code is one that many would choose.
    CodeTooSimple,
    /// This hub does not do it for whoever calls.
    NotByPhone,
    /// It could not be done or its outcome is not known; nothing is wrong with what was typed.
    Away,
}

/// How a call came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    CallerHungUp,
    TooManyErrors,
    TooLong,
}

/// What takes a safety code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Freeze,
    Unfreeze,
    LastPurchases,
}

/// The question that the caller is at.
#[derive(Clone, Debug)]
enum At {
    Language,
    Menu,
    Code(Act),
    ConfirmUnfreeze,
    CardNumber,
    CardPassword {
        pan: Pan,
    },
    NewCode {
        pan: Pan,
        card_password: Digits,
    },
    NewCodeAgain {
        pan: Pan,
        card_password: Digits,
        code: Digits,
    },
    /// The hub is asked for an act, under the code that was typed …
    Acting(Act),
    /// … or to set a code.
    SettingCode {
        pan: Pan,
        card_password: Digits,
    },
    Over(Ending),
}

/// A call on its way.
#[derive(Clone, Debug)]
pub struct Call {
    /// The language whose words come first as long as none is chosen.
    first: Language,
    language: Option<Language>,
    errors: u8,
    heard: u8,
    /// Asked for once a call; forgotten when it is refused.
    code: Option<Digits>,
    at: At,
}

impl Call {
    /// A call that was taken; `first` is the language that greets first.
    pub fn begin(first: Language) -> (Self, Output) {
        let call = Self { first, language: None, errors: 0, heard: 0, code: None, at: At::Language };
        call.asks(&[])
    }

    /// How the call ended, once it has.
    pub const fn ending(&self) -> Option<Ending> {
        match self.at {
            At::Over(ending) => Some(ending),
            _ => None,
        }
    }

    /// What follows. After the end nothing does.
    pub fn hears(mut self, input: Input) -> (Self, Output) {
        self.heard = self.heard.saturating_add(1);
        let at = std::mem::replace(&mut self.at, At::Menu);
        match (at, input) {
            (At::Over(ending), _) => self.ends(ending, &[]),
            (_, Input::HangUp) => self.ends(Ending::CallerHungUp, &[]),
            (_, _) if self.heard > MOST_INPUTS => self.ends(Ending::TooLong, &[Prompt::TooLong]),
            (At::Acting(act), Input::Answer(answer)) => self.acted(act, answer),
            (At::SettingCode { pan, card_password }, Input::Answer(answer)) => self.set(pan, card_password, answer),
            // Whether it was done is not known: the caller hears so, and it is not asked for a second time behind the caller's back.
            (At::Acting(_) | At::SettingCode { .. }, _) => self.asks(&[Prompt::Away]),
            (at, Input::Answer(_)) => self.at(at).asks(&[]),
            (at, Input::Silence) => self.at(at).wrong(Prompt::NothingHeard),
            (at, Input::Digits(digits)) if digits.is_empty() => self.at(at).wrong(Prompt::NothingHeard),
            (At::Language | At::Menu, Input::Digits(digits)) if digits.is_back() => self.at(At::Language).asks(&[]),
            (_, Input::Digits(digits)) if digits.is_back() => self.asks(&[]),
            (at, Input::Digits(digits)) => self.typed(at, digits),
        }
    }

    fn at(self, at: At) -> Self {
        Self { at, ..self }
    }

    fn typed(self, at: At, digits: Digits) -> (Self, Output) {
        match (at, digits.reveal()) {
            (at @ (At::Language | At::Menu | At::ConfirmUnfreeze), "0") => self.at(at).asks(&[]),
            (At::Language, "1") => Self { language: Some(Language::Mandarin), ..self }.asks(&[]),
            (At::Language, "2") => Self { language: Some(Language::English), ..self }.asks(&[]),
            (At::Menu, "1") => self.wants(Act::Freeze),
            (At::Menu, "2") => self.wants(Act::Unfreeze),
            (At::Menu, "3") => self.wants(Act::LastPurchases),
            (At::Menu, "4") => self.at(At::CardNumber).asks(&[]),
            (At::Code(act), _) if CODE.contains(&digits.len()) => Self { code: Some(digits), ..self }.wants(act),
            (At::ConfirmUnfreeze, "1") => self.act(Act::Unfreeze),
            (At::CardNumber, text) => match Pan::parse(text) {
                Ok(pan) => self.at(At::CardPassword { pan }).asks(&[]),
                Err(_) => self.at(At::CardNumber).wrong(Prompt::NotUnderstood),
            },
            (At::CardPassword { pan }, _) if CARD_PASSWORD.contains(&digits.len()) => {
                self.at(At::NewCode { pan, card_password: digits }).asks(&[])
            }
            (At::NewCode { pan, card_password }, _) if CODE.contains(&digits.len()) => {
                self.at(At::NewCodeAgain { pan, card_password, code: digits }).asks(&[])
            }
            (At::NewCodeAgain { pan, card_password, code }, _) if code == digits => {
                let request = Request::SetSafetyCode { pan: pan.clone(), card_password: card_password.clone(), code };
                self.at(At::SettingCode { pan, card_password }).requests(request)
            }
            (At::NewCodeAgain { pan, card_password, .. }, _) => {
                self.at(At::NewCode { pan, card_password }).wrong(Prompt::CodesDiffer)
            }
            (at, _) => self.at(at).wrong(Prompt::NotUnderstood),
        }
    }

    /// Goes on with what takes a code: asks for it, or for the confirming key, or does it.
    fn wants(self, act: Act) -> (Self, Output) {
        match (act, &self.code) {
            (_, None) => self.at(At::Code(act)).asks(&[]),
            (Act::Unfreeze, Some(_)) => self.at(At::ConfirmUnfreeze).asks(&[]),
            (Act::Freeze | Act::LastPurchases, Some(_)) => self.act(act),
        }
    }

    fn act(self, act: Act) -> (Self, Output) {
        let Some(code) = self.code.clone() else { return self.at(At::Code(act)).asks(&[]) };
        let request = match act {
            Act::Freeze => Request::Freeze { code },
            Act::Unfreeze => Request::Unfreeze { code },
            Act::LastPurchases => Request::LastPurchases { code, at_most: MOST_PURCHASES },
        };
        self.at(At::Acting(act)).requests(request)
    }

    /// The answer to an act: what was done is said, then the menu.
    fn acted(self, act: Act, answer: Answer) -> (Self, Output) {
        match (act, answer) {
            (_, Answer::Refused(Refused::Code)) => {
                Self { code: None, at: At::Code(act), ..self }.wrong(Prompt::CodeRefused)
            }
            (_, Answer::Refused(Refused::NotByPhone)) => self.asks(&[Prompt::NotByPhone]),
            (Act::Freeze | Act::Unfreeze, Answer::Held { confirmed, being_told, some_ended }) => {
                let mut said = vec![held(act == Act::Freeze, confirmed, being_told)];
                if some_ended {
                    said.push(Prompt::SomeEnded);
                }
                self.asks(&said)
            }
            (Act::LastPurchases, Answer::Purchases(purchases)) => self.reads(&purchases),
            // An answer to something else is no answer.
            _ => self.asks(&[Prompt::Away]),
        }
    }

    fn reads(self, purchases: &[PurchaseHeard]) -> (Self, Output) {
        let read = purchases.iter().take(MOST_PURCHASES.into()).map(|purchase| {
            let PurchaseHeard { amount, at, ending } = *purchase;
            match ending {
                Some(ending) => Prompt::PurchaseWith { amount, at, ending },
                None => Prompt::Purchase { amount, at },
            }
        });
        let read: Vec<Prompt> = read.collect();
        let (call, output) = self.asks(if read.is_empty() { &[Prompt::NoPurchases] } else { &read });
        // Who has heard the one that matters need not hear the others.
        (call, Output { open_from: 0, ..output })
    }

    fn set(self, pan: Pan, card_password: Digits, answer: Answer) -> (Self, Output) {
        match answer {
            // The code of before is none any more.
            Answer::CodeSet => Self { code: None, ..self }.asks(&[Prompt::CodeSet]),
            Answer::Refused(Refused::Card | Refused::Code) => self.at(At::CardNumber).wrong(Prompt::CardRefused),
            Answer::Refused(Refused::CodeTooSimple) => {
                self.at(At::NewCode { pan, card_password }).wrong(Prompt::CodeTooSimple)
            }
            Answer::Refused(Refused::NotByPhone) => self.asks(&[Prompt::NotByPhone]),
            _ => self.asks(&[Prompt::Away]),
        }
    }

    /// One error more: says what was wrong and asks again, or ends the call.
    fn wrong(mut self, said: Prompt) -> (Self, Output) {
        self.errors = self.errors.saturating_add(1);
        if self.errors >= MOST_ERRORS {
            return self.ends(Ending::TooManyErrors, &[said, Prompt::TooManyErrors]);
        }
        self.asks(&[said])
    }

    /// Says what is to be said first, then asks the question that the call is at.
    fn asks(self, first: &[Prompt]) -> (Self, Output) {
        let key = Gather { most: 1, wait_s: WAIT_S };
        let many = |most: usize| Gather { most: u8::try_from(most).unwrap_or(u8::MAX), wait_s: WAIT_FOR_MANY_S };
        // One more than the longest, so that what is too long is seen to be.
        let code = many(CODE.end() + 1);
        let (question, gather) = match self.at {
            At::Language => (Prompt::ChooseLanguage, key),
            At::Code(_) => (Prompt::AskCode, code),
            At::ConfirmUnfreeze => (Prompt::ConfirmUnfreeze, key),
            At::CardNumber => (Prompt::AskCardNumber, many(Pan::MOST_DIGITS + 1)),
            At::CardPassword { .. } => (Prompt::AskCardPassword, many(CARD_PASSWORD.end() + 1)),
            At::NewCode { .. } => (Prompt::AskNewCode, code),
            At::NewCodeAgain { .. } => (Prompt::AskNewCodeAgain, code),
            At::Menu | At::Acting(_) | At::SettingCode { .. } | At::Over(_) => (Prompt::Menu, key),
        };
        let mut say = self.said(first);
        let open_from = say.len();
        say.extend(if question == Prompt::ChooseLanguage { self.in_both(question) } else { self.said(&[question]) });
        (self, Output { say, open_from, then: Then::Gather(gather) })
    }

    fn requests(self, request: Request) -> (Self, Output) {
        let say = self.said(&[Prompt::OneMoment]);
        (self, Output { open_from: say.len(), say, then: Then::Ask(request) })
    }

    fn ends(mut self, ending: Ending, last: &[Prompt]) -> (Self, Output) {
        let say = self.said(last);
        self.at = At::Over(ending);
        self.code = None;
        (self, Output { open_from: say.len(), say, then: Then::HangUp(ending) })
    }

    fn in_both(&self, prompt: Prompt) -> Vec<Spoken> {
        [self.first, self.first.other()].map(|language| Spoken { language, prompt }).to_vec()
    }

    fn said(&self, prompts: &[Prompt]) -> Vec<Spoken> {
        let said = prompts.iter().flat_map(|prompt| match self.language {
            Some(language) => vec![Spoken { language, prompt: *prompt }],
            None => self.in_both(*prompt),
        });
        said.collect()
    }
}

/// Bank by bank what was confirmed.
const fn held(frozen: bool, confirmed: u16, being_told: u16) -> Prompt {
    let banks = confirmed.saturating_add(being_told);
    match (frozen, confirmed, being_told) {
        (true, 0, 0) => Prompt::NothingBound,
        (false, 0, 0) => Prompt::NothingFrozen,
        (true, 0, _) => Prompt::FrozenAtNone,
        (true, 1, 0) => Prompt::FrozenAtOne,
        (true, _, 0) => Prompt::FrozenAtAll { banks },
        (true, _, _) => Prompt::FrozenAtSome { confirmed, banks },
        (false, 0, _) => Prompt::FreeAtNone,
        (false, 1, 0) => Prompt::FreeAtOne,
        (false, _, 0) => Prompt::FreeAtAll { banks },
        (false, _, _) => Prompt::FreeAtSome { confirmed, banks },
    }
}
