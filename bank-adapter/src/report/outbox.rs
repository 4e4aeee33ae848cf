//! Reports, numbered in the transaction of the steps that they tell of; which instruments are followed; and what the hub has
//! acknowledged.

use std::collections::BTreeSet;

use domain::card::Card;
use domain::ledger::{Account, Books, Charge, Leg, LegState, Party, Sale};
use domain::payment::Instrument;
use domain::purchase::PurchaseState;
use domain::text::Line;
use domain::{AccountId, CardId, ConsentId, InquiryId, Money, Reason};
use proto::federation::purchase_report::Instrument as Named;
use proto::{common, federation as pb};
use server_kit::audit::Entry;
use server_kit::identity::Principal;
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use super::bells::News;
use super::bill::{BillOutbox, BillTold};
use super::sql::{self, Report};
use crate::credit::CreditBooks;
use crate::network::{code_of, to_item};

/// A step of the ledger's writer that is about reports and moves no money.
#[derive(Clone, Debug)]
pub(crate) enum ReportStep {
    /// Somebody has bound this at the hub.
    Follow(Instrument),
    /// The hub has answered.
    Acknowledge(Answer),
    /// The hub is about to be asked about somebody, by an operator of the counter.
    Asked(Box<AskedHub>),
    /// The counter has checked whose an account or a card is, and the hub is about to be told.
    IdentityChecked(Box<IdentityChecked>),
    /// The hub has said what it has taken in of bills.
    BillsTold(Vec<BillTold>),
}

/// An identity check, after which its holder may set a safety code at the hub.
#[derive(Clone, Debug)]
pub(crate) struct IdentityChecked {
    pub(crate) check_id: InquiryId,
    pub(crate) instrument: Instrument,
    pub(crate) how: Line,
    pub(crate) by: Principal,
}

/// An inquiry about a person's credit history: whose it is stands in no log of the bank's.
#[derive(Clone, Debug)]
pub(crate) struct AskedHub {
    pub(crate) inquiry_id: InquiryId,
    pub(crate) consent_id: ConsentId,
    pub(crate) purpose: &'static str,
    pub(crate) by: Principal,
}

/// What the hub has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// All up to this one are taken in or refused. It may be less than before, when the hub comes back from a backup.
    pub(crate) through_sequence: i64,
    /// Those that it has refused.
    pub(crate) refused: Vec<(i64, Reason)>,
}

/// What steps of a set do to the rows about reports.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    followed: BTreeSet<Uuid>,
    newly_followed: Vec<Instrument>,
    progress: Option<sql::Progress>,
    acknowledged: Option<i64>,
    known_refused: BTreeSet<i64>,
    refused: Vec<(i64, Reason)>,
    bills: BillOutbox,
}

impl Outbox {
    /// What these steps name, and the bills of the accounts whose days are closed; nothing is asked for a set without any.
    pub(crate) async fn load<'s>(
        tx: &mut Tx,
        steps: impl Iterator<Item = &'s ReportStep>,
        closing: &BTreeSet<AccountId>,
    ) -> Result<Self, StoreError> {
        let (mut outbox, mut instruments, mut refused) = (Self::default(), Vec::new(), Vec::new());
        let mut is_acknowledged = false;
        for step in steps {
            match step {
                ReportStep::Follow(instrument) => instruments.push(instrument.uuid()),
                ReportStep::Asked(_) | ReportStep::IdentityChecked(_) | ReportStep::BillsTold(_) => {}
                ReportStep::Acknowledge(answer) => {
                    is_acknowledged = true;
                    refused.extend(answer.refused.iter().map(|(sequence, _)| *sequence));
                }
            }
        }
        outbox.followed = sql::load_followed(tx, instruments).await?;
        outbox.bills = BillOutbox::load(tx, closing).await?;
        if is_acknowledged {
            outbox.progress = sql::load_progress(tx).await?;
        }
        if let (Some(first), Some(last)) = (refused.iter().min(), refused.iter().max()) {
            outbox.known_refused = sql::load_refused(tx, *first, *last).await?;
        }
        Ok(outbox)
    }

    /// The credit accounts whose ends of days it has to see.
    pub(crate) const fn watched(&self) -> &BTreeSet<AccountId> {
        self.bills.watched()
    }

    /// `Err` with `AccountUnknown` or `CardUnknown` for what the bank does not have.
    pub(crate) fn decide(&mut self, step: &ReportStep, books: &Books, log: &mut Vec<Entry>) -> Result<(), Reason> {
        match step {
            ReportStep::Follow(instrument) => self.follow(*instrument, books, log),
            ReportStep::Asked(asked) => {
                let AskedHub { inquiry_id, consent_id, purpose, by } = &**asked;
                let content = format!("consent={consent_id} purpose={purpose} by={}/{}", by.role, by.id);
                log.push(Entry { kind: "credit_history.asked", subject: inquiry_id.uuid(), content });
                Ok(())
            }
            ReportStep::IdentityChecked(checked) => {
                let IdentityChecked { check_id, instrument, how, by } = &**checked;
                let masked = masked(*instrument, books)?;
                let content = format!("instrument={masked} how={how} by={}/{}", by.role, by.id);
                log.push(Entry { kind: "identity.checked", subject: check_id.uuid(), content });
                Ok(())
            }
            ReportStep::BillsTold(told) => {
                self.bills.told(told);
                Ok(())
            }
            ReportStep::Acknowledge(answer) => {
                self.acknowledged = Some(answer.through_sequence);
                for (sequence, reason) in &answer.refused {
                    if self.known_refused.insert(*sequence) {
                        self.refused.push((*sequence, *reason));
                    }
                }
                Ok(())
            }
        }
    }

    fn follow(&mut self, instrument: Instrument, books: &Books, log: &mut Vec<Entry>) -> Result<(), Reason> {
        let masked = masked(instrument, books)?;
        if self.followed.insert(instrument.uuid()) {
            self.newly_followed.push(instrument);
            let content = format!("instrument={masked}");
            log.push(Entry { kind: "instrument.followed", subject: instrument.uuid(), content });
        }
        Ok(())
    }

    /// Writes what has changed, with a report of each charge of another network and of each bill that did. Says what there is
    /// to tell.
    pub(crate) async fn save(self, tx: &mut Tx, books: &Books, credit: &CreditBooks) -> Result<News, StoreError> {
        let now = tx.now();
        let Self { followed, newly_followed, progress, acknowledged, refused, bills, .. } = self;
        sql::insert_followed(tx, newly_followed.clone(), now).await?;
        let bills = bills.save(tx, books, credit, &newly_followed).await?;
        if let Some(through) = acknowledged {
            sql::put_progress(tx, progress, through, now).await?;
        }
        sql::insert_refused(tx, refused, now).await?;
        Ok(News { purchases: save_purchases(tx, books, followed).await?, bills })
    }
}

/// Writes a report of each charge of another network that has changed. Says whether there is any.
async fn save_purchases(tx: &mut Tx, books: &Books, mut followed: BTreeSet<Uuid>) -> Result<bool, StoreError> {
    let now = tx.now();
    let told: Vec<Told<'_>> = books.changed_legs().filter_map(Told::of).collect();
    if told.is_empty() {
        return Ok(false);
    }
    let named = told.iter().flat_map(|told| told.instruments(books)).map(Instrument::uuid);
    followed.extend(sql::load_followed(tx, named.collect()).await?);
    // What was released before the hub has heard of it was not bought.
    let dropped = told.iter().filter(|told| told.state == PurchaseState::Reversed).map(|told| told.leg.id.uuid());
    let reported = sql::load_reported(tx, dropped.collect()).await?;
    let is_news = |told: &&Told<'_>| told.state != PurchaseState::Reversed || reported.contains(&told.leg.id.uuid());
    let messages: Vec<pb::PurchaseReport> =
        told.iter().filter(is_news).filter_map(|told| told.message(books, &followed)).collect();
    if messages.is_empty() {
        return Ok(false);
    }
    let last = sql::load_last(tx).await?;
    let reports = (last.saturating_add(1)..).zip(&messages).map(|(sequence, message)| Report::new(sequence, message));
    sql::insert_reports(tx, reports.collect(), now).await?;
    Ok(true)
}

/// A charge of another network of which there is something to tell.
#[derive(Debug)]
struct Told<'b> {
    leg: &'b Leg,
    charge: &'b Charge,
    sale: &'b Sale,
    state: PurchaseState,
}

impl<'b> Told<'b> {
    /// What was refused was not bought, and nobody knows yet what becomes of a leg that is asking.
    fn of(leg: &'b Leg) -> Option<Self> {
        let (charge, sale) = leg.order.network_charge()?;
        let state = match leg.state {
            LegState::Asking | LegState::Refused(_) => return None,
            LegState::Held => PurchaseState::Held,
            LegState::Posted => PurchaseState::Posted,
            LegState::Voided => PurchaseState::Reversed,
        };
        Some(Self { leg, charge, sale, state })
    }

    /// Under which it may be followed, the first that is being what is named in the report: an account is followed by itself, or
    /// with the card over it.
    fn instruments(&self, books: &Books) -> Vec<Instrument> {
        match self.charge.payer {
            Party::Card(id) => vec![Instrument::Card(id)],
            Party::Account(id) => {
                let over = card_over(books, id).map(|card| Instrument::Card(card.id));
                std::iter::once(Instrument::Account(id)).chain(over).collect()
            }
            Party::UnknownCard => Vec::new(),
        }
    }

    /// The whole standing, without a place; none when nobody has bound what was paid with.
    fn message(&self, books: &Books, followed: &BTreeSet<Uuid>) -> Option<pb::PurchaseReport> {
        let Self { leg, charge, sale, state } = self;
        let instrument = self.instruments(books).into_iter().find(|named| followed.contains(&named.uuid()))?;
        let amount = Money::new(charge.amount.currency, leg.kept_minor());
        let given_back_minor = match state {
            PurchaseState::Reversed => amount.minor,
            PurchaseState::Held | PurchaseState::Posted => leg.refunded_minor,
        };
        Some(pb::PurchaseReport {
            sequence: 0,
            purchase_id: leg.id.to_string(),
            // Every change of a leg is a version of its row, and this is the one that is about to be written.
            version: leg.version.saturating_add(1),
            instrument: Some(named(instrument)),
            masked: self.masked(books, instrument),
            state: proto::to_purchase_state(*state).into(),
            nature: proto::to_nature(charge.nature).into(),
            amount: Some(proto::to_money(amount)),
            credit_minor: matches!(charge.payer, Party::Card(_)).then(|| leg.credit_minor()),
            given_back_minor,
            occurred_at: Some(proto::to_timestamp(sale.occurred_at)),
            seller: Some(seller(charge, sale)),
            items: sale.items.iter().map(to_item).collect(),
        })
    }

    fn masked(&self, books: &Books, instrument: Instrument) -> String {
        match (self.charge.payer, instrument) {
            (Party::Account(_), Instrument::Card(id)) => books.card(id).map(|card| card.masked.clone()),
            _ => None,
        }
        .unwrap_or_else(|| self.leg.account_masked.clone())
    }
}

fn card_over(books: &Books, id: AccountId) -> Option<&Card> {
    books.account(id).and_then(|account| account.card).and_then(|card: CardId| books.card(card))
}

fn named(instrument: Instrument) -> Named {
    match instrument {
        Instrument::Account(id) => Named::AccountId(id.to_string()),
        Instrument::Card(id) => Named::CardId(id.to_string()),
    }
}

fn seller(charge: &Charge, sale: &Sale) -> pb::SellerReport {
    pb::SellerReport {
        merchant_code: code_of(charge.merchant.id.as_str()).to_owned(),
        display_name: charge.merchant.name.to_string(),
        category_code: charge.merchant.category.as_str().to_owned(),
        terminal_code: code_of(sale.terminal_id.as_str()).to_owned(),
        place: sale.place.as_ref().map(Line::to_string).unwrap_or_default(),
        location: sale.location.map(|at| common::Location { latitude: at.latitude, longitude: at.longitude }),
    }
}

/// An account or a card as it is shown. `Err` with `AccountUnknown` or `CardUnknown` for what the bank does not have.
fn masked(instrument: Instrument, books: &Books) -> Result<String, Reason> {
    match instrument {
        Instrument::Account(id) => {
            let account = books.account(id).filter(|account| !account.kind.is_house());
            account.map(Account::masked).ok_or(Reason::AccountUnknown)
        }
        Instrument::Card(id) => books.card(id).map(|card| card.masked.clone()).ok_or(Reason::CardUnknown),
    }
}
