//! What a phone asks of the person's record: lists, sums, files.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use proto::cardholder as pb;
use proto::common;
use serde_json::{Value, json};

use super::filter::FilterArgs;
use super::show::{given_back, money, money_value, purchase_value, time};
use super::{Phone, PhoneError, PhoneFolder};
use crate::error::CliError;
use crate::output::Output;

/// The most that the hub gives on one page.
const PAGE: i32 = 200;

#[derive(Clone, Debug, Args)]
pub struct PaymentsArgs {
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    most: u32,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Debug, Args)]
pub struct SumsArgs {
    /// What the purchases are put together by; without it all of a currency are one sum.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// The time zone of days and hours, such as Asia/Shanghai.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// What the file looks like.
    #[arg(long, value_enum)]
    format: FileFormat,
    /// Where it goes, in place of what is there; without it the file is printed.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Bank,
    Account,
    Merchant,
    Category,
    Nature,
    Day,
    Month,
    /// From 1 for Monday to 7 for Sunday.
    Weekday,
    Hour,
}

impl By {
    const fn message(self) -> pb::GroupBy {
        match self {
            Self::Bank => pb::GroupBy::Bank,
            Self::Account => pb::GroupBy::Account,
            Self::Merchant => pb::GroupBy::Merchant,
            Self::Category => pb::GroupBy::Category,
            Self::Nature => pb::GroupBy::Nature,
            Self::Day => pb::GroupBy::Day,
            Self::Month => pb::GroupBy::Month,
            Self::Weekday => pb::GroupBy::Weekday,
            Self::Hour => pb::GroupBy::Hour,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// A table for spreadsheets, one line for each purchase.
    Csv,
    /// OFX 2.2, statements for bookkeeping programs; without what is only held.
    Ofx,
    /// Statements of ISO 20022, camt.053.001.08.
    Camt053,
}

impl FileFormat {
    const fn message(self) -> pb::ExportFormat {
        match self {
            Self::Csv => pb::ExportFormat::Csv,
            Self::Ofx => pb::ExportFormat::Ofx,
            Self::Camt053 => pb::ExportFormat::Camt053,
        }
    }
}

pub(super) async fn payments(folder: &PhoneFolder, args: &PaymentsArgs, out: &Output) -> Result<(), CliError> {
    let purchases = all_pages(&folder.open().await?, args.filter.read()?, args.most).await?;
    let rows: Vec<Vec<String>> = purchases
        .iter()
        .map(|purchase| {
            vec![
                time(purchase.occurred_at.as_ref()),
                money(purchase.amount.as_ref()),
                purchase.merchant.as_ref().map(|merchant| merchant.display_name.clone()).unwrap_or_default(),
                format!("{} {}", purchase.bank_id, purchase.account_masked),
                if purchase.given_back_minor > 0 { given_back(purchase) } else { String::new() },
            ]
        })
        .collect();
    let value = Value::Array(purchases.iter().map(purchase_value).collect());
    out.table(&["when", "amount", "paid to", "from", "given back"], &rows, &value);
    Ok(())
}

/// The first so many purchases, over as many pages as it takes: a page may be short, or empty, and still not be the last.
async fn all_pages(phone: &Phone, filter: pb::PurchaseFilter, most: u32) -> Result<Vec<pb::Purchase>, PhoneError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let (mut purchases, mut page_token) = (Vec::new(), String::new());
    loop {
        let wanted = i32::try_from(most.saturating_sub(purchases.len())).unwrap_or(PAGE);
        let filter = Some(filter.clone());
        let page = phone.page(pb::ListPaymentsRequest { page_size: wanted.min(PAGE), page_token, filter }).await?;
        purchases.extend(page.purchases);
        page_token = page.next_page_token;
        if page_token.is_empty() || purchases.len() >= most {
            return Ok(purchases);
        }
    }
}

pub(super) async fn sums(folder: &PhoneFolder, args: &SumsArgs, out: &Output) -> Result<(), CliError> {
    let request = pb::SumPaymentsRequest {
        filter: Some(args.filter.read()?),
        group_by: args.by.map_or(pb::GroupBy::Unspecified, By::message).into(),
        time_zone: args.time_zone.clone(),
    };
    let sums = folder.open().await?.sums(request).await?;
    let by = args.by.and_then(|by| by.to_possible_value());
    let by = by.as_ref().map_or("", |by| by.get_name());
    let rows: Vec<Vec<String>> = sums.iter().map(sum_row).collect();
    let value = Value::Array(sums.iter().map(sum_value).collect());
    out.table(&[by, "paid", "given back", "cost in the end", "payments"], &rows, &value);
    Ok(())
}

fn sum_row(sum: &pb::PurchaseSum) -> Vec<String> {
    let with = |minor_units| {
        let amount = sum.amount.as_ref();
        money(amount.map(|amount| common::Money { minor_units, ..amount.clone() }).as_ref())
    };
    let paid = sum.amount.as_ref().map_or(0, |amount| amount.minor_units);
    vec![
        sum.key.clone(),
        with(paid),
        if sum.given_back_minor > 0 { with(sum.given_back_minor) } else { String::new() },
        with(paid.saturating_sub(sum.given_back_minor)),
        sum.count.to_string(),
    ]
}

fn sum_value(sum: &pb::PurchaseSum) -> Value {
    json!({
        "key": sum.key,
        "amount": money_value(sum.amount.as_ref()),
        "given_back_minor": sum.given_back_minor,
        "count": sum.count,
    })
}

pub(super) async fn export(folder: &PhoneFolder, args: &ExportArgs, out: &Output) -> Result<(), CliError> {
    let request = pb::ExportPaymentsRequest { filter: Some(args.filter.read()?), format: args.format.message().into() };
    let phone = folder.open().await?;
    match &args.to {
        Some(path) => {
            let written = export_to(&phone, request, path).await?;
            let fields = [("file", path.display().to_string()), ("bytes", written.to_string())];
            out.record(&fields, &json!({ "file": path, "bytes": written }));
        }
        // Printed when it is whole, so that whoever reads it from a pipe never takes half a file for all of it.
        None => {
            let mut file = Vec::new();
            phone
                .export(request, |piece| {
                    file.extend_from_slice(piece);
                    Ok(())
                })
                .await?;
            out.raw(std::str::from_utf8(&file).map_err(|_| PhoneError::Unreadable("the file"))?);
        }
    }
    Ok(())
}

/// Writes the file beside its place and puts it there when it is whole; how many bytes it has.
async fn export_to(phone: &Phone, request: pb::ExportPaymentsRequest, path: &Path) -> Result<u64, PhoneError> {
    let failed = |error: std::io::Error| PhoneError::file(path, &error);
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let mut file = File::create(&partial).map_err(failed)?;
    let mut written = 0_u64;
    let exported = phone
        .export(request, |piece| {
            written = written.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            file.write_all(piece).map_err(failed)
        })
        .await;
    match exported.and_then(|()| std::fs::rename(&partial, path).map_err(failed)) {
        Ok(()) => Ok(written),
        Err(error) => {
            let _ = std::fs::remove_file(&partial);
            Err(error)
        }
    }
}
