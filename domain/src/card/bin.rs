//! The first digits of a card's number say which bank issued it (ISO/IEC 7812-1: the issuer identification number, in trade
//! the BIN).

use std::collections::BTreeMap;
use std::fmt;

use super::Pan;
use crate::{BankId, Reason};

/// The digits with which a bank's card numbers begin: 6 to 12 of them. ISO/IEC 7812-1:2017 gives an issuer eight.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bin(Box<str>);

impl Bin {
    pub const FEWEST_DIGITS: usize = 6;
    pub const MOST_DIGITS: usize = 12;

    pub fn parse(text: &str) -> Result<Self, Reason> {
        let fine = (Self::FEWEST_DIGITS..=Self::MOST_DIGITS).contains(&text.len());
        if fine && text.bytes().all(|b| b.is_ascii_digit()) { Ok(Self(text.into())) } else { Err(Reason::BinMalformed) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits filled up on the right to [`Bin::MOST_DIGITS`], as a number.
    fn filled(&self, with: char) -> u64 {
        let fill = Self::MOST_DIGITS.saturating_sub(self.0.len());
        let digits = self.0.chars().chain(std::iter::repeat_n(with, fill));
        digits.fold(0, |number, digit| number * 10 + u64::from(digit.to_digit(10).unwrap_or_default()))
    }
}

impl fmt::Debug for Bin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Bin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What cards of a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Debit and credit under one number.
    Combined,
    CreditOnly,
    DebitOnly,
}

/// Under which master key the verification values of a card are made (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CvvKey {
    Credit,
    Debit,
}

impl Product {
    const ALL: [Self; 3] = [Self::Combined, Self::CreditOnly, Self::DebitOnly];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Combined => "COMBINED",
            Self::CreditOnly => "CREDIT_ONLY",
            Self::DebitOnly => "DEBIT_ONLY",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|product| product.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// The credit system makes the number and the track of a combined card, so that its key makes the value.
    pub const fn cvv_key(self) -> CvvKey {
        match self {
            Self::Combined | Self::CreditOnly => CvvKey::Credit,
            Self::DebitOnly => CvvKey::Debit,
        }
    }
}

/// Card numbers that a bank issues: those that begin with digits from `first` to `last` and are `digits` long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinRange {
    pub first: Bin,
    pub last: Bin,
    /// Digits of a card number, check digit included.
    pub digits: u8,
    pub product: Product,
    pub bank_id: BankId,
}

impl BinRange {
    /// A range of one BIN or more. `Err` with `BinMalformed` or `CardNumberLength`.
    pub fn new(first: &str, last: &str, digits: u8, product: Product, bank_id: BankId) -> Result<Self, Reason> {
        let (first, last) = (Bin::parse(first)?, Bin::parse(last)?);
        if first.as_str().len() != last.as_str().len() || first > last {
            return Err(Reason::BinMalformed);
        }
        if !(Pan::FEWEST_DIGITS..=Pan::MOST_DIGITS).contains(&usize::from(digits)) {
            return Err(Reason::CardNumberLength);
        }
        Ok(Self { first, last, digits, product, bank_id })
    }

    fn start(&self) -> u64 {
        self.first.filled('0')
    }

    fn end(&self) -> u64 {
        self.last.filled('9')
    }
}

/// First digits of card numbers, from one to another, whoever has registered them: what operators suspend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BinSpan {
    pub first: Bin,
    pub last: Bin,
}

impl BinSpan {
    /// One BIN or more. `Err(BinMalformed)`.
    pub fn new(first: &str, last: &str) -> Result<Self, Reason> {
        let (first, last) = (Bin::parse(first)?, Bin::parse(last)?);
        let fine = first.as_str().len() == last.as_str().len() && first <= last;
        if fine { Ok(Self { first, last }) } else { Err(Reason::BinMalformed) }
    }

    fn holds(&self, head: u64) -> bool {
        (self.first.filled('0')..=self.last.filled('9')).contains(&head)
    }
}

impl fmt::Display for BinSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The ranges of all banks. No two overlap, so that a number belongs to one range at most.
#[derive(Clone, Debug, Default)]
pub struct BinTable {
    /// By the first number of the range, filled up with zeros.
    ranges: BTreeMap<u64, BinRange>,
    /// What operators have suspended; it stays so whatever banks register.
    suspended: Vec<BinSpan>,
}

impl BinTable {
    /// Registers a range. The same one again is fine. `Err(BinTaken)` when it overlaps another, of the same bank or not: a
    /// number that two entries claim would pay from whichever was found first.
    pub fn register(&mut self, range: BinRange) -> Result<(), Reason> {
        // Ranges that do not overlap end in the order in which they start.
        match self.ranges.range(..=range.end()).next_back() {
            Some((_, other)) if *other == range => Ok(()),
            Some((_, other)) if other.end() >= range.start() => Err(Reason::BinTaken),
            _ => {
                self.ranges.insert(range.start(), range);
                Ok(())
            }
        }
    }

    /// The range that a card's number lies in. `Err(BinUnknown)` when there is none, or its numbers have another length.
    pub fn find(&self, pan: &Pan) -> Result<&BinRange, Reason> {
        let (digits, head) = (pan.reveal(), head_of(pan)?);
        let found = self.ranges.range(..=head).next_back().map(|(_, range)| range);
        found.filter(|range| head <= range.end() && usize::from(range.digits) == digits.len()).ok_or(Reason::BinUnknown)
    }

    /// The same for a payment: `Err(BinSuspended)` when operators have suspended such numbers. What was paid before goes its way, and is frozen as before.
    pub fn find_to_pay(&self, pan: &Pan) -> Result<&BinRange, Reason> {
        let (range, head) = (self.find(pan)?, head_of(pan)?);
        if self.suspended.iter().any(|span| span.holds(head)) { Err(Reason::BinSuspended) } else { Ok(range) }
    }

    /// Suspends numbers, registered or not.
    pub fn suspend(&mut self, span: BinSpan) {
        self.suspended.push(span);
    }

    pub fn suspended(&self) -> &[BinSpan] {
        &self.suspended
    }

    /// All ranges, in order.
    pub fn ranges(&self) -> impl Iterator<Item = &BinRange> {
        self.ranges.values()
    }
}

/// The digits by which a number's range is found.
fn head_of(pan: &Pan) -> Result<u64, Reason> {
    pan.reveal().get(..Bin::MOST_DIGITS).and_then(|head| head.parse().ok()).ok_or(Reason::BinUnknown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(first: &str, last: &str, bank: &str) -> BinRange {
        BinRange::new(first, last, 16, Product::Combined, BankId::parse(bank).unwrap()).unwrap()
    }

    fn table() -> BinTable {
        let mut table = BinTable::default();
        for (first, last, bank) in [
            ("62284800", "62284899", "bank-a"),
            ("622600", "622600", "bank-b"),
            ("6226011000", "6226011999", "bank-b"),
            ("62260120", "62260129", "bank-c"),
        ] {
            table.register(range(first, last, bank)).unwrap();
        }
        table
    }

    #[test]
    fn r2_the_bank_is_found_by_the_first_digits_of_the_card() {
        let known = table();
        let cases = [
            ("62284800", Ok("bank-a")),
            ("62284899", Ok("bank-a")),
            ("62284900", Err(Reason::BinUnknown)),
            ("62284799", Err(Reason::BinUnknown)),
            ("62260000", Ok("bank-b")),
            ("62260099", Ok("bank-b")),
            ("6226011000", Ok("bank-b")),
            ("6226012000", Ok("bank-c")),
            ("6226013000", Err(Reason::BinUnknown)),
            ("99999999", Err(Reason::BinUnknown)),
            ("00000000", Err(Reason::BinUnknown)),
        ];
        for (bin, wanted) in cases {
            let pan = Pan::issue(&Bin::parse(bin).unwrap(), 1, 16).unwrap();
            assert_eq!(known.find(&pan).map(|range| range.bank_id.as_str()), wanted, "{bin}");
        }
        let longer = Pan::issue(&Bin::parse("62284800").unwrap(), 1, 19).unwrap();
        assert_eq!(known.find(&longer), Err(Reason::BinUnknown), "cards of that range have 16 digits");
    }

    #[test]
    fn m9_a_suspended_span_stops_what_pays_and_nothing_else() {
        let mut known = table();
        for (first, last) in [("62284810", "62284819"), ("622600", "622600"), ("999999", "999999")] {
            known.suspend(BinSpan::new(first, last).unwrap());
        }
        for (bin, wanted) in [
            ("62284809", Ok("bank-a")),
            ("62284810", Err(Reason::BinSuspended)),
            ("6228481999", Err(Reason::BinSuspended)),
            ("62284820", Ok("bank-a")),
            ("62260099", Err(Reason::BinSuspended)),
            ("6226011000", Ok("bank-b")),
            ("99999999", Err(Reason::BinUnknown)),
        ] {
            let pan = Pan::issue(&Bin::parse(bin).unwrap(), 1, 16).unwrap();
            assert_eq!(known.find_to_pay(&pan).map(|range| range.bank_id.as_str()), wanted, "{bin}");
            assert_eq!(known.find(&pan).is_ok(), wanted != Err(Reason::BinUnknown), "{bin}: it can be frozen");
        }
        for (first, last) in
            [("62284899", "62284800"), ("622848", "62284899"), ("62284", "62284"), ("62284x", "622849")]
        {
            assert_eq!(BinSpan::new(first, last), Err(Reason::BinMalformed), "{first} {last}");
        }
    }

    #[test]
    fn ranges_do_not_overlap_whoever_registers_them() {
        let cases = [
            ("the same again", "62284800", "62284899", "bank-a", Ok(())),
            ("the same of another bank", "62284800", "62284899", "bank-b", Err(Reason::BinTaken)),
            ("around one", "62284000", "62284999", "bank-a", Err(Reason::BinTaken)),
            ("inside one", "62284850", "62284851", "bank-a", Err(Reason::BinTaken)),
            ("over its end", "62284899", "62284901", "bank-b", Err(Reason::BinTaken)),
            ("finer digits inside", "6228480000", "6228480000", "bank-b", Err(Reason::BinTaken)),
            ("coarser digits around", "622848", "622848", "bank-b", Err(Reason::BinTaken)),
            ("right after", "62284900", "62284900", "bank-b", Ok(())),
            ("right before", "62284799", "62284799", "bank-b", Ok(())),
        ];
        for (name, first, last, bank, wanted) in cases {
            assert_eq!(table().register(range(first, last, bank)), wanted, "{name}");
        }
    }

    #[test]
    fn a_range_that_cannot_be_is_refused() {
        let new = |first, last, digits| {
            BinRange::new(first, last, digits, Product::DebitOnly, BankId::parse("bank-a").unwrap()).err()
        };
        assert_eq!(new("62284899", "62284800", 16), Some(Reason::BinMalformed));
        assert_eq!(new("622848", "62284899", 16), Some(Reason::BinMalformed));
        assert_eq!(new("62284", "62284", 16), Some(Reason::BinMalformed));
        assert_eq!(new("6228480000000", "6228480000000", 16), Some(Reason::BinMalformed));
        assert_eq!(new("62284x", "622849", 16), Some(Reason::BinMalformed));
        assert_eq!(new("622848", "622848", 12), Some(Reason::CardNumberLength));
        assert_eq!(new("622848", "622848", 20), Some(Reason::CardNumberLength));
    }

    #[test]
    fn c5_the_bin_says_under_which_key_the_verification_value_is_made() {
        for (product, key) in [
            (Product::Combined, CvvKey::Credit),
            (Product::CreditOnly, CvvKey::Credit),
            (Product::DebitOnly, CvvKey::Debit),
        ] {
            assert_eq!(product.cvv_key(), key);
            assert_eq!(Product::parse(product.as_str()), Ok(product));
        }
    }

    proptest! {
        #[test]
        fn a_number_is_found_in_the_range_that_a_search_of_all_ranges_finds(
            starts in prop::collection::vec((600_000_u32..600_060, 0_u32..12), 1..12), bin in 599_990_u32..600_080
        ) {
            let mut table = BinTable::default();
            let mut taken: Vec<BinRange> = Vec::new();
            for (n, (start, more)) in starts.into_iter().enumerate() {
                let wanted = range(&start.to_string(), &(start + more).to_string(), &format!("bank-{n}"));
                let free = !taken.iter().any(|other| other.first <= wanted.last && wanted.first <= other.last);
                prop_assert_eq!(table.register(wanted.clone()).is_ok(), free);
                if free {
                    taken.push(wanted);
                }
            }
            let bin = Bin::parse(&bin.to_string()).unwrap();
            let pan = Pan::issue(&bin, 7, 16).unwrap();
            let found = taken.iter().find(|range| range.first <= bin && bin <= range.last);
            prop_assert_eq!(table.find(&pan).ok(), found);
        }
    }
}
