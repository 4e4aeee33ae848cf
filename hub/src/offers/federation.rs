//! What banks call: they file offers, take them back, and learn what becomes of them.

use domain::{BankId, OfferId, PersonId, Reason};
use prost::Message as _;
use proto::{common, federation as pb};
use server_kit::keystore::KeyName;
use server_kit::store::StoreError;
use uuid::Uuid;

use super::answering::{SHOWN, context};
use super::filing::{File, Withdraw};
use super::steps::{Done, Step};
use super::{Offers, sql, unusable, wire};
use crate::hex;

const USUAL_SIZE: i64 = 50;
const LARGEST_SIZE: i32 = 200;

/// What is asked of the hub: the store may be away, or it is refused.
type Answer<T> = Result<Result<T, Reason>, StoreError>;

pub(super) fn page_size(asked: i32) -> Result<i64, Reason> {
    match asked {
        0 => Ok(USUAL_SIZE),
        1..=LARGEST_SIZE => Ok(asked.into()),
        _ => Err(Reason::PageSizeOutOfRange),
    }
}

/// The id below which a page begins.
pub(super) fn below(token: &str) -> Result<Uuid, Reason> {
    match token {
        "" => Ok(Uuid::max()),
        token => OfferId::parse(token).map(OfferId::uuid).map_err(|_| Reason::PageTokenMalformed),
    }
}

/// Cuts what was read, one more than a page has, to the page; whether there is more.
pub(super) fn cut<T>(found: &mut Vec<T>, size: i64) -> bool {
    let is_more = i64::try_from(found.len()).is_ok_and(|len| len > size);
    if is_more {
        found.pop();
    }
    is_more
}

impl Offers {
    /// An offer as it stands, for who changed it.
    pub(super) async fn changed(&self, step: Step) -> Answer<common::Offer> {
        match self.step(step).await? {
            Ok(Done::Offer(stored)) => {
                // Its acceptances are counted after the change; nobody is told of them twice.
                let counted = sql::read_offer(&self.parts.store, stored.offer.filing.id).await?;
                let counted = counted.unwrap_or((*stored, 0));
                Ok(Ok(wire::offer(&counted, self.parts.floor)))
            }
            Ok(_) => Ok(Err(Reason::Fault)),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// Files an offer of a bank.
    pub async fn file(&self, bank_id: BankId, request: &pb::FileOfferRequest) -> Answer<pb::FileOfferResponse> {
        let filing = match wire::filing(bank_id, request.filing.as_ref()) {
            Ok(filing) => filing,
            Err(reason) => return Ok(Err(reason)),
        };
        let offer = self.changed(Step::File(File { filing })).await?;
        Ok(offer.map(|offer| pb::FileOfferResponse { offer: Some(offer) }))
    }

    /// Takes an offer of a bank back.
    pub async fn withdraw(
        &self,
        bank_id: BankId,
        request: &pb::WithdrawOfferRequest,
    ) -> Answer<pb::WithdrawOfferResponse> {
        let offer_id = match OfferId::parse(&request.offer_id) {
            Ok(offer_id) => offer_id,
            Err(reason) => return Ok(Err(reason)),
        };
        let by = format!("bank/{bank_id}");
        let offer = self.changed(Step::Withdraw(Withdraw { offer_id, of: Some(bank_id), by })).await?;
        Ok(offer.map(|offer| pb::WithdrawOfferResponse { offer: Some(offer) }))
    }

    /// Lists the offers of a bank.
    pub async fn list(&self, bank_id: BankId, request: &pb::ListOffersRequest) -> Answer<pb::ListOffersResponse> {
        let (size, below) = match page_size(request.page_size).and_then(|size| Ok((size, below(&request.page_token)?)))
        {
            Ok(page) => page,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut found = sql::read_of_bank(&self.parts.store, &bank_id, below, size + 1).await?;
        let is_more = cut(&mut found, size);
        let next = found.last().filter(|_| is_more).map(|(last, _)| last.offer.filing.id.to_string());
        let offers = found.iter().map(|counted| wire::offer(counted, self.parts.floor)).collect();
        Ok(Ok(pb::ListOffersResponse { offers, next_page_token: next.unwrap_or_default() }))
    }

    /// Gives one offer of a bank, with those who accepted it.
    pub async fn get(&self, bank_id: BankId, request: &pb::GetOfferRequest) -> Answer<pb::GetOfferResponse> {
        let asked = OfferId::parse(&request.offer_id).and_then(|id| Ok((id, page_size(request.page_size)?)));
        let (offer_id, size) = match asked {
            Ok(asked) => asked,
            Err(reason) => return Ok(Err(reason)),
        };
        let Some(after) = self.read_place(offer_id, &request.page_token) else {
            return Ok(Err(Reason::PageTokenMalformed));
        };
        let counted = sql::read_offer(&self.parts.store, offer_id).await?;
        let Some(counted) = counted.filter(|(stored, _)| stored.offer.filing.bank_id == bank_id) else {
            return Ok(Err(Reason::OfferUnknown));
        };
        let mut found = sql::read_acceptances(&self.parts.store, offer_id, after, size + 1).await?;
        let is_more = cut(&mut found, size);
        let mut acceptances = Vec::with_capacity(found.len());
        for (person_id, sealed) in &found {
            let opened = self.parts.keys.open(KeyName::SealedPayload, &context(SHOWN, *person_id, offer_id), sealed);
            let shown = common::OfferAcceptance::decode(&*opened.map_err(unusable)?);
            acceptances
                .push(shown.map_err(|error| StoreError::Refused(format!("an acceptance cannot be read: {error}")))?);
        }
        let next = found.last().filter(|_| is_more).map(|(last, _)| self.place(offer_id, *last)).transpose()?;
        let offer = Some(wire::offer(&counted, self.parts.floor));
        Ok(Ok(pb::GetOfferResponse { offer, acceptances, next_page_token: next.unwrap_or_default() }))
    }

    /// A place among those who accepted, sealed: a bank does not learn under which id somebody is known here.
    fn place(&self, offer_id: OfferId, person_id: PersonId) -> Result<String, StoreError> {
        let place = [person_id.uuid().into_bytes().as_slice()].concat();
        let sealed = self.parts.keys.seal(KeyName::SealedPayload, &place_context(offer_id), &place);
        Ok(hex::encode(&sealed.map_err(unusable)?))
    }

    fn read_place(&self, offer_id: OfferId, token: &str) -> Option<PersonId> {
        if token.is_empty() {
            return Some(PersonId::from_uuid(Uuid::nil()));
        }
        let sealed = hex::decode(token)?;
        let place = self.parts.keys.open(KeyName::SealedPayload, &place_context(offer_id), &sealed).ok()?;
        Uuid::from_slice(&place).ok().map(PersonId::from_uuid)
    }
}

fn place_context(offer_id: OfferId) -> Vec<u8> {
    [b"GetOffer\n".as_slice(), offer_id.uuid().as_bytes()].concat()
}
