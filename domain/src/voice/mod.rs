//! The phone call (F2, C8, R7): what is said to a caller, what is waited for, and what is asked of the hub on the caller's behalf.
//!
//! A [`Call`] is a value: it hears an [`Input`] and gives an [`Output`], and knows neither wire nor clock. Whoever carries the call says
//! what the output lists, does the one thing that stands at its end, and hands in what came of it. What is said is a [`Prompt`], whose
//! words stand in one table in both languages and are said as [`Sound`]s, of which each is one recorded file.
//!
//! | key | at the menu |
//! |---|---|
//! | 1 | freeze everything |
//! | 2 | set everything free, after one confirming key |
//! | 3 | hear the last purchases |
//! | 4 | set the safety code, with card number and card password |
//! | 0 | hear it again |
//! | * | back: from the menu to the choice of language, from elsewhere to the menu |

mod call;
mod digits;
mod number;
mod prompt;
mod sound;
#[cfg(test)]
mod tests;

pub use call::{Answer, Call, Ending, Gather, Input, Output, PurchaseHeard, Refused, Request, Then};
pub use digits::{Digits, LastDigits};
pub use prompt::{Language, Moment, Prompt, Spoken};
pub use sound::{Sound, all_sounds};
