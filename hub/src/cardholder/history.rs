//! ListPayments: the person's record over all banks, newest first (R1, R7).

use super::hex;
use super::sql::{self, Recorded};
use domain::purchase::Purchase;
use domain::{PersonId, Reason};
use proto::cardholder as pb;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::store::{Store, StoreError};

const USUAL_SIZE: usize = 50;
const LARGEST_SIZE: i32 = 200;
/// A page ends early when its texts pass this, so that a message stays small whatever people buy; a page has one
/// entry at least.
const PAGE_TEXT_BYTES: usize = 40 * 1024;
/// The place where a page ends, before the keyed hash.
const PLACE_BYTES: usize = 8;
/// Which list a token belongs to.
const LIST: &[u8] = b"ListPayments";

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageAsked {
    size: usize,
    before_sequence: i64,
}

impl PageAsked {
    /// Reads the request of this person; a token of somebody else is none.
    pub(super) fn read(
        keys: &dyn KeyStore,
        person_id: PersonId,
        request: &pb::ListPaymentsRequest,
    ) -> Result<Result<Self, Reason>, KeyError> {
        let size = match request.page_size {
            0 => USUAL_SIZE,
            size @ 1..=LARGEST_SIZE => usize::try_from(size).unwrap_or(USUAL_SIZE),
            _ => return Ok(Err(Reason::PageSizeOutOfRange)),
        };
        let before = match request.page_token.as_str() {
            "" => Some(i64::MAX),
            token => read_token(keys, person_id, token)?,
        };
        Ok(before.map(|before_sequence| Self { size, before_sequence }).ok_or(Reason::PageTokenMalformed))
    }
}

/// A page, and the place in the feed before which the next one lies.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) purchases: Vec<Purchase>,
    pub(super) next: Option<i64>,
}

pub(super) async fn read_page(store: &Store, person_id: PersonId, asked: PageAsked) -> Result<Page, StoreError> {
    // One more than the page has, to know whether there is another page.
    let limit = i64::try_from(asked.size).unwrap_or(i64::MAX).saturating_add(1);
    let found = sql::read_purchases(store, person_id, asked.before_sequence, limit).await?;
    let all = found.len();
    let mut purchases = Vec::with_capacity(all);
    let (mut text, mut last) = (0_usize, None);
    for Recorded { purchase, sequence, text_bytes } in found {
        text = text.saturating_add(text_bytes);
        if purchases.len() == asked.size || (text > PAGE_TEXT_BYTES && !purchases.is_empty()) {
            break;
        }
        purchases.push(purchase);
        last = Some(sequence);
    }
    let next = last.filter(|_| purchases.len() < all);
    Ok(Page { purchases, next })
}

/// The token of the page after a place: opaque, and good for this person only.
pub(super) fn make_token(keys: &dyn KeyStore, person_id: PersonId, place: i64) -> Result<String, KeyError> {
    let place = place.to_be_bytes();
    let mac = keys.mac(KeyName::PageToken, &[LIST, person_id.uuid().as_bytes(), &place])?;
    Ok(hex::encode(&[place.as_slice(), &mac].concat()))
}

fn read_token(keys: &dyn KeyStore, person_id: PersonId, token: &str) -> Result<Option<i64>, KeyError> {
    let Some(bytes) = hex::decode(token) else { return Ok(None) };
    let Some((place, mac)) = bytes.split_at_checked(PLACE_BYTES) else { return Ok(None) };
    let genuine = keys.mac_matches(KeyName::PageToken, &[LIST, person_id.uuid().as_bytes(), place], mac)?;
    Ok(if genuine { place.try_into().ok().map(i64::from_be_bytes) } else { None })
}
