//! Reminders as phones set and get them.

use domain::bill::AccountKey;
use domain::reminder::{Reminder, Scope, When};
use domain::{AccountId, BankId, Reason, ReminderId, Timestamp};
use jiff::tz::TimeZone;
use proto::cardholder as pb;
use proto::cardholder::reminder::When as Named;

use super::Planned;
use crate::records::query::zone_of;

/// A reminder as a phone sets it; since when it stands is not the phone's to say.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: ReminderId,
    scope: Scope,
    when: When,
    at: (u8, u8),
    pub(super) zone: TimeZone,
    pub(super) zone_name: String,
}

impl Asked {
    /// Reads it; who names no zone has that of the hub.
    pub(super) fn read(request: &pb::SetReminderRequest, of_hub: &TimeZone) -> Result<Self, Reason> {
        let message = request.reminder.as_ref().ok_or(Reason::FieldMissing)?;
        let small = |n: i32| u8::try_from(n).map_err(|_| Reason::ReminderMalformed);
        let (zone, zone_name) = match message.time_zone.as_str() {
            "" => (of_hub.clone(), of_hub.iana_name().unwrap_or("UTC").to_owned()),
            name => (zone_of(name)?, name.to_owned()),
        };
        let asked = Self {
            id: ReminderId::parse(&message.reminder_id)?,
            scope: scope(&message.bank_id, &message.account_id)?,
            when: match message.when.as_ref().ok_or(Reason::FieldMissing)? {
                Named::DaysBefore(days) => When::DaysBefore(small(*days)?),
                Named::DayOfMonth(day) => When::DayOfMonth(small(*day)?),
            },
            at: (small(message.hour)?, small(message.minute)?),
            zone,
            zone_name,
        };
        // That it can be; since when plays no part in that.
        asked.set(Timestamp::from_micros(0))?;
        Ok(asked)
    }

    /// The reminder as it stands from then on.
    pub(super) fn set(&self, set_at: Timestamp) -> Result<Planned, Reason> {
        let reminder = Reminder::new(self.id, self.scope.clone(), self.when, self.at, set_at)?;
        Ok(Planned { reminder, zone: self.zone.clone(), zone_name: self.zone_name.clone() })
    }
}

fn scope(bank_id: &str, account_id: &str) -> Result<Scope, Reason> {
    match (bank_id, account_id) {
        ("", "") => Ok(Scope::All),
        ("", _) | (_, "") => Err(Reason::FieldMissing),
        (bank_id, account_id) => {
            let (bank_id, account_id) = (BankId::parse(bank_id)?, AccountId::parse(account_id)?);
            Ok(Scope::One(AccountKey { bank_id, account_id }))
        }
    }
}

pub(crate) fn list(reminders: &[(Planned, Option<Timestamp>)]) -> pb::ListRemindersResponse {
    pb::ListRemindersResponse {
        reminders: reminders.iter().map(|(planned, next_at)| reminder(planned, *next_at)).collect(),
    }
}

fn reminder(Planned { reminder, zone_name, .. }: &Planned, next_at: Option<Timestamp>) -> pb::Reminder {
    let (bank_id, account_id) = match reminder.scope() {
        Scope::All => (String::new(), String::new()),
        Scope::One(AccountKey { bank_id, account_id }) => (bank_id.to_string(), account_id.to_string()),
    };
    pb::Reminder {
        reminder_id: reminder.id().to_string(),
        bank_id,
        account_id,
        when: Some(match reminder.when() {
            When::DaysBefore(days) => Named::DaysBefore(days.into()),
            When::DayOfMonth(day) => Named::DayOfMonth(day.into()),
        }),
        hour: reminder.at().hour().into(),
        minute: reminder.at().minute().into(),
        time_zone: zone_name.clone(),
        next_at: next_at.map(proto::to_timestamp),
    }
}
