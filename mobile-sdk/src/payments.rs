//! The person's purchases over all banks: pages, sums and files.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proto::cardholder as pb;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tonic::Streaming;

use crate::cache::Freshness;
use crate::error::{Failure, SdkError, Trouble};
use crate::mirror::mirror;
use crate::phone::{Inner, Phone, on_threads};
use crate::platform::micros;
use crate::purchase::{Money, Nature, Purchase, PurchaseState, money_of, purchase_of};

/// How long the next piece of a file may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);

/// Which purchases are asked for. Every part that is set has to fit; a list fits by any of its values, and has at most 50.
#[derive(Clone, Debug, Default, PartialEq, uniffi::Record)]
pub struct PurchaseFilter {
    #[uniffi(default)]
    pub bank_ids: Vec<String>,
    /// As the record shows them, such as "****4821".
    #[uniffi(default)]
    pub accounts_masked: Vec<String>,
    #[uniffi(default)]
    pub merchant_ids: Vec<String>,
    /// ISO 18245.
    #[uniffi(default)]
    pub category_codes: Vec<String>,
    #[uniffi(default)]
    pub natures: Vec<Nature>,
    #[uniffi(default)]
    pub states: Vec<PurchaseState>,
    /// At this moment or later.
    #[uniffi(default)]
    pub from: Option<SystemTime>,
    /// Before this moment.
    #[uniffi(default)]
    pub until: Option<SystemTime>,
    /// ISO 4217; empty for all.
    #[uniffi(default)]
    pub currency_code: String,
    #[uniffi(default)]
    pub least_minor: Option<i64>,
    #[uniffi(default)]
    pub most_minor: Option<i64>,
    /// Words, each of which stands somewhere in the merchant, the place or the things bought.
    #[uniffi(default)]
    pub text: String,
}

impl PurchaseFilter {
    fn message(self) -> pb::PurchaseFilter {
        let time = |at: SystemTime| proto::to_timestamp(micros(at));
        pb::PurchaseFilter {
            natures: self.natures.into_iter().map(Nature::number).collect(),
            states: self.states.into_iter().map(PurchaseState::number).collect(),
            bank_ids: self.bank_ids,
            accounts_masked: self.accounts_masked,
            merchant_ids: self.merchant_ids,
            category_codes: self.category_codes,
            from_time: self.from.map(time),
            until_time: self.until.map(time),
            currency_code: self.currency_code,
            least_minor: self.least_minor,
            most_minor: self.most_minor,
            text: self.text,
        }
    }
}

/// One page of purchases.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct PurchasePage {
    /// The last that the hub heard of first. A page may have fewer than were asked for, or none, and still not be the last.
    pub purchases: Vec<Purchase>,
    /// For the next page; none on the last.
    pub next_page_token: Option<String>,
    pub freshness: Freshness,
}

mirror! {
    /// What purchases are put together by.
    GroupBy = pb::GroupBy {
        /// The key is the bank's id.
        Bank,
        /// The key is the bank's id, a space, and the account as the record shows it.
        Account,
        /// The key is the merchant's id.
        Merchant,
        /// The key is the category's code.
        Category,
        /// The key is a word such as "PURCHASE".
        Nature,
        /// The key is such as "2026-11-22".
        Day,
        /// The key is such as "2026-11".
        Month,
        /// The key is "1" for Monday to "7" for Sunday.
        Weekday,
        /// The key is "00" to "23".
        Hour,
    }
}

/// The sum of some purchases in one currency.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PurchaseSum {
    /// What they have in common.
    pub key: String,
    pub amount: Money,
    /// How much of that came back, in minor units.
    pub given_back_minor: i64,
    /// How many of them have cost something in the end.
    pub count: i64,
}

/// Sums by currency, and within it what has cost most first.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PurchaseSums {
    pub sums: Vec<PurchaseSum>,
    pub freshness: Freshness,
}

mirror! {
    /// What an export looks like.
    ExportFormat = pb::ExportFormat {
        /// RFC 4180 with a header line.
        Csv,
        /// OFX 2.2.
        Ofx,
        /// ISO 20022 camt.053.001.08.
        Camt053,
    }
}

/// A file that comes piece by piece. It is not whole when a piece fails.
#[derive(Debug, uniffi::Object)]
pub struct Export {
    inner: Arc<Inner>,
    pieces: Arc<Mutex<Streaming<pb::ExportPaymentsResponse>>>,
}

#[uniffi::export]
impl Export {
    /// The bytes that come next; none after the last.
    pub async fn next(&self) -> Result<Option<Vec<u8>>, SdkError> {
        let pieces = self.pieces.clone();
        let work = async move {
            let mut pieces = pieces.lock().await;
            // The first piece of a statement comes when the whole record was read.
            let piece = timeout(PIECE_TIMEOUT, pieces.message()).await.map_err(|_| Trouble::NoAnswer)?;
            Ok(piece?.map(|piece| piece.chunk))
        };
        on_threads(&self.inner, |_| work).await
    }
}

impl Inner {
    pub(crate) async fn payments(
        &self,
        filter: Option<PurchaseFilter>,
        page_size: u32,
        page_token: Option<String>,
    ) -> Result<PurchasePage, Failure> {
        let request = pb::ListPaymentsRequest {
            page_size: i32::try_from(page_size).map_err(|_| Trouble::NumberMalformed)?,
            page_token: page_token.unwrap_or_default(),
            filter: filter.map(PurchaseFilter::message),
        };
        let call = |mut hub: crate::session::Hub, request| async move { hub.list_payments(request).await };
        let (page, freshness) = self.read("payments", request, call).await?;
        Ok(PurchasePage {
            purchases: page.purchases.into_iter().map(purchase_of).collect(),
            next_page_token: (!page.next_page_token.is_empty()).then_some(page.next_page_token),
            freshness,
        })
    }
}

#[uniffi::export]
impl Phone {
    /// A page of the purchases that are asked for, all with none: at most `page_size` of them, 1 to 200, 0 for 50. The token is that of
    /// the page before, which goes with its filter.
    #[uniffi::method(default(filter = None, page_size = 0, page_token = None))]
    pub async fn payments(
        &self,
        filter: Option<PurchaseFilter>,
        page_size: u32,
        page_token: Option<String>,
    ) -> Result<PurchasePage, SdkError> {
        self.run(|inner| async move { inner.payments(filter, page_size, page_token).await }).await
    }

    /// Sums of the purchases that are asked for: all in one for each currency if nothing is said. Days and hours are those of the time
    /// zone, an IANA name, or UTC.
    #[uniffi::method(default(filter = None, group_by = None, time_zone = ""))]
    pub async fn sums(
        &self,
        filter: Option<PurchaseFilter>,
        group_by: Option<GroupBy>,
        time_zone: String,
    ) -> Result<PurchaseSums, SdkError> {
        let request = pb::SumPaymentsRequest {
            filter: filter.map(PurchaseFilter::message),
            group_by: group_by.map_or(0, GroupBy::number),
            time_zone,
        };
        self.run(|inner| async move {
            let call = |mut hub: crate::session::Hub, request| async move { hub.sum_payments(request).await };
            let (answer, freshness) = inner.read("sums", request, call).await?;
            let sum = |it: pb::PurchaseSum| PurchaseSum {
                key: it.key,
                amount: money_of(it.amount),
                given_back_minor: it.given_back_minor,
                count: it.count,
            };
            Ok(PurchaseSums { sums: answer.sums.into_iter().map(sum).collect(), freshness })
        })
        .await
    }

    /// The purchases that are asked for as a file.
    #[uniffi::method(default(filter = None))]
    pub async fn export(&self, format: ExportFormat, filter: Option<PurchaseFilter>) -> Result<Arc<Export>, SdkError> {
        let request =
            pb::ExportPaymentsRequest { filter: filter.map(PurchaseFilter::message), format: format.number() };
        self.run(|inner| async move {
            let call = |mut hub: crate::session::Hub, request| async move { hub.export_payments(request).await };
            let pieces = Arc::new(Mutex::new(inner.in_session(request, call).await?));
            Ok(Arc::new(Export { inner, pieces }))
        })
        .await
    }
}
