//! `bankhub phone habits`.

use clap::{Args, ValueEnum};
use proto::cardholder as pb;
use serde_json::{Value, json};

use super::show::{money, money_value};
use super::{Phone, PhoneError};
use crate::error::CliError;
use crate::output::Output;

/// A way of looking at purchases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// From whom.
    Merchant,
    /// What kind of shop it was.
    Category,
    /// At which hour of the day.
    Hour,
    /// On which weekday.
    Weekday,
    /// Where, to a kilometre or so.
    Cell,
    /// How much it cost, roughly.
    Size,
}

#[derive(Clone, Debug, Args)]
pub struct HabitsArgs {
    /// By what; all of them without it.
    #[arg(long)]
    pub by: Option<By>,
}

impl Phone {
    /// The person's habits; unset is by everything.
    pub async fn habits(&self, facet: pb::Facet) -> Result<Vec<pb::Habit>, PhoneError> {
        let request = pb::ListHabitsRequest { facet: facet.into() };
        let call = self.in_session(request, |mut hub, request| async move { hub.list_habits(request).await });
        Ok(call.await?.habits)
    }
}

pub(super) async fn habits(phone: &Phone, args: &HabitsArgs, out: &Output) -> Result<(), CliError> {
    let facet = match args.by {
        None => pb::Facet::Unspecified,
        Some(By::Merchant) => pb::Facet::Merchant,
        Some(By::Category) => pb::Facet::Category,
        Some(By::Hour) => pb::Facet::Hour,
        Some(By::Weekday) => pb::Facet::Weekday,
        Some(By::Cell) => pb::Facet::Cell,
        Some(By::Size) => pb::Facet::Size,
    };
    let habits = phone.habits(facet).await?;
    let row = |habit: &pb::Habit| {
        vec![
            habit.facet().as_str_name().trim_start_matches("FACET_").to_lowercase(),
            if habit.name_en.is_empty() { habit.key.clone() } else { format!("{} {}", habit.key, habit.name_en) },
            habit.count.to_string(),
            money(habit.sum.as_ref()),
            habit.last_on.clone(),
            habit.rhythms.first().map(|rhythm| rhythm.because_en.clone()).unwrap_or_default(),
        ]
    };
    let value = |habit: &pb::Habit| {
        json!({
            "facet": habit.facet().as_str_name(),
            "key": habit.key,
            "name_en": habit.name_en,
            "name_zh": habit.name_zh,
            "count": habit.count,
            "sum": money_value(habit.sum.as_ref()),
            "last_on": habit.last_on,
            "rhythms": habit.rhythms.iter().map(|rhythm| json!({
                "hits": rhythm.hits,
                "of": rhythm.of,
                "because_en": rhythm.because_en,
                "because_zh": rhythm.because_zh,
            })).collect::<Vec<_>>(),
        })
    };
    let rows: Vec<_> = habits.iter().map(row).collect();
    let head = ["by", "what", "times", "sum", "last", "because"];
    out.table(&head, &rows, &Value::Array(habits.iter().map(value).collect()));
    Ok(())
}
