//! The dialogue as scripts, and what no dialogue does.

mod dialogues;
mod properties;
mod said;
