//! Offers that banks make to people by their habits (R5).
//!
//! A bank files an [`Offer`]: its words, a [`Rule`] that says whom it is for, when, and to how many. The hub holds the rule
//! against habits that the bank never sees, and delivers the offer to those who have agreed, each offer once and no more a week
//! than the person wants ([`deliver`], [`AgreementForm`]). The person is told why ([`Finding`]). The bank learns how many got it, about, and who
//! accepted ([`report`], [`AcceptanceForm`]).
//!
//! Who accepts tells the bank that the rule is met; the app says so before. So no rule may be about what is sensitive.

mod acceptance;
mod agreement;
mod delivery;
mod filing;
mod report;
mod rule;
#[cfg(test)]
mod tests;

pub use acceptance::{AcceptanceForm, ShownAs};
pub use agreement::{Agreement, AgreementForm};
pub use delivery::{Answer, Delivered, Delivery, Kept, Recipient, accept, decline, deliver, room_at};
pub use filing::{Filing, Offer, State, Wording};
pub use report::{FLOOR, Report, report};
pub use rule::{Finding, Rule, Target, Unmet, matches};
