//! ListPayments: the person's record over all banks, newest first (R1, R7).

use domain::purchase::Purchase;
use domain::{PaymentId, PersonId, Reason, Timestamp};
use proto::cardholder as pb;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::store::{Store, StoreError};
use uuid::Uuid;

use super::hex;
use super::sql::{self, Place};

const USUAL_SIZE: usize = 50;
const LARGEST_SIZE: i32 = 200;
/// A page ends early when its texts pass this, so that a message stays small whatever people buy; a page has one
/// entry at least.
const PAGE_TEXT_BYTES: usize = 40 * 1024;
/// Time and id, before the keyed hash.
const PLACE_BYTES: usize = 24;
/// Which list a token belongs to.
const LIST: &[u8] = b"ListPayments";

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageAsked {
    size: usize,
    before: Place,
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
            "" => Some(Place::START),
            token => read_token(keys, person_id, token)?,
        };
        Ok(before.map(|before| Self { size, before }).ok_or(Reason::PageTokenMalformed))
    }
}

/// A page, and the place of the next one.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) purchases: Vec<Purchase>,
    pub(super) next: Option<Place>,
}

pub(super) async fn read_page(store: &Store, person_id: PersonId, asked: PageAsked) -> Result<Page, StoreError> {
    // One more than the page has, to know whether there is another page.
    let limit = i64::try_from(asked.size).unwrap_or(i64::MAX).saturating_add(1);
    let found = sql::read_purchases(store, person_id, asked.before, limit).await?;
    let all = found.len();
    let mut purchases = Vec::with_capacity(all);
    let mut text = 0_usize;
    for (purchase, bytes) in found {
        text = text.saturating_add(bytes);
        if purchases.len() == asked.size || (text > PAGE_TEXT_BYTES && !purchases.is_empty()) {
            break;
        }
        purchases.push(purchase);
    }
    let last = purchases.last().filter(|_| purchases.len() < all);
    let next = last.map(|last| Place { occurred_at: last.occurred_at, payment_id: last.payment_id });
    Ok(Page { purchases, next })
}

/// The token of the page after a place: opaque, and good for this person only.
pub(super) fn make_token(keys: &dyn KeyStore, person_id: PersonId, place: Place) -> Result<String, KeyError> {
    let place = place_bytes(place);
    let mac = keys.mac(KeyName::PageToken, &[LIST, person_id.uuid().as_bytes(), &place])?;
    Ok(hex::encode(&[place.as_slice(), &mac].concat()))
}

fn read_token(keys: &dyn KeyStore, person_id: PersonId, token: &str) -> Result<Option<Place>, KeyError> {
    let Some(bytes) = hex::decode(token) else { return Ok(None) };
    let Some((place, mac)) = bytes.split_at_checked(PLACE_BYTES) else { return Ok(None) };
    let genuine = keys.mac_matches(KeyName::PageToken, &[LIST, person_id.uuid().as_bytes(), place], mac)?;
    Ok(if genuine { place_of(place) } else { None })
}

fn place_bytes(place: Place) -> Vec<u8> {
    [place.occurred_at.micros().to_be_bytes().as_slice(), place.payment_id.uuid().as_bytes()].concat()
}

fn place_of(bytes: &[u8]) -> Option<Place> {
    let (time, id) = bytes.split_at_checked(8)?;
    let occurred_at = Timestamp::from_micros(i64::from_be_bytes(time.try_into().ok()?));
    Some(Place { occurred_at, payment_id: PaymentId::from_uuid(Uuid::from_slice(id).ok()?) })
}
