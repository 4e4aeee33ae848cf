//! Finding lines of the log, newest first, a page at a time and never more than so much of the log for one page.

use std::fmt;
use std::str::FromStr as _;

use domain::Timestamp;
use uuid::Uuid;

use super::{Logged, entries_on};
use crate::store::{Row, Store, StoreError};

/// Pages of the log that are read first, which give a page of lines where nearly all are wanted: a page of a busy hour has hundreds. Each time
/// that was not enough four times as many are read, up to so many at once.
const FIRST: i64 = 4;
const AT_ONCE: i64 = 256;
/// Pages that are looked through for one page of lines at most: what one question costs.
const MOST_PAGES: usize = 2_000;
/// More than a page of the log has.
const ALL_LINES: usize = 1 << 30;

/// Which lines are wanted; what is not said is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What they are about.
    pub subject: Option<Uuid>,
    /// Who did it: the word after `by=`, with or without what stands before a slash in it.
    pub by: Option<String>,
    /// What sort of thing it is.
    pub kind: Option<String>,
    /// Not before …
    pub from: Option<Timestamp>,
    /// … and before.
    pub until: Option<Timestamp>,
}

impl Filter {
    fn takes(&self, logged: &Logged) -> bool {
        self.subject.is_none_or(|subject| logged.subject == subject)
            && self.kind.as_ref().is_none_or(|kind| logged.kind == *kind)
            && self.by.as_ref().is_none_or(|by| is_by(&logged.content, by))
    }
}

fn is_by(content: &str, by: &str) -> bool {
    let mut words = content.split(' ').filter_map(|word| word.strip_prefix("by="));
    words.any(|word| word == by || word.rsplit('/').next() == Some(by))
}

/// A line with where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub chain: String,
    /// The number of the last line of its page.
    pub seq: i64,
    pub logged: Logged,
}

/// Where a page of lines goes on: at this page of the log, after so many of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    at: Timestamp,
    chain: String,
    seq: i64,
    given: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.at.micros(), self.seq, self.given, self.chain)
    }
}

impl Place {
    /// Reads what is displayed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let mut number = || parts.next().and_then(|part| i64::from_str(part).ok());
        let (at, seq, given) = (number()?, number()?, number()?);
        let chain = parts.next().filter(|chain| !chain.is_empty() && chain.len() <= 200)?.to_owned();
        Some(Self { at: Timestamp::from_micros(at), chain, seq, given: usize::try_from(given).ok()? })
    }
}

/// Lines, newest first, and where the next page of them begins. There may be fewer than were asked for, and more all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub lines: Vec<Line>,
    pub next: Option<Place>,
}

/// Looks for so many lines from a place on, or from the newest.
pub async fn find(store: &Store, filter: &Filter, from: Option<Place>, most: usize) -> Result<Found, StoreError> {
    let end = filter.until.unwrap_or(Timestamp::from_micros(i64::MAX));
    let newest = || Place { at: end, chain: String::new(), seq: i64::MIN, given: 0 };
    let mut place = from.filter(|place| place.at < end).unwrap_or_else(newest);
    let (mut lines, mut looked, mut at_once) = (Vec::new(), 0, FIRST);
    loop {
        let rows = pages_from(store, &place, filter.from, at_once).await?;
        let is_last = i64::try_from(rows.len()).is_ok_and(|read| read < at_once);
        at_once = AT_ONCE.min(at_once.saturating_mul(4));
        for row in &rows {
            let (chain, seq, at) = (row.text(0)?, row.int(1)?, row.time(2)?);
            let skipped = if (at, &chain, seq) == (place.at, &place.chain, place.seq) { place.given } else { 0 };
            let on_page = entries_on(&row.text(3)?, at).collect::<Result<Vec<Logged>, StoreError>>()?;
            for (index, logged) in on_page.into_iter().rev().enumerate().skip(skipped) {
                if lines.len() >= most {
                    return Ok(Found { lines, next: Some(Place { at, chain, seq, given: index }) });
                }
                if filter.takes(&logged) {
                    lines.push(Line { chain: chain.clone(), seq, logged });
                }
            }
            // All of this page was looked at: the next one begins after its last line.
            place = Place { at, chain, seq, given: ALL_LINES };
            looked += 1;
        }
        if is_last {
            return Ok(Found { lines, next: None });
        }
        if looked >= MOST_PAGES {
            return Ok(Found { lines, next: Some(place) });
        }
    }
}

async fn pages_from(store: &Store, place: &Place, from: Option<Timestamp>, most: i64) -> Result<Vec<Row>, StoreError> {
    // The first condition is for the index, the second for pages of one moment.
    const PAGES: &str = "SELECT chain, seq, occurred_at, entries FROM audit_log WHERE occurred_at <= $1 AND occurred_at >= $2 \
                         AND (occurred_at < $1 OR chain < $3 OR chain = $3 AND seq <= $4) \
                         ORDER BY occurred_at DESC, chain DESC, seq DESC LIMIT $5";
    let from = from.unwrap_or(Timestamp::from_micros(i64::MIN));
    let chain = place.chain.as_str().into();
    store.fetch(PAGES, vec![place.at.into(), from.into(), chain, place.seq.into(), most.into()]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m8_a_place_in_the_log_is_read_as_it_is_written() {
        let place = Place { at: Timestamp::from_micros(-7), chain: "hub-1/operators".to_owned(), seq: 12, given: 3 };
        assert_eq!(Place::parse(&place.to_string()), Some(place));
        for bad in ["", "1", "1.2.3", "1.2.3.", "a.2.3.c", "1.2.-3.c", &format!("1.2.3.{}", "c".repeat(201))] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn m8_who_did_it_is_the_word_after_by() {
        for (content, by, wanted) in [
            ("bank=bank-a by=ann", "ann", true),
            ("order=1 by=operator/ann why=lost", "ann", true),
            ("order=1 by=operator/ann", "operator/ann", true),
            ("bank=ann by=bob", "ann", false),
            ("nearby=ann", "ann", false),
        ] {
            assert_eq!(is_by(content, by), wanted, "{content}");
        }
    }
}
