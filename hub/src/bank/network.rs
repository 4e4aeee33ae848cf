//! Which banks are reached over a card network and not by an adapter.

use std::sync::Arc;

use domain::card::Pan;
use domain::{BankId, CardId};
use server_kit::store::StoreError;

use super::Banks;
use crate::directory::BankEntry;
use crate::network::issuer::Issuers;

/// The line over which a bank is reached.
pub(super) struct Line<'b> {
    pub(super) issuers: &'b Issuers,
    entry: Arc<BankEntry>,
}

impl Line<'_> {
    /// By which it is configured.
    pub(super) fn name(&self) -> &str {
        self.issuers.line_of(&self.entry.endpoint).unwrap_or_default()
    }
}

impl Banks {
    /// The number of a card by which somebody pays without showing it; none of a card of a bank with an adapter, which keeps it to itself.
    pub(crate) async fn number_of(&self, bank: &BankId, card: CardId) -> Result<Option<Pan>, StoreError> {
        match self.line(bank).await {
            Some(line) => line.issuers.number_of(bank, card).await,
            None => Ok(None),
        }
    }

    /// The line of a bank without an adapter; none for one that has an adapter, and for what is not known now.
    pub(super) async fn line(&self, bank: &BankId) -> Option<Line<'_>> {
        let issuers = self.issuers.as_ref()?;
        let entry = self.links.directory.bank(bank).await.ok().flatten()?;
        issuers.line_of(&entry.endpoint).is_some().then_some(Line { issuers, entry })
    }
}
