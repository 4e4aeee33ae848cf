//! What the person's purchases have in common.

use proto::cardholder as pb;

use crate::cache::Freshness;
use crate::error::{Failure, SdkError};
use crate::mirror::mirror;
use crate::phone::{Inner, Phone};
use crate::preferences::Language;
use crate::purchase::{Money, money_of};
use crate::session::Hub;

mirror! {
    /// A way of looking at purchases.
    Facet = pb::Facet {
        /// The key is the merchant's id.
        Merchant,
        /// The key is the merchant category code of ISO 18245.
        Category,
        /// The key is "0" to "23".
        Hour,
        /// The key is "MONDAY" to "SUNDAY".
        Weekday,
        /// The key names a cell of a grid, a kilometre or so.
        Cell,
        /// The key is the least amount of its size in minor units.
        Size,
    }
}

/// A rhythm in which somebody buys.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Rhythm {
    /// How many times it was kept.
    pub hits: i32,
    /// Out of how many.
    pub of: i32,
    /// Why it is called a habit.
    pub because: String,
}

/// Purchases that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Habit {
    pub facet: Facet,
    pub key: String,
    /// What people call it: of a category its name, otherwise empty.
    pub name: String,
    pub count: i64,
    pub sum: Money,
    /// The last day on which there was one; none when it is longer ago than half a year.
    pub last_on: Option<String>,
    pub rhythms: Vec<Rhythm>,
}

/// Habits by facet, and within it the largest sum first.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct HabitList {
    pub habits: Vec<Habit>,
    pub freshness: Freshness,
}

impl Inner {
    pub(crate) async fn habits(&self, facet: Option<Facet>) -> Result<HabitList, Failure> {
        let request = pb::ListHabitsRequest { facet: facet.map_or(0, Facet::number) };
        let call = |mut hub: Hub, request| async move { hub.list_habits(request).await };
        let (answer, freshness) = self.read("habits", request, call).await?;
        let habits = answer.habits.into_iter().map(|it| habit_of(it, self.language)).collect();
        Ok(HabitList { habits, freshness })
    }
}

fn habit_of(it: pb::Habit, language: Language) -> Habit {
    let in_words = |english: String, chinese: String| if language == Language::English { english } else { chinese };
    let rhythm = |it: pb::Rhythm| Rhythm { hits: it.hits, of: it.of, because: in_words(it.because_en, it.because_zh) };
    Habit {
        facet: Facet::read(it.facet),
        key: it.key,
        name: in_words(it.name_en, it.name_zh),
        count: it.count,
        sum: money_of(it.sum),
        last_on: crate::bills::some(it.last_on),
        rhythms: it.rhythms.into_iter().map(rhythm).collect(),
    }
}

#[uniffi::export]
impl Phone {
    /// The person's habits, by one facet or by all.
    #[uniffi::method(default(facet = None))]
    pub async fn habits(&self, facet: Option<Facet>) -> Result<HabitList, SdkError> {
        self.run(|inner| async move { inner.habits(facet).await }).await
    }
}
