//! Page tokens: where the next page begins, in a form that only this bank can make and only for the same list.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{Reason, Timestamp};
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use uuid::Uuid;

use super::Place;

const PLACE_LEN: usize = 24;
const MAC_LEN: usize = 32;
/// Sets these tokens apart from those of other lists.
const LIST: &[u8] = b"bank.legs";

/// The span of a list; a token is good for this span only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) before: Timestamp,
}

impl Span {
    fn bytes(self) -> [u8; 16] {
        let both =
            (u128::from(self.from.micros().cast_unsigned()) << 64) | u128::from(self.before.micros().cast_unsigned());
        both.to_be_bytes()
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

pub(super) fn write(keys: &dyn KeyStore, span: Span, place: Place) -> Result<String, KeyError> {
    let mut bytes = Vec::with_capacity(PLACE_LEN + MAC_LEN);
    bytes.extend_from_slice(&place.changed_at.micros().to_be_bytes());
    bytes.extend_from_slice(place.leg_id.as_bytes());
    let mac = keys.mac(KeyName::PageToken, &[LIST, &span.bytes(), &bytes])?;
    bytes.extend_from_slice(&mac);
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

pub(super) fn read(keys: &dyn KeyStore, span: Span, token: &str) -> Result<Place, TokenError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Malformed)?;
    let (place, mac) = bytes.split_at_checked(PLACE_LEN).ok_or(TokenError::Malformed)?;
    if !keys.mac_matches(KeyName::PageToken, &[LIST, &span.bytes(), place], mac)? {
        return Err(TokenError::Malformed);
    }
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
