//! Reminders of what is due, on the day and hour that the person sets. They come as news.

use std::time::SystemTime;

use domain::ReminderId;
use proto::cardholder as pb;

use crate::bills::some;
use crate::cache::Freshness;
use crate::error::{Failure, SdkError, Trouble};
use crate::phone::{Inner, Phone};
use crate::platform;
use crate::purchase::optional_time;
use crate::session::Hub;

/// On which days a reminder comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ReminderDay {
    /// So many days before each due date, 0 to 30.
    BeforeDue { days: u32 },
    /// On this day of each month, 1 to 31; a shorter month's last day stands for those that it lacks.
    OfMonth { day: u32 },
}

/// A reminder as the person set it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Reminder {
    /// Made by this phone; none for a new one.
    #[uniffi(default)]
    pub reminder_id: Option<String>,
    /// The account whose bills it is about; both ids are none for all accounts.
    #[uniffi(default)]
    pub bank_id: Option<String>,
    #[uniffi(default)]
    pub account_id: Option<String>,
    pub day: ReminderDay,
    /// 0 to 23, in the time zone.
    pub hour: u32,
    /// 0 to 59.
    #[uniffi(default = 0)]
    pub minute: u32,
    /// By its IANA name; none for that of the hub.
    #[uniffi(default)]
    pub time_zone: Option<String>,
    /// When it comes next; the hub says it and reads none.
    #[uniffi(default)]
    pub next_at: Option<SystemTime>,
}

fn small(number: u32) -> Result<i32, Trouble> {
    i32::try_from(number).map_err(|_| Trouble::NumberMalformed)
}

fn message(reminder: Reminder, reminder_id: String) -> Result<pb::Reminder, Trouble> {
    use pb::reminder::When;
    Ok(pb::Reminder {
        reminder_id,
        bank_id: reminder.bank_id.unwrap_or_default(),
        account_id: reminder.account_id.unwrap_or_default(),
        when: Some(match reminder.day {
            ReminderDay::BeforeDue { days } => When::DaysBefore(small(days)?),
            ReminderDay::OfMonth { day } => When::DayOfMonth(small(day)?),
        }),
        hour: small(reminder.hour)?,
        minute: small(reminder.minute)?,
        time_zone: reminder.time_zone.unwrap_or_default(),
        next_at: None,
    })
}

fn reminder_of(it: pb::Reminder) -> Option<Reminder> {
    use pb::reminder::When;
    let small = |number: i32| u32::try_from(number).unwrap_or(0);
    let day = match it.when? {
        When::DaysBefore(days) => ReminderDay::BeforeDue { days: small(days) },
        When::DayOfMonth(day) => ReminderDay::OfMonth { day: small(day) },
    };
    Some(Reminder {
        reminder_id: some(it.reminder_id),
        bank_id: some(it.bank_id),
        account_id: some(it.account_id),
        day,
        hour: small(it.hour),
        minute: small(it.minute),
        time_zone: some(it.time_zone),
        next_at: optional_time(it.next_at.as_ref()),
    })
}

impl Inner {
    pub(crate) async fn reminders(&self) -> Result<(Vec<Reminder>, Freshness), Failure> {
        let call = |mut hub: Hub, request| async move { hub.list_reminders(request).await };
        let (answer, freshness) = self.read("reminders", pb::ListRemindersRequest {}, call).await?;
        Ok((answer.reminders.into_iter().filter_map(reminder_of).collect(), freshness))
    }
}

#[uniffi::export]
impl Phone {
    /// Sets a reminder, or changes the one with its id; gives the id. A call that failed is made again with the id that was chosen, or
    /// there may be two of a kind.
    pub async fn set_reminder(&self, reminder: Reminder) -> Result<String, SdkError> {
        self.run(|inner| async move {
            let reminder_id = match &reminder.reminder_id {
                Some(id) => id.clone(),
                None => ReminderId::from_uuid(platform::new_id(&*inner.clock)?).to_string(),
            };
            let request = pb::SetReminderRequest { reminder: Some(message(reminder, reminder_id.clone())?) };
            let call = |mut hub: Hub, request| async move { hub.set_reminder(request).await };
            inner.in_session(request, call).await?;
            Ok(reminder_id)
        })
        .await
    }

    /// The person's reminders in the order in which they were made; those that were heard of last when the hub cannot be reached.
    pub async fn reminders(&self) -> Result<Vec<Reminder>, SdkError> {
        self.run(|inner| async move { Ok(inner.reminders().await?.0) }).await
    }

    /// Takes a reminder away; one that is not there is no error.
    pub async fn delete_reminder(&self, reminder_id: String) -> Result<(), SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.delete_reminder(request).await };
            inner.in_session(pb::DeleteReminderRequest { reminder_id }, call).await?;
            Ok(())
        })
        .await
    }
}
