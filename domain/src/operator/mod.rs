//! Who runs the hub (M9): the roles of operators, which of their acts needs whom, and how a second person comes in.

mod act;
mod guard;
mod person_lookup;
mod proposal;

pub use act::{Act, Needed, Role};
pub use guard::{ConsolePolicy, matching_step, step_of};
pub use person_lookup::{PersonLookupPolicy, PersonPurpose, masked_name};
pub use proposal::{Decision, Proposal, ProposalState};
