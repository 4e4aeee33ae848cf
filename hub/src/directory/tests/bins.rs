//! Which card numbers are whose bank's.

use domain::card::{Bin, BinRange, Pan};
use proto::federation as fed;

use super::*;
use crate::testing::on_postgres;

fn range(first: &str, last: &str, digits: u32) -> fed::BinRange {
    let product = fed::CardProduct::Combined.into();
    fed::BinRange { first: first.to_owned(), last: last.to_owned(), digits, product }
}

impl Office {
    async fn register(&self, bank: &str, ranges: &[fed::BinRange]) -> Result<Vec<BinRange>, Reason> {
        let request = fed::RegisterBinRangesRequest { ranges: ranges.to_vec() };
        self.directory.register_bin_ranges(BankId::parse(bank).unwrap(), &request).await.unwrap()
    }

    /// Whose bank it is that issues cards of 16 digits with this BIN.
    async fn bank_of(&self, bin: &str) -> Result<String, Reason> {
        let pan = Pan::issue(&Bin::parse(bin).unwrap(), 1, 16).unwrap();
        let table = self.directory.bin_table().await.unwrap();
        table.find(&pan).map(|range| range.bank_id.to_string())
    }

    async fn logged(&self) -> Vec<String> {
        let log = audit::read_chain(&self.hub.store, "hub-1/directory").await.unwrap();
        let ranges = log.iter().filter(|entry| entry.kind.starts_with("BIN_"));
        ranges.map(|entry| format!("{} {}", entry.kind, entry.content)).collect()
    }
}

#[tokio::test]
async fn r2_a_bank_registers_its_ranges_all_at_once_and_gives_up_what_it_does_not_name() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        for bank in ["bank-a", "bank-b"] {
            office.api.register_bank(by_operator(a_bank(bank))).await.unwrap();
        }
        assert_eq!(office.bank_of("622848").await, Err(Reason::BinUnknown), "{}", hub.engine);
        let both = [range("62284800", "62284899", 16), range("622600", "622601", 16)];
        for _ in 0..2 {
            let ranges = office.register("bank-a", &both).await.unwrap();
            let firsts: Vec<_> = ranges.iter().map(|range| range.first.as_str()).collect();
            assert_eq!(firsts, ["622600", "62284800"], "in order");
        }
        assert_eq!(office.logged().await.len(), 2, "the same again is not logged");
        assert_eq!(office.bank_of("622848").await.as_deref(), Ok("bank-a"), "seen at once");
        assert_eq!(office.bank_of("622601").await.as_deref(), Ok("bank-a"));
        office.register("bank-b", &[range("622700", "622700", 19)]).await.unwrap();
        assert_eq!(office.bank_of("622700").await, Err(Reason::BinUnknown), "cards of 19 digits only");

        office.register("bank-a", &both[..1]).await.unwrap();
        assert_eq!(office.bank_of("622601").await, Err(Reason::BinUnknown));
        office.register("bank-b", &[range("622601", "622601", 16)]).await.unwrap();
        assert_eq!(office.bank_of("622601").await.as_deref(), Ok("bank-b"), "given up, and free for others");
        assert_eq!(
            office.logged().await[3..],
            [
                "BIN_RANGE_GIVEN_UP bank=bank-a first=622600 last=622601 digits=16 product=COMBINED by=bank-a",
                "BIN_RANGE_GIVEN_UP bank=bank-b first=622700 last=622700 digits=19 product=COMBINED by=bank-b",
                "BIN_RANGE_REGISTERED bank=bank-b first=622601 last=622601 digits=16 product=COMBINED by=bank-b",
            ]
        );
        assert_eq!(office.register("bank-a", &[]).await, Ok(Vec::new()));
        assert_eq!(office.count("SELECT count(*) FROM bin_ranges").await, 1, "none gives up all");
    })
    .await;
}

#[tokio::test]
async fn r2_ranges_that_cannot_be_are_refused_by_reason_and_nothing_is_changed() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let fine = range("622848", "622849", 16);
        assert_eq!(office.register("bank-b", std::slice::from_ref(&fine)).await, Err(Reason::BankUnknown));
        for bank in ["bank-a", "bank-b"] {
            office.api.register_bank(by_operator(a_bank(bank))).await.unwrap();
        }
        office.register("bank-a", &[fine]).await.unwrap();
        let with_product = |product: i32| fed::BinRange { product, ..range("622601", "622601", 16) };
        for (what, bad, reason) in [
            ("within another bank's", range("62284850", "62284851", 16), Reason::BinTaken),
            ("around another bank's", range("622800", "622900", 19), Reason::BinTaken),
            ("letters", range("62284x", "622849", 16), Reason::BinMalformed),
            ("five digits", range("62284", "62284", 16), Reason::BinMalformed),
            ("thirteen digits", range("6228480000000", "6228480000000", 16), Reason::BinMalformed),
            ("two lengths", range("622850", "62285099", 16), Reason::BinMalformed),
            ("backwards", range("622851", "622850", 16), Reason::BinMalformed),
            ("cards of 12 digits", range("622850", "622850", 12), Reason::CardNumberLength),
            ("cards of 20 digits", range("622850", "622850", 20), Reason::CardNumberLength),
            ("cards of 272 digits", range("622850", "622850", 272), Reason::CardNumberLength),
            ("no product", with_product(0), Reason::FieldUnknown),
            ("a product of tomorrow", with_product(9), Reason::FieldUnknown),
        ] {
            let good = range("622700", "622700", 16);
            assert_eq!(office.register("bank-b", &[good, bad]).await, Err(reason), "{what}");
        }
        let overlapping = [range("622700", "622700", 16), range("62270012", "62270013", 16)];
        assert_eq!(office.register("bank-b", &overlapping).await, Err(Reason::BinTaken), "its own");
        let many: Vec<_> = (0..201).map(|n| format!("62{n:04}")).map(|bin| range(&bin, &bin, 16)).collect();
        assert_eq!(office.register("bank-b", &many).await, Err(Reason::TooManyItems));
        assert_eq!(office.count("SELECT count(*) FROM bin_ranges").await, 1, "{}", hub.engine);
        assert_eq!(office.register("bank-b", &many[..200]).await.unwrap().len(), 200);

        let mut suspended = a_bank("bank-a");
        suspended.bank.as_mut().unwrap().suspended = true;
        office.api.register_bank(by_operator(suspended)).await.unwrap();
        assert_eq!(office.register("bank-a", &[]).await, Err(Reason::BankSuspended));
        assert_eq!(office.count("SELECT count(*) FROM bin_ranges").await, 201, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r2_of_two_banks_that_claim_a_number_at_two_replicas_at_once_one_gets_it() {
    on_postgres(async |hub| {
        let offices = [open(&hub, "hub-1", AnyAccount::default()), open(&hub, "hub-2", AnyAccount::default())];
        for bank in ["bank-a", "bank-b"] {
            offices[0].api.register_bank(by_operator(a_bank(bank))).await.unwrap();
        }
        for round in 0..20 {
            let bin = format!("6228{round:02}");
            let ranges: Vec<_> = (0..=round).map(|n| format!("6228{n:02}")).map(|bin| range(&bin, &bin, 16)).collect();
            let narrower = [range(&format!("{bin}00"), &format!("{bin}00"), 16)];
            let (first, second) =
                futures_util::join!(offices[0].register("bank-a", &ranges), offices[1].register("bank-b", &narrower));
            assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|won| **won).count(), 1, "{first:?} {second:?}");
            offices[0].register("bank-a", &[]).await.unwrap();
            offices[1].register("bank-b", &[]).await.unwrap();
        }
    })
    .await;
}
