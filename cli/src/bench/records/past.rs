//! A past of purchases out of a seed: who lives where, has accounts at which banks, and bought what in which shop. What is asked for
//! first does not change what is asked for later, so that each bank tells its own part by itself.

use std::time::Duration;

use domain::{AccountId, BankId, PersonId, PhoneNumber, Reason, Timestamp};
use hub::directory::fill::{BoundAccount, PastPerson};
use proto::{common, federation as pb};
use uuid::Uuid;

/// How many months a past has, and what each person buys in a month.
pub const MONTHS: u64 = 12;
pub const PURCHASES_A_MONTH: u64 = 10;
/// What each person buys once in, one after the other: the months that are over, and the hour before the telling.
const OVER: u64 = MONTHS * PURCHASES_A_MONTH;
const FRESH: u64 = 6;
const ROUNDS: u64 = OVER + FRESH;
/// A past is over a day before it is told, so that nobody is to be told of it by message.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// A month of 30 days, and so the time between two purchases of a person.
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Banks, of which each person has accounts at two.
pub const BANKS: u64 = 8;
/// Shops in all, and those that a person goes to again and again.
const SHOPS: u64 = 2_000;
const FAVOURITES: u64 = 8;
/// What shops sell, by ISO 18245, and what people call it.
const CATEGORIES: [(&str, &str); 8] = [
    ("5411", "Market"),
    ("5812", "Noodle House"),
    ("5814", "Dumplings"),
    ("5541", "Petrol"),
    ("5912", "Pharmacy"),
    ("5942", "Books"),
    ("5732", "Electronics"),
    ("4111", "Metro"),
];
const MENU: [&str; 4] = ["牛肉面", "Jasmine tea", "小笼包", "Lunch of the day"];
/// The south-western corner of the town and how far it goes, in degrees.
const TOWN: (f64, f64) = (31.10, 121.30);
const WIDE: f64 = 0.2;
/// In minor units.
const LEAST_PAID: u64 = 100;
const MOST_PAID: u64 = 20_000;

/// Well-mixed numbers from numbers: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014) over each of them in turn.
pub fn mixed(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0x9E37_79B9_7F4A_7C15, |state, number| {
        let mut mixed = (state ^ number).wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

/// One of so many, near enough to evenly.
pub fn one_of(count: u64, numbers: &[u64]) -> u64 {
    mixed(numbers).checked_rem(count).unwrap_or_default()
}

fn element<T: Copy + Default>(all: &[T], numbers: &[u64]) -> T {
    let place = usize::try_from(one_of(all.len() as u64, numbers)).unwrap_or_default();
    all.get(place).copied().unwrap_or_default()
}

/// What a draw is for, so that no two of one purchase are the same.
#[derive(Clone, Copy, Debug)]
enum For {
    Id,
    Account,
    Shop,
    Favourite,
    Amount,
    Items,
    Time,
    Order,
    Place,
}

/// The purchases of so many people in the year before a point in time, and in the hour before it.
#[derive(Clone, Debug)]
pub struct Past {
    seed: u64,
    people: u64,
    begins_at: Timestamp,
    told_at: Timestamp,
    banks: Vec<BankId>,
}

impl Past {
    /// As many people as make up so many records, and at least one.
    pub fn new(seed: u64, records: u64, told_at: Timestamp) -> Result<Self, Reason> {
        let span = MONTH.saturating_mul(u32::try_from(MONTHS).unwrap_or(u32::MAX));
        let banks = (1..=BANKS).map(|n| BankId::parse(&format!("past-{n}"))).collect::<Result<_, Reason>>()?;
        let begins_at = told_at.minus(DAY).minus(span);
        Ok(Self { seed, people: records.div_ceil(ROUNDS).max(1), begins_at, told_at, banks })
    }

    pub fn people(&self) -> u64 {
        self.people
    }

    pub fn records(&self) -> u64 {
        self.people * ROUNDS
    }

    pub fn person_months(&self) -> u64 {
        self.people * MONTHS
    }

    /// The banks, each with its number.
    pub fn banks(&self) -> impl Iterator<Item = (u64, &BankId)> {
        (0..).zip(&self.banks)
    }

    fn draw(&self, what: For, numbers: [u64; 2]) -> u64 {
        let [a, b] = numbers;
        mixed(&[self.seed, what as u64, a, b])
    }

    /// An id of version 7 of that time.
    fn id(&self, at: Timestamp, numbers: [u64; 2]) -> Uuid {
        let mut random = [0; 10];
        let (head, tail) = random.split_at_mut(8);
        head.copy_from_slice(&self.draw(For::Id, numbers).to_be_bytes());
        tail.copy_from_slice(&(numbers[1] as u16).to_be_bytes());
        let millis = u64::try_from(at.micros() / 1_000).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// Ids of people and accounts stand apart from those of purchases, whose second number is their round.
    pub fn person_id(&self, person: u64) -> PersonId {
        PersonId::from_uuid(self.id(self.begins_at, [person, u64::MAX]))
    }

    fn account_id(&self, person: u64, second: bool) -> AccountId {
        AccountId::from_uuid(self.id(self.begins_at, [person, u64::MAX - 1 - u64::from(second)]))
    }

    /// Where a person has the first and the second account: two banks that differ.
    fn bank_of(person: u64, second: bool) -> u64 {
        let apart = 1 + (person / BANKS) % (BANKS - 1);
        (person + if second { apart } else { 0 }) % BANKS
    }

    pub fn person(&self, person: u64) -> Result<PastPerson, Reason> {
        let account = |second| {
            let bank = usize::try_from(Self::bank_of(person, second)).unwrap_or_default();
            Ok(BoundAccount {
                bank_id: self.banks.get(bank).cloned().ok_or(Reason::BankUnknown)?,
                account_id: self.account_id(person, second),
                masked: masked(person, second),
            })
        };
        Ok(PastPerson {
            person_id: self.person_id(person),
            phone: PhoneNumber::parse(&format!("+8617{person:09}"))?,
            name: "Wang Xiaoming".to_owned(),
            accounts: vec![account(false)?, account(true)?],
        })
    }

    /// The accounts at a bank: whose, and whether it is the second one.
    fn accounts_at(&self, bank: u64) -> impl Iterator<Item = (u64, bool)> + '_ {
        let both = |person| [(person, false), (person, true)];
        (0..self.people).flat_map(both).filter(move |(person, second)| Self::bank_of(*person, *second) == bank)
    }

    /// What a bank reports, in the order of time.
    pub fn reports(self, bank: u64) -> Reports {
        let accounts: Vec<(u64, bool)> = self.accounts_at(bank).collect();
        Reports { past: self, accounts, round: 0, place: 0, sequence: 0 }
    }

    /// What a bank bills, account by account.
    pub fn bills(&self, bank: u64) -> impl Iterator<Item = Vec<pb::BillReport>> + '_ {
        self.accounts_at(bank).map(|(person, second)| self.bills_of(person, second))
    }

    /// The bills of an account, one for each month: the last one is due, the others were paid in time.
    fn bills_of(&self, person: u64, second: bool) -> Vec<pb::BillReport> {
        let day = |at: Timestamp| {
            let at = jiff::Timestamp::from_microsecond(at.micros()).unwrap_or_default();
            at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
        };
        let after = |months: u64, days: u64| {
            let days = months.saturating_mul(30).saturating_add(days);
            day(self.begins_at.plus(Duration::from_secs(days.saturating_mul(86_400))))
        };
        let bill = |month: u64| {
            let is_last = month + 1 == MONTHS;
            let closing = 50_000 + one_of(100_000, &[self.seed, person, month, u64::from(second)]);
            let closing_minor = i64::try_from(closing).unwrap_or_default();
            let line = |n: u64| pb::BillLine {
                posted_on: after(month, 1 + n),
                amount_minor: closing_minor / 5,
                text: format!("Shop {n}"),
                payment_id: String::new(),
            };
            pb::BillReport {
                account_id: self.account_id(person, second).to_string(),
                masked: masked(person, second),
                currency_code: "CNY".to_owned(),
                version: 1,
                opened_on: after(month, 0),
                closed_on: after(month, 29),
                due_on: after(month, 49),
                closing_minor,
                minimum_minor: closing_minor / 10,
                paid_minor: if is_last { 0 } else { closing_minor },
                standing: if is_last { pb::BillStanding::Due } else { pb::BillStanding::PaidInTime }.into(),
                standing_on: if is_last { String::new() } else { after(month, 40) },
                lines: (0..5).map(line).collect(),
                ..pb::BillReport::default()
            }
        };
        (0..MONTHS).map(bill).collect()
    }

    fn bought_at(&self, round: u64, drawn: u64) -> Timestamp {
        let gap = MONTH.as_secs() / PURCHASES_A_MONTH;
        if round < OVER {
            self.begins_at.plus(Duration::from_secs(round * gap + drawn % gap))
        } else {
            self.told_at.minus(Duration::from_secs(drawn % HOUR.as_secs()))
        }
    }

    fn report(&self, person: u64, second: bool, round: u64, sequence: i64) -> pb::PurchaseReport {
        let of = |what| self.draw(what, [person, round]);
        let at = self.bought_at(round, of(For::Time));
        let amount = i64::try_from(LEAST_PAID + of(For::Amount) % MOST_PAID).unwrap_or_default();
        let shop = match of(For::Favourite) % 10 {
            0..8 => self.draw(For::Favourite, [person, of(For::Shop) % FAVOURITES]) % SHOPS,
            _ => of(For::Shop) % SHOPS,
        };
        let item = || common::LineItem {
            name: element(&MENU, &[of(For::Items)]).to_owned(),
            code: String::new(),
            quantity_milli: 1_000,
            amount_minor: amount,
        };
        pb::PurchaseReport {
            sequence,
            purchase_id: self.id(at, [person, round]).to_string(),
            version: 1,
            instrument: Some(pb::purchase_report::Instrument::AccountId(self.account_id(person, second).to_string())),
            masked: masked(person, second),
            state: common::PurchaseState::Posted.into(),
            nature: common::Nature::Purchase.into(),
            amount: Some(common::Money { currency_code: "CNY".to_owned(), minor_units: amount }),
            credit_minor: Some(amount),
            given_back_minor: 0,
            occurred_at: Some(proto::to_timestamp(at)),
            seller: Some(seller(self.seed, shop)),
            items: if of(For::Items).is_multiple_of(2) { vec![item()] } else { Vec::new() },
        }
    }
}

fn masked(person: u64, second: bool) -> String {
    format!("****{:04}", (2 * person + u64::from(second)) % 10_000)
}

fn seller(seed: u64, shop: u64) -> pb::SellerReport {
    let (category, name) = element(&CATEGORIES, &[seed, shop]);
    let (latitude, longitude) = place(seed, shop);
    pb::SellerReport {
        merchant_code: format!("shop-{shop}"),
        display_name: format!("{name} {shop}"),
        category_code: category.to_owned(),
        terminal_code: format!("t{shop}"),
        place: "Shanghai".to_owned(),
        location: Some(common::Location { latitude, longitude }),
    }
}

/// Where a shop of the town is.
pub fn place(seed: u64, shop: u64) -> (f64, f64) {
    let degrees = |axis: u64| one_of(1_000_000, &[seed, For::Place as u64, shop, axis]) as f64 / 1_000_000.0 * WIDE;
    (TOWN.0 + degrees(0), TOWN.1 + degrees(1))
}

/// The reports of one bank.
#[derive(Debug)]
pub struct Reports {
    past: Past,
    accounts: Vec<(u64, bool)>,
    round: u64,
    place: u64,
    sequence: i64,
}

impl Reports {
    /// The next one, if it is of a round before this one: all banks together have told as much by then.
    pub fn next_before(&mut self, round: u64) -> Option<pb::PurchaseReport> {
        while self.round < round.min(ROUNDS) {
            let count = self.accounts.len() as u64;
            if self.place >= count {
                (self.round, self.place) = (self.round + 1, 0);
                continue;
            }
            // Everybody buys once in a round, in an order that is another one in each.
            let from = self.past.draw(For::Order, [self.round, 0]) % count.max(1);
            let place = usize::try_from((from + self.place * stride(count)) % count.max(1)).unwrap_or_default();
            self.place += 1;
            let (person, second) = self.accounts.get(place).copied()?;
            if self.past.draw(For::Account, [person, self.round]).is_multiple_of(2) == second {
                self.sequence += 1;
                return Some(self.past.report(person, second, self.round, self.sequence));
            }
        }
        None
    }

    /// The rounds that were over the day before the telling.
    pub const OVER: u64 = OVER;
    /// Those and the rounds of the hour before.
    pub const ALL: u64 = ROUNDS;
}

/// A step that comes to every place of so many, far from the one before.
fn stride(count: u64) -> u64 {
    let primes = [7_919, 104_729, 15_485_863];
    primes.into_iter().find(|prime| !count.is_multiple_of(*prime)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const UNTIL: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn past(seed: u64, records: u64) -> Past {
        Past::new(seed, records, UNTIL).unwrap()
    }

    fn all(past: &Past) -> Vec<(u64, pb::PurchaseReport)> {
        let mut all = Vec::new();
        for (bank, _) in past.banks() {
            let mut reports = past.clone().reports(bank);
            while let Some(report) = reports.next_before(Reports::ALL) {
                all.push((bank, report));
            }
        }
        all
    }

    #[test]
    fn everybody_buys_ten_times_a_month_with_accounts_of_their_own_and_each_bank_counts_without_a_gap() {
        let past = past(1, 5_040);
        assert_eq!((past.people(), past.records(), past.person_months()), (40, 5_040, 480));
        let found = all(&past);
        assert_eq!(found.len(), 5_040);
        let mut counts: BTreeMap<u64, i64> = BTreeMap::new();
        let mut ids = std::collections::BTreeSet::new();
        for (bank, report) in &found {
            let count = counts.entry(*bank).or_default();
            *count += 1;
            assert_eq!(report.sequence, *count);
            assert!(ids.insert(report.purchase_id.clone()));
        }
        let of = |person: u64| {
            let accounts = past.person(person).unwrap().accounts;
            assert_ne!(accounts[0].bank_id, accounts[1].bank_id);
            let ids = accounts.map_ids();
            found.iter().filter(|(_, report)| ids.contains(&format!("{:?}", report.instrument))).count()
        };
        for person in 0..40 {
            assert_eq!(of(person), 126, "{person}");
        }
    }

    trait Ids {
        fn map_ids(&self) -> Vec<String>;
    }

    impl Ids for Vec<BoundAccount> {
        fn map_ids(&self) -> Vec<String> {
            let named = |it: &BoundAccount| pb::purchase_report::Instrument::AccountId(it.account_id.to_string());
            self.iter().map(|it| format!("{:?}", Some(named(it)))).collect()
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_past_and_parts_make_up_the_whole() {
        let text = |found: Vec<(u64, pb::PurchaseReport)>| format!("{found:?}");
        assert_eq!(text(all(&past(1, 1_260))), text(all(&past(1, 1_260))));
        assert_ne!(text(all(&past(1, 1_260))), text(all(&past(2, 1_260))));
        let (mut whole, mut parts) = (past(1, 1_260).reports(3), past(1, 1_260).reports(3));
        for until in [24, 48, 126] {
            while let Some(report) = parts.next_before(until) {
                assert_eq!(whole.next_before(Reports::ALL), Some(report));
            }
        }
        assert_eq!(whole.next_before(Reports::ALL), None);
    }

    #[test]
    fn a_past_lies_before_its_telling_and_each_account_has_a_bill_for_each_month() {
        let past = past(1, 1_260);
        for (_, report) in all(&past) {
            let at = proto::from_timestamp(&report.occurred_at.unwrap());
            assert!(at >= past.begins_at && at <= UNTIL);
        }
        let bills: Vec<_> = past.banks().flat_map(|(bank, _)| past.bills(bank)).collect();
        assert_eq!(bills.len(), 20);
        for of_account in bills {
            assert_eq!(of_account.len(), 12);
            assert!(of_account.windows(2).all(|pair| pair[0].closed_on < pair[1].opened_on));
        }
    }
}
