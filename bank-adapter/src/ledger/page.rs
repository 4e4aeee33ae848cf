//! Pages of lists, and their tokens: where the next page begins, in a form that only this bank can make and only for the same
//! list.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{Reason, Timestamp};
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use uuid::Uuid;

use super::Place;

const MAC_LEN: usize = 32;
/// The most entries on one page. An entry is some 160 to 250 bytes, and a message has at most 64 KiB.
const MOST_ENTRIES: i32 = 200;
/// Sets these tokens apart from those of other lists.
const LIST: &[u8] = b"bank.legs";

/// The span of a list; a token is good for this span only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) before: Timestamp,
}

impl Span {
    /// The list of the legs in it.
    fn list(self) -> Vec<u8> {
        let [from, before] = [self.from, self.before].map(|at| at.micros().to_be_bytes());
        [LIST, &from, &before].concat()
    }
}

/// Why a token was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the token was not made by this call")]
    Malformed,
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl TokenError {
    pub(super) const fn reason(&self) -> Reason {
        match self {
            Self::Malformed => Reason::PageTokenMalformed,
            Self::Key(_) => Reason::Fault,
        }
    }
}

/// How many entries a page has.
pub(super) fn size(asked: i32) -> Result<i64, Reason> {
    match asked {
        0 => Ok(100),
        1..=MOST_ENTRIES => Ok(i64::from(asked)),
        _ => Err(Reason::PageSizeOutOfRange),
    }
}

/// The token of a place in the list that `context` names.
pub(super) fn seal(keys: &dyn KeyStore, context: &[u8], place: &[u8]) -> Result<String, KeyError> {
    let mac = keys.mac(KeyName::PageToken, &[context, place])?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode([place, &mac].concat()))
}

/// The place that [`seal`] was given.
pub(super) fn open(keys: &dyn KeyStore, context: &[u8], token: &str) -> Result<Vec<u8>, TokenError> {
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Malformed)?;
    let length = bytes.len().checked_sub(MAC_LEN).ok_or(TokenError::Malformed)?;
    let mac = bytes.split_off(length);
    if !keys.mac_matches(KeyName::PageToken, &[context, &bytes], &mac)? {
        return Err(TokenError::Malformed);
    }
    Ok(bytes)
}

pub(super) fn write(keys: &dyn KeyStore, span: Span, place: Place) -> Result<String, KeyError> {
    let at = place.changed_at.micros().to_be_bytes();
    seal(keys, &span.list(), &[at.as_slice(), place.leg_id.as_bytes()].concat())
}

pub(super) fn read(keys: &dyn KeyStore, span: Span, token: &str) -> Result<Place, TokenError> {
    let place = open(keys, &span.list(), token)?;
    let (at, id) = place.split_first_chunk::<8>().ok_or(TokenError::Malformed)?;
    let leg_id = Uuid::from_slice(id).map_err(|_| TokenError::Malformed)?;
    Ok(Place { changed_at: Timestamp::from_micros(i64::from_be_bytes(*at)), leg_id })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use server_kit::keystore::Keyring;
    use server_kit::rng::SeededRng;

    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_list_and_nothing_that_was_changed_is_taken() {
        let keys = Keyring::generate(Arc::new(SeededRng::new(1))).unwrap();
        let span = Span { from: Timestamp::from_secs(1), before: Timestamp::from_secs(9) };
        let place = Place { changed_at: Timestamp::from_micros(-5), leg_id: Uuid::from_u128(7) };
        let token = write(&keys, span, place).unwrap();
        assert_eq!(read(&keys, span, &token).unwrap(), place);

        let other = Span { before: Timestamp::from_secs(10), ..span };
        let mut changed = token.clone();
        changed.replace_range(0..1, if token.starts_with('A') { "B" } else { "A" });
        for (span, token) in [(other, token.as_str()), (span, &changed), (span, ""), (span, "!"), (span, &token[..40])]
        {
            assert_eq!(read(&keys, span, token).unwrap_err().reason(), Reason::PageTokenMalformed, "{token}");
        }
    }
}
