//! Habits as phones get them.

use std::collections::BTreeMap;

use domain::category;
use domain::habit::{Facet, Habit, Key, Pattern, Row, Thresholds, patterns};
use domain::{Money, Reason};
use proto::cardholder as pb;

use super::HabitsOn;

/// The most of one facet.
const MOST_OF_ONE: usize = 200;

pub(crate) fn facet_of(facet: pb::Facet) -> Option<Facet> {
    match facet {
        pb::Facet::Unspecified => None,
        pb::Facet::Merchant => Some(Facet::Merchant),
        pb::Facet::Category => Some(Facet::Category),
        pb::Facet::Hour => Some(Facet::Hour),
        pb::Facet::Weekday => Some(Facet::Weekday),
        pb::Facet::Cell => Some(Facet::Cell),
        pb::Facet::Size => Some(Facet::Size),
    }
}

const fn to_facet(facet: Facet) -> pb::Facet {
    match facet {
        Facet::Merchant => pb::Facet::Merchant,
        Facet::Category => pb::Facet::Category,
        Facet::Hour => pb::Facet::Hour,
        Facet::Weekday => pb::Facet::Weekday,
        Facet::Cell => pb::Facet::Cell,
        Facet::Size => pb::Facet::Size,
    }
}

/// The habits that a request asks for.
pub(crate) fn answer(request: &pb::ListHabitsRequest, on: &HabitsOn) -> Result<pb::ListHabitsResponse, Reason> {
    let facet = pb::Facet::try_from(request.facet).map_err(|_| Reason::FieldUnknown)?;
    let wanted = facet_of(facet);
    let mut rhythms: BTreeMap<Key, Vec<Pattern>> = BTreeMap::new();
    for Habit { key, pattern } in patterns(&on.habits, on.today, &Thresholds::USUAL) {
        rhythms.entry(key).or_default().push(pattern);
    }
    let mut habits = Vec::new();
    for facet in Facet::ALL.into_iter().filter(|facet| wanted.is_none_or(|wanted| wanted == *facet)) {
        let mut rows: Vec<&Row> = on.habits.of(facet).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.total.sum_minor));
        habits.extend(rows.into_iter().take(MOST_OF_ONE).map(|row| habit(row, rhythms.get(&row.key))));
    }
    Ok(pb::ListHabitsResponse { habits })
}

fn habit(row: &Row, rhythms: Option<&Vec<Pattern>>) -> pb::Habit {
    let key = row.key.to_string();
    let category = match row.key {
        Key::Category(code) => category::find(code),
        _ => None,
    };
    let (name_en, name_zh) = category.map_or(("", ""), |category| (category.english, category.chinese));
    let or_key = |name: &str| if name.is_empty() { key.clone() } else { name.to_owned() };
    let rhythm = |pattern: &Pattern| pb::Rhythm {
        hits: pattern.hits.into(),
        of: pattern.of.into(),
        because_en: pattern.english(&or_key(name_en)),
        because_zh: pattern.chinese(&or_key(name_zh)),
    };
    pb::Habit {
        facet: to_facet(row.key.facet()).into(),
        name_en: name_en.to_owned(),
        name_zh: name_zh.to_owned(),
        count: row.total.count,
        sum: Some(proto::to_money(Money::new(row.currency, row.total.sum_minor))),
        last_on: row.days.last_on().map(|on| on.to_string()).unwrap_or_default(),
        rhythms: rhythms.into_iter().flatten().map(rhythm).collect(),
        key,
    }
}
