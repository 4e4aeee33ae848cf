//! How a capability adds to people's feeds, in the transaction that makes it so. Payments do it by their own writer, whose
//! counters stand in the same row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::feed::{Event, EventKind, News, OneTimeCode, PaidIn};
use domain::purchase::Terminal;
use domain::{PaymentId, PersonId, Timestamp};
use server_kit::store::{Keys, Load, Row, StoreError, Table, Tx};
use uuid::Uuid;

use crate::directory::snapshot::merchant_to_json;

/// The end of each person's feed, beside the counters of payments.
const HEADS: Table =
    Table { name: "payers", key: &["person_id"], columns: &["person_id", "version", "last_sequence", "gets_offers"] };

const EVENTS: Table = Table {
    name: "events",
    key: &["person_id", "sequence"],
    columns: &[
        "person_id",
        "sequence",
        "occurred_at",
        "kind",
        "payment_id",
        "record_sequence",
        "amount_minor",
        "topic",
        "text_en",
        "text_zh",
        "sealed_code",
        "expires_at",
    ],
};

/// The stored name of the event of a repayment: money that came in, of which the table of repayments knows and not that of payments.
pub(super) const REPAID: &str = "REPAID";

/// The feeds of the people whom a set of steps is about, and what is added to them.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    heads: BTreeMap<PersonId, Head>,
    events: Vec<NewEvent>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    version: i64,
    last_sequence: i64,
    gets_offers: bool,
    changed: bool,
}

#[derive(Debug)]
struct NewEvent {
    event: Arc<Event>,
    /// The name under which it is stored, which says where the rest is read from.
    kind: &'static str,
    subject: Uuid,
    /// The place of the record that it is about, and the amount.
    about: Option<(i64, i64)>,
    /// Of a code: how it is stored.
    sealed_code: Option<Vec<u8>>,
    /// Of the code of an errand: where the terminal stands, as it is stored.
    seller: Option<String>,
}

impl Feeds {
    /// Locks the feeds in the order of their people, as everybody does. One of somebody who is not known here is none.
    pub(crate) async fn load(tx: &mut Tx, persons: BTreeSet<PersonId>) -> Result<Self, StoreError> {
        let load = Load {
            select: "SELECT person_id, version, last_sequence, gets_offers FROM payers WHERE person_id",
            tail: " ORDER BY person_id",
            lock: true,
        };
        let rows = tx.load(load, Keys::Ids(persons.into_iter().map(PersonId::uuid).collect())).await?;
        let read = |row: &Row| {
            let head =
                Head { version: row.int(1)?, last_sequence: row.int(2)?, gets_offers: row.flag(3)?, changed: false };
            Ok((PersonId::from_uuid(row.id(0)?), head))
        };
        let heads = rows.iter().map(read).collect::<Result<_, StoreError>>()?;
        Ok(Self { heads, events: Vec::new() })
    }

    /// The place of the next event, which is taken by it; none for a person who is not known.
    pub(crate) fn next(&mut self, person_id: PersonId) -> Option<i64> {
        let head = self.heads.get_mut(&person_id)?;
        head.changed = true;
        head.last_sequence += 1;
        Some(head.last_sequence)
    }

    /// Whether somebody gets offers.
    pub(crate) fn gets_offers(&self, person_id: PersonId) -> bool {
        self.heads.get(&person_id).is_some_and(|head| head.gets_offers)
    }

    /// Marks where every payment looks whether somebody gets offers.
    pub(crate) fn mark_offers(&mut self, person_id: PersonId, gets_offers: bool) {
        if let Some(head) = self.heads.get_mut(&person_id) {
            head.changed |= head.gets_offers != gets_offers;
            head.gets_offers = gets_offers;
        }
    }

    /// Tells of a purchase that stands in the record at a place, and of an amount.
    pub(crate) fn tell_of_record(
        &mut self,
        person_id: PersonId,
        kind: EventKind,
        at: Timestamp,
        (payment_id, record_sequence, about_minor): (PaymentId, i64, i64),
    ) -> Option<Arc<Event>> {
        let name = kind.name();
        self.tell(person_id, (name, kind), at, payment_id.uuid(), Some((record_sequence, about_minor)))
    }

    /// Tells of a repayment, from whose row it is read again.
    pub(crate) fn tell_repaid(&mut self, person_id: PersonId, paid_in: PaidIn, at: Timestamp) -> Option<Arc<Event>> {
        let subject = paid_in.payment_id.uuid();
        self.tell(person_id, (REPAID, EventKind::PaidIn(paid_in)), at, subject, None)
    }

    /// Tells news.
    pub(crate) fn tell_news(&mut self, person_id: PersonId, news: News, at: Timestamp) -> Option<Arc<Event>> {
        let (subject, kind) = (news.subject, EventKind::News(news));
        self.tell(person_id, (kind.name(), kind), at, subject, None)
    }

    /// Tells of a code to sign in by, which is stored as it is sealed: under the sign-in's id.
    pub(crate) fn tell_sign_in_code(
        &mut self,
        person_id: PersonId,
        (sign_in_id, code, sealed_code): (Uuid, OneTimeCode, Vec<u8>),
        (at, expires_at): (Timestamp, Timestamp),
    ) -> Option<Arc<Event>> {
        let kind = EventKind::SignInCode { sign_in_id, code: Some(code), expires_at };
        let told = self.tell(person_id, (kind.name(), kind), at, sign_in_id, None);
        if let Some(new) = self.events.last_mut().filter(|_| told.is_some()) {
            new.sealed_code = Some(sealed_code);
        }
        told
    }

    /// Tells of a code for an errand, which is stored as it is sealed: under the errand's id, with the shop in the place of words.
    pub(crate) fn tell_errand_code(
        &mut self,
        person_id: PersonId,
        kind: EventKind,
        seller: &Terminal,
        sealed_code: Vec<u8>,
        at: Timestamp,
    ) -> Option<Arc<Event>> {
        let EventKind::ErrandCode { errand_id, .. } = &kind else { return None };
        let (name, subject) = (kind.name(), errand_id.uuid());
        let told = self.tell(person_id, (name, kind), at, subject, None);
        if let Some(new) = self.events.last_mut().filter(|_| told.is_some()) {
            new.sealed_code = Some(sealed_code);
            new.seller = Some(merchant_to_json(seller));
        }
        told
    }

    fn tell(
        &mut self,
        person_id: PersonId,
        (name, kind): (&'static str, EventKind),
        at: Timestamp,
        subject: Uuid,
        about: Option<(i64, i64)>,
    ) -> Option<Arc<Event>> {
        let event = Arc::new(Event { person_id, sequence: self.next(person_id)?, occurred_at: at, kind });
        self.events.push(NewEvent {
            event: event.clone(),
            kind: name,
            subject,
            about,
            sealed_code: None,
            seller: None,
        });
        Some(event)
    }

    /// Writes each table once. What was told is to be announced and, after the commit, published: see [`super::Feed`].
    pub(crate) async fn write(self, tx: &mut Tx) -> Result<(), StoreError> {
        let changed = self.heads.into_iter().filter(|(_, head)| head.changed);
        let row = |(person_id, head): (PersonId, Head)| {
            vec![
                person_id.uuid().into(),
                (head.version + 1).into(),
                head.last_sequence.into(),
                i64::from(head.gets_offers).into(),
            ]
        };
        tx.update(&HEADS, changed.map(row).collect()).await?;
        let row = |new: NewEvent| {
            let (topic, expires_at) = match &new.event.kind {
                EventKind::News(news) => (Some(news.topic.as_str()), None),
                EventKind::SignInCode { expires_at, .. } => (None, Some(*expires_at)),
                EventKind::ErrandCode { errand, expires_at, .. } => (Some(errand.as_str()), Some(*expires_at)),
                _ => (None, None),
            };
            let news = match &new.event.kind {
                EventKind::News(news) => Some(news),
                _ => None,
            };
            vec![
                new.event.person_id.uuid().into(),
                new.event.sequence.into(),
                new.event.occurred_at.into(),
                new.kind.into(),
                new.subject.into(),
                new.about.map(|(record, _)| record).into(),
                new.about.map(|(_, minor)| minor).into(),
                topic.map(str::to_owned).into(),
                news.map(|news| news.english.clone()).or(new.seller).into(),
                news.map(|news| news.chinese.clone()).into(),
                new.sealed_code.into(),
                expires_at.into(),
            ]
        };
        tx.insert(&EVENTS, self.events.into_iter().map(row).collect()).await
    }
}
