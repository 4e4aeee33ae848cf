//! Banks that tell the hub of purchases and bills, over connections of their own under their own certificates, as adapters do: a
//! message is as large as one of an adapter, and several are under way at once.

use std::collections::VecDeque;

use domain::BankId;
use prost::Message as _;
use proto::federation as pb;
use proto::federation::federation_service_client::FederationServiceClient;
use server_kit::identity::Role;
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::transport::Channel;

use super::RecordsError;
use super::past::{Past, Reports};
use crate::profile::Link;
use crate::trial::Federation;

/// The most reports of one message, and the most bytes that they take together: an adapter's.
const MOST_REPORTS: usize = 200;
const MOST_BYTES: usize = 48 * 1024;
/// Messages of one bank that are under way at once.
const IN_FLIGHT: usize = 3;
/// Accounts whose bills go out together; a message has those of one account.
const ACCOUNTS: usize = 8;
/// How often a message that came before its predecessor is told again.
const TRIES: usize = 50;

/// A bank with what it has still to tell.
#[derive(Debug)]
pub struct Bank {
    number: u64,
    pub channel: Channel,
    reports: Reports,
}

impl Bank {
    /// All banks of a past, known to the hub.
    pub async fn open_all(federation: &Federation, past: &Past) -> Result<Vec<Self>, RecordsError> {
        let operator = federation.operator()?;
        let mut banks = Vec::new();
        for (number, id) in past.banks() {
            // It is not asked about anything while records are measured.
            operator.register_bank(id, id.as_str(), "https://127.0.0.1:1").await?;
            let reports = past.clone().reports(number);
            banks.push(Self { number, channel: channel(federation, id)?, reports });
        }
        Ok(banks)
    }

    /// Tells of all purchases before a round; gives how many they were.
    async fn tell_before(mut self, round: u64) -> Result<(Self, u64), RecordsError> {
        let client = FederationServiceClient::new(self.channel.clone());
        let mut under_way: VecDeque<JoinHandle<Result<(), RecordsError>>> = VecDeque::new();
        let mut told = 0;
        while let Some(message) = self.next_message(round) {
            told += message.reports.len() as u64;
            under_way.push_back(tokio::spawn(tell(client.clone(), message)));
            if under_way.len() >= IN_FLIGHT
                && let Some(first) = under_way.pop_front()
            {
                first.await.map_err(|_| RecordsError::TaskEnded)??;
            }
        }
        for rest in under_way {
            rest.await.map_err(|_| RecordsError::TaskEnded)??;
        }
        Ok((self, told))
    }

    fn next_message(&mut self, round: u64) -> Option<pb::ReportPurchasesRequest> {
        let (mut reports, mut bytes) = (Vec::with_capacity(MOST_REPORTS), 0);
        while reports.len() < MOST_REPORTS && bytes < MOST_BYTES {
            let Some(report) = self.reports.next_before(round) else { break };
            bytes += report.encoded_len();
            reports.push(report);
        }
        (!reports.is_empty()).then_some(pb::ReportPurchasesRequest { reports })
    }

    async fn bill_all(self, past: Past) -> Result<(Self, u64), RecordsError> {
        let client = FederationServiceClient::new(self.channel.clone());
        let mut told = 0;
        let mut accounts = past.bills(self.number);
        loop {
            let together: Vec<_> = accounts.by_ref().take(ACCOUNTS).collect();
            if together.is_empty() {
                return Ok((self, told));
            }
            told += together.iter().map(|bills| bills.len() as u64).sum::<u64>();
            let tell = |bills| tokio::spawn(bill(client.clone(), bills));
            let tellings: Vec<_> = together.into_iter().map(tell).collect();
            for telling in tellings {
                telling.await.map_err(|_| RecordsError::TaskEnded)??;
            }
        }
    }
}

fn channel(federation: &Federation, id: &BankId) -> Result<Channel, RecordsError> {
    let member = federation.member(Role::Bank, id.as_str())?;
    Ok(Link::new(federation.name(), &Federation::client_tls(&member))?.hub(&federation.hub_endpoint()?)?)
}

/// Tells until the hub has taken all of it in. What comes before its predecessor is told again, as an adapter would.
async fn tell(
    mut client: FederationServiceClient<Channel>,
    message: pb::ReportPurchasesRequest,
) -> Result<(), RecordsError> {
    let last = message.reports.last().map_or(0, |report| report.sequence);
    for _ in 0..TRIES {
        let answer = client.report_purchases(message.clone()).await.map_err(Box::new)?.into_inner();
        if let Some(refused) = answer.refused.first() {
            let reason = refused.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str());
            return Err(RecordsError::Refused(format!("report {}: {reason}", refused.sequence)));
        }
        if answer.through_sequence >= last {
            return Ok(());
        }
    }
    Err(RecordsError::Refused(format!("report {last} is not taken in")))
}

async fn bill(mut client: FederationServiceClient<Channel>, bills: Vec<pb::BillReport>) -> Result<(), RecordsError> {
    let answer = client.report_bills(pb::ReportBillsRequest { bills }).await.map_err(Box::new)?.into_inner();
    match answer.taken.iter().find_map(|taken| taken.refusal.as_ref()) {
        Some(refusal) => Err(RecordsError::Refused(format!("a bill: {}", refusal.reason))),
        None => Ok(()),
    }
}

/// Has all banks tell at once of what was bought before a round; gives how many purchases it were.
pub async fn tell_before(banks: &mut Vec<Bank>, round: u64) -> Result<u64, RecordsError> {
    let tasks = std::mem::take(banks).into_iter().map(|bank| tokio::spawn(bank.tell_before(round))).collect();
    gather(banks, tasks).await
}

/// Has all banks bill at once; gives how many bills it were.
pub async fn bill_all(banks: &mut Vec<Bank>, past: &Past) -> Result<u64, RecordsError> {
    let bill = |bank: Bank| tokio::spawn(bank.bill_all(past.clone()));
    let tasks = std::mem::take(banks).into_iter().map(bill).collect();
    gather(banks, tasks).await
}

async fn gather(
    banks: &mut Vec<Bank>,
    tasks: Vec<JoinHandle<Result<(Bank, u64), RecordsError>>>,
) -> Result<u64, RecordsError> {
    let mut all = 0;
    for task in tasks {
        let (bank, told) = task.await.map_err(|_| RecordsError::TaskEnded)??;
        banks.push(bank);
        all += told;
    }
    Ok(all)
}

impl From<Box<Status>> for RecordsError {
    fn from(status: Box<Status>) -> Self {
        Self::Call(status)
    }
}
