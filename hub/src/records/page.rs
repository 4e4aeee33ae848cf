//! Pages of a person's record: which one is asked for, and the tokens by which the next one is (R1, R7).

use domain::purchase::Purchase;
use domain::record::PurchaseFilter;
use domain::{PersonId, Reason};
use proto::cardholder as pb;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::store::{Store, StoreError};
use uuid::Uuid;

use super::scan::{Recorded, Scan};
use crate::hex;

const USUAL_SIZE: usize = 50;
const LARGEST_SIZE: i32 = 200;
/// A page ends early when its texts pass this, so that a message stays small whatever people buy; a page has one
/// entry at least.
const PAGE_TEXT_BYTES: usize = 40 * 1024;
/// A page ends early, too, when so many purchases were looked at that the filter does not let through.
const LOOKED_AT_MOST: usize = 2_000;
/// The place where a page ends, before the keyed hash.
const PLACE_BYTES: usize = 8;
/// Which list a token belongs to.
const LIST: &[u8] = b"ListPayments";

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageAsked {
    size: usize,
    before_sequence: i64,
}

impl PageAsked {
    /// Reads the request of this person; a token of somebody else is none.
    pub(crate) fn read(
        keys: &dyn KeyStore,
        person_id: PersonId,
        request: &pb::ListPaymentsRequest,
    ) -> Result<Result<Self, Reason>, KeyError> {
        let before = match request.page_token.as_str() {
            "" => Some(i64::MAX),
            token => open_place(keys, LIST, person_id.uuid(), token)?,
        };
        let asked = Self::before(request.page_size, before.unwrap_or(i64::MAX));
        Ok(asked.and_then(|asked| before.map(|_| asked).ok_or(Reason::PageTokenMalformed)))
    }

    /// The page that lies before a place in the feed. `Err(PageSizeOutOfRange)`.
    pub(crate) fn before(page_size: i32, before_sequence: i64) -> Result<Self, Reason> {
        let size = match page_size {
            0 => USUAL_SIZE,
            size @ 1..=LARGEST_SIZE => usize::try_from(size).unwrap_or(USUAL_SIZE),
            _ => return Err(Reason::PageSizeOutOfRange),
        };
        Ok(Self { size, before_sequence })
    }

    /// The same, and nothing from this place on.
    pub(crate) fn at_most(self, before_sequence: i64) -> Self {
        Self { before_sequence: self.before_sequence.min(before_sequence), ..self }
    }
}

/// A page, and the place in the feed before which the next one lies.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) purchases: Vec<Purchase>,
    pub(crate) next: Option<i64>,
}

pub(crate) async fn read_page(
    store: &Store,
    person_id: PersonId,
    filter: &PurchaseFilter,
    asked: PageAsked,
) -> Result<Page, StoreError> {
    let mut scan = Scan::before(person_id, filter, asked.before_sequence);
    let mut page = Page::default();
    let (mut text, mut looked_at) = (0_usize, 0_usize);
    loop {
        // One more than the page has, to know whether there is another page.
        let found = scan.next(store, asked.size.saturating_add(1)).await?;
        if found.is_empty() {
            page.next = None;
            return Ok(page);
        }
        for Recorded { purchase, sequence, text_bytes, .. } in found {
            if looked_at == LOOKED_AT_MOST {
                return Ok(page);
            }
            let fits = filter.matches(&purchase);
            text = text.saturating_add(if fits { text_bytes } else { 0 });
            if fits && (page.purchases.len() == asked.size || (text > PAGE_TEXT_BYTES && !page.purchases.is_empty())) {
                return Ok(page);
            }
            if fits {
                page.purchases.push(purchase);
            }
            looked_at += 1;
            page.next = Some(sequence);
        }
    }
}

/// The token of the page after a place: opaque, and good for this person only.
pub(crate) fn make_token(keys: &dyn KeyStore, person_id: PersonId, place: i64) -> Result<String, KeyError> {
    seal_place(keys, LIST, person_id.uuid(), place)
}

/// A place as it stands in a token, which is good for one list of somebody or something.
pub(crate) fn seal_place(keys: &dyn KeyStore, list: &[u8], of: Uuid, place: i64) -> Result<String, KeyError> {
    let place = place.to_be_bytes();
    let mac = keys.mac(KeyName::PageToken, &[list, of.as_bytes(), &place])?;
    Ok(hex::encode(&[place.as_slice(), &mac].concat()))
}

/// The place that a token has; none for one of another list.
pub(crate) fn open_place(keys: &dyn KeyStore, list: &[u8], of: Uuid, token: &str) -> Result<Option<i64>, KeyError> {
    let Some(bytes) = hex::decode(token) else { return Ok(None) };
    let Some((place, mac)) = bytes.split_at_checked(PLACE_BYTES) else { return Ok(None) };
    let genuine = keys.mac_matches(KeyName::PageToken, &[list, of.as_bytes(), place], mac)?;
    Ok(if genuine { place.try_into().ok().map(i64::from_be_bytes) } else { None })
}
