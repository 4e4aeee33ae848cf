//! Reminders of what is due, on the day and at the hour that the person set (R10).
//!
//! [`Reminder::next`] is asked again whenever something changed: a bill came or was paid, the reminder was edited, the
//! person moved, the clock was set. It keeps no state of its own. What was sent is handed in as [`FiringKey`]s, which are
//! made of the reminder and of what it reminds of and of nothing that changes: neither hour nor zone, nor the clock, can
//! make one of them again.

mod moment;
#[cfg(test)]
mod tests;
mod words;

pub use words::news;

use std::collections::BTreeSet;
use std::fmt;

use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::bill::{AccountKey, Bill};
use crate::{AccountId, BankId, Reason, ReminderId, Timestamp};

use moment::{day_in_month_of, moment, today};

/// So many days a reminder that was missed is still sent: after the due date, or after the day of the month. Later it would be
/// about something that the bank has long written about itself, or come on a day that the person did not set.
pub const GRACE_DAYS: u8 = 3;
const MOST_DAYS_BEFORE: u8 = 30;

/// Which bills it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of all accounts.
    All,
    /// Those of this account.
    One(AccountKey),
}

/// On which days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So many days before each due date, 0 to 30.
    DaysBefore(u8),
    /// On this day of each month, 1 to 31; a shorter month's last day stands for days that it does not have.
    DayOfMonth(u8),
}

/// A reminder as the person set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminder {
    id: ReminderId,
    scope: Scope,
    when: When,
    at: Time,
    set_at: Timestamp,
}

/// A bill with something left to pay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// The last day to pay it without being late.
    pub due_on: Date,
    /// Whose bill it is.
    pub account: AccountKey,
}

impl Due {
    /// Nothing when nothing is left to pay.
    pub fn of(bill: &Bill) -> Option<Self> {
        (bill.left_minor() > 0).then(|| Self { due_on: bill.due_on, account: bill.account.clone() })
    }
}

/// What a reminder reminds of, once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// One account's bill. Each has its own, so that a bill that comes after another one of the same day was told is not
    /// forgotten; the shell may put into one message what fires at the same time.
    Due {
        /// When it is due.
        due_on: Date,
        /// Whose bill it is.
        account: AccountKey,
    },
    /// A month, named by its first day.
    Month {
        /// Its first day.
        first: Date,
    },
}

/// Names a firing for ever: what was sent under it is not sent again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiringKey {
    /// Which reminder.
    pub reminder_id: ReminderId,
    /// What of.
    pub occasion: Occasion,
}

/// The form in which it is stored: `<reminder>/due/<bank>/<account>/2026-02-25` or `<reminder>/month/2026-02-01`.
impl fmt::Display for FiringKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.occasion {
            Occasion::Due { due_on, account: AccountKey { bank_id, account_id } } => {
                write!(f, "{}/due/{bank_id}/{account_id}/{due_on}", self.reminder_id)
            }
            Occasion::Month { first } => write!(f, "{}/month/{first}", self.reminder_id),
        }
    }
}

impl FiringKey {
    /// Reads a key as it is stored.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let day = |text: &str| text.parse().map_err(|_| Reason::DayMalformed);
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or(Reason::FieldMissing);
        let reminder_id = ReminderId::parse(next()?)?;
        let occasion = match next()? {
            "due" => {
                let account = AccountKey { bank_id: BankId::parse(next()?)?, account_id: AccountId::parse(next()?)? };
                Occasion::Due { due_on: day(next()?)?, account }
            }
            "month" => Occasion::Month { first: day(next()?)? },
            _ => return Err(Reason::FieldUnknown),
        };
        let key = Self { reminder_id, occasion };
        // A date has other spellings, and there may be more parts.
        if key.to_string() == text { Ok(key) } else { Err(Reason::FieldUnknown) }
    }
}

/// One time that the person is reminded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// What it is sent under.
    pub key: FiringKey,
    /// When it is to be sent; in the past if it was missed, and then at once.
    pub at: Timestamp,
    /// What it tells of, as far as it is known; ask again before it is sent.
    pub dues: Vec<Due>,
}

impl Reminder {
    /// At this hour and minute of the person's time. Nothing fires that was planned for before `set_at`; who edits a reminder
    /// keeps its id and its `set_at`. `Err(ReminderMalformed)` when a number is out of its range.
    pub fn new(
        id: ReminderId,
        scope: Scope,
        when: When,
        (hour, minute): (u8, u8),
        set_at: Timestamp,
    ) -> Result<Self, Reason> {
        let is_fine = match when {
            When::DaysBefore(days) => days <= MOST_DAYS_BEFORE,
            When::DayOfMonth(day) => (1..=31).contains(&day),
        };
        let small = |n: u8| i8::try_from(n).map_err(|_| Reason::ReminderMalformed);
        let at = Time::new(small(hour)?, small(minute)?, 0, 0).map_err(|_| Reason::ReminderMalformed)?;
        if is_fine { Ok(Self { id, scope, when, at, set_at }) } else { Err(Reason::ReminderMalformed) }
    }

    /// Its id, which an edit keeps.
    pub fn id(&self) -> ReminderId {
        self.id
    }

    /// Which bills it is about.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// On which days it fires.
    pub fn when(&self) -> When {
        self.when
    }

    /// The time of day in the person's zone.
    pub fn at(&self) -> Time {
        self.at
    }

    /// When it was first set.
    pub fn set_at(&self) -> Timestamp {
        self.set_at
    }

    /// The firing that comes first of those that were not sent; if its time is over it was missed and is to be sent at once.
    ///
    /// Nothing is sent while nothing is left to pay. One that is planned by due date is sent late until [`GRACE_DAYS`] after
    /// it, one that is planned by month until as many days after its day. A time that the zone skips is the first moment after
    /// the gap, one that it has twice is the first of them.
    pub fn next(&self, now: Timestamp, zone: &TimeZone, dues: &[Due], sent: &BTreeSet<FiringKey>) -> Option<Firing> {
        let in_scope = |due: &&Due| match &self.scope {
            Scope::All => true,
            Scope::One(account) => *account == due.account,
        };
        let dues: BTreeSet<Due> = dues.iter().filter(in_scope).cloned().collect();
        match self.when {
            When::DaysBefore(days) => self.next_due(days, now, zone, dues, sent),
            When::DayOfMonth(day) => self.next_month(day, now, zone, dues, sent),
        }
    }

    /// All that is to be sent now, the earliest first.
    pub fn reached(&self, now: Timestamp, zone: &TimeZone, dues: &[Due], sent: &BTreeSet<FiringKey>) -> Vec<Firing> {
        let (mut sent, mut reached) = (sent.clone(), Vec::new());
        while let Some(firing) = self.next(now, zone, dues, &sent).filter(|firing| firing.at <= now) {
            sent.insert(firing.key.clone());
            reached.push(firing);
        }
        reached
    }

    fn next_due(
        &self,
        days_before: u8,
        now: Timestamp,
        zone: &TimeZone,
        dues: BTreeSet<Due>,
        sent: &BTreeSet<FiringKey>,
    ) -> Option<Firing> {
        let today = today(now, zone)?;
        let firings = dues.into_iter().filter_map(|due| {
            let last = due.due_on.saturating_add(i64::from(GRACE_DAYS).days());
            let on = due.due_on.saturating_sub(i64::from(days_before).days());
            let at = moment(on, self.at, zone).filter(|at| *at >= self.set_at && today <= last)?;
            let occasion = Occasion::Due { due_on: due.due_on, account: due.account.clone() };
            let key = FiringKey { reminder_id: self.id, occasion };
            (!sent.contains(&key)).then(|| Firing { key, at, dues: vec![due] })
        });
        firings.min_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)))
    }

    fn next_month(
        &self,
        day: u8,
        now: Timestamp,
        zone: &TimeZone,
        dues: BTreeSet<Due>,
        sent: &BTreeSet<FiringKey>,
    ) -> Option<Firing> {
        if dues.is_empty() {
            return None;
        }
        let today = today(now, zone)?;
        let this_month = today.first_of_month();
        let planned = |months: i64| {
            let first = this_month.saturating_add(months.months());
            let on = day_in_month_of(first, day);
            let key = FiringKey { reminder_id: self.id, occasion: Occasion::Month { first } };
            Some((key, moment(on, self.at, zone)?, on.saturating_add(i64::from(GRACE_DAYS).days())))
        };
        // It may be that of the month before: a last day of the month has its days of grace in the next one.
        let missed = (-1..=1).filter_map(planned).filter(|(_, at, last)| *at <= now && today <= *last);
        // A month that is ahead was sent if the clock was ahead: there are no more of these than keys.
        let most = i64::try_from(sent.len()).unwrap_or(i64::MAX).saturating_add(2);
        let ahead = (0..=most).map_while(planned).filter(|(_, at, _)| *at > now);
        let (key, at, _) = missed.chain(ahead).find(|(key, at, _)| *at >= self.set_at && !sent.contains(key))?;
        Some(Firing { key, at, dues: dues.into_iter().collect() })
    }
}
