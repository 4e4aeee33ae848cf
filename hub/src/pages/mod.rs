//! What the pages for browsers have in common, whoever they are for: the listener, what a request says, what an answer has around it.
//!
//! Pages run nothing but what their site allows, load nothing from elsewhere, and take forms from themselves alone.

pub(crate) mod door;
pub(crate) mod form;
pub(crate) mod language;
pub(crate) mod response;
pub(crate) mod serve;
pub(crate) mod visit;

pub use serve::{Listening, Pages, WebError};
