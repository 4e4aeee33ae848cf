//! Accounts that the hub has asked for, in the ledger's sets.

use std::collections::{BTreeSet, HashMap};

use domain::ledger::{self as rules, Account, Books, OpeningOrder};
use domain::{Reason, Timestamp};
use server_kit::audit::Entry;
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use super::Said;
use super::sql::{self, Opening};

/// An account to open for somebody who was looked up.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) order: OpeningOrder,
    /// The keyed hash of what the hub has asked.
    pub(crate) content_mac: [u8; 32],
    /// What the citizen-identity service has said.
    pub(crate) said: Said,
    /// The citizen number, sealed.
    pub(crate) citizen_sealed: Vec<u8>,
}

/// What was answered before to the wishes of a set, and what is new.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    known: HashMap<Uuid, Opening>,
    new: BTreeSet<Uuid>,
}

impl Openings {
    /// Asks for nothing when there is no such wish.
    pub(crate) async fn load<'c>(tx: &mut Tx, wishes: impl Iterator<Item = &'c Checked>) -> Result<Self, StoreError> {
        let ids: BTreeSet<Uuid> = wishes.map(|checked| checked.order.account_id.uuid()).collect();
        Ok(Self { known: sql::load(tx, ids.into_iter().collect()).await?, new: BTreeSet::new() })
    }

    /// Opens the account, or refuses; or gives the first answer again. A refusal is stored too: who was nobody's match is not another one's by
    /// asking twice.
    pub(crate) fn decide(
        &mut self,
        books: &mut Books,
        checked: &Checked,
        now: Timestamp,
        log: &mut Vec<Entry>,
    ) -> Result<Account, Reason> {
        let id = checked.order.account_id;
        if let Some(first) = self.known.get(&id.uuid()) {
            if first.content_mac.as_slice() != checked.content_mac {
                return Err(Reason::IdTaken);
            }
            return match first.said.refusal() {
                Some(reason) => Err(reason),
                None => books.account(id).cloned().ok_or(Reason::Fault),
            };
        }
        let refusal = checked.said.refusal();
        let answer = match refusal {
            Some(reason) => Err(reason),
            None => {
                let decided = rules::open_account(books, &checked.order, now)?;
                books.apply(decided.change);
                Ok(decided.answer)
            }
        };
        let opening = Opening {
            content_mac: checked.content_mac.to_vec(),
            said: checked.said,
            citizen_sealed: refusal.is_none().then(|| checked.citizen_sealed.clone()),
            decided_at: now,
        };
        self.known.insert(id.uuid(), opening);
        self.new.insert(id.uuid());
        let (kind, number) = match &answer {
            Ok(account) => ("account.opened", account.masked()),
            Err(_) => ("account.not_opened", String::new()),
        };
        let content = format!("account={number} identity={} by=hub", checked.said.as_str());
        log.push(Entry { kind, subject: id.uuid(), content });
        answer
    }

    pub(crate) async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let new = self.new.iter().filter_map(|id| self.known.get(id).map(|opening| (*id, opening)));
        sql::insert(tx, new).await
    }
}
