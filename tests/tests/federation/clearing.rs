//! What banks owe each other, and files of it, over the operators' calls and by the commands (M7, M9), with real processes.

use std::fmt::Write as _;
use std::process::Stdio;

use domain::{Currency, Money, Reason};
use federation_tests::databases::Engine;
use federation_tests::world::Setup;
use jiff::tz::TimeZone;
use proto::cardholder as cardholder_pb;
use proto::operator as pb;
use server_kit::clock::{Clock as _, SystemClock};
use tokio::process::Command;

const OWED: i64 = 30_000;

/// A file of so many transfers that nobody has made, of a day long past.
fn nobodys(number: usize, claimed: usize) -> String {
    let mut file = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08\">\n<FIToFICstmrCdtTrf><GrpHdr><MsgId>M</MsgId>\
         <CreDtTm>2026-03-02T00:00:00Z</CreDtTm><NbOfTxs>{claimed}</NbOfTxs></GrpHdr>\n"
    );
    let agent = |name: &str, bank: &str| {
        format!("<{name}><FinInstnId><ClrSysMmbId><MmbId>{bank}</MmbId></ClrSysMmbId></FinInstnId></{name}>")
    };
    for number in 0..number {
        let (from, to) = (agent("DbtrAgt", "bank-a"), agent("CdtrAgt", "bank-b"));
        writeln!(
            file,
            "<CdtTrfTxInf><PmtId><EndToEndId>E{number}</EndToEndId></PmtId><IntrBkSttlmAmt Ccy=\"CNY\">1.00</IntrBkSttlmAmt>\
             <IntrBkSttlmDt>2026-03-01</IntrBkSttlmDt><ChrgBr>SHAR</ChrgBr><Dbtr/>{from}{to}<Cdtr/></CdtTrfTxInf>"
        )
        .unwrap();
    }
    file.push_str("</FIToFICstmrCdtTrf></Document>");
    file
}

async fn owed_and_told(engine: Engine) {
    let world = Setup::on(engine).with_banks(&["bank-a", "bank-b"]).with_cards().start().await;
    let debtor = world.debtor(50_000, OWED).await;
    let repaid = debtor.insist(&debtor.sign(&debtor.form(10_000))).await;
    assert_eq!(repaid.state(), cardholder_pb::RepaymentState::Approved);
    let operator = world.federation.operator().unwrap();
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let now = jiff::Timestamp::from_microsecond(SystemClock.now().micros()).unwrap();
    let today = zone.to_datetime(now).date().to_string();
    let told = operator.bank_debts(&today).await.unwrap();
    let [debt] = told.debts.as_slice() else { panic!("{told:?}") };
    assert_eq!((debt.debtor_bank_id.as_str(), debt.creditor_bank_id.as_str(), debt.number), ("bank-a", "bank-b", 1));
    let amount = debt.amount.as_ref().unwrap();
    assert_eq!((amount.currency_code.as_str(), amount.minor_units), ("CNY", 10_000));
    assert!(!told.closed, "the day is not over");
    let asked = pb::ExportClearingFileRequest {
        day: today,
        kind: pb::ClearingFileKind::CreditTransfers.into(),
        debtor_bank_id: "bank-a".to_owned(),
        creditor_bank_id: "bank-b".to_owned(),
        currency_code: Currency::CNY.code().to_owned(),
        ..pb::ExportClearingFileRequest::default()
    };
    assert_eq!(operator.clearing_file(asked).await.unwrap_err().reason(), Some(Reason::ClearingDayOpen));

    // Many pieces there and back.
    let file = nobodys(2_000, 2_000);
    assert!(file.len() > 500_000, "{}", file.len());
    let checked = operator.check_clearing_file(file.as_bytes()).await.unwrap().unwrap();
    assert_eq!((checked.summary.transfers, checked.summary.differing, checked.summary.untold), (2_000, 2_000, 0));
    let answer = String::from_utf8(checked.answer).unwrap();
    assert_eq!(answer.matches("<TxSts>RJCT</TxSts>").count(), 2_000);
    let fault = operator.check_clearing_file(nobodys(2, 3).as_bytes()).await.unwrap().unwrap_err();
    assert_eq!((fault.reason.as_str(), fault.line), (Reason::FileTotalsWrong.code(), 2));
    let large = vec![b' '; 17 * 1024 * 1024];
    let refused = operator.check_clearing_file(&large).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::FileTooLarge), "{refused:?}");

    // By hand, without the hub.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.xml");
    for (file, code) in [(nobodys(3, 3), 0), (answer, 0), (nobodys(3, 2), 1), (nobodys(3, 3)[..400].to_owned(), 1)] {
        std::fs::write(&path, file).unwrap();
        let mut command = Command::new(federation_tests::bankhub());
        command.args(["network", "file", "check"]).arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        assert_eq!(command.status().await.unwrap().code(), Some(code));
    }
    assert_eq!(world.settled().await.charged_minor(), Money::new(Currency::CNY, OWED).minor, "a file moves nothing");
}

#[tokio::test]
async fn m7_what_banks_owe_each_other_is_told_and_files_are_read_on_sqlite() {
    owed_and_told(Engine::Sqlite).await;
}

#[tokio::test]
async fn m7_what_banks_owe_each_other_is_told_and_files_are_read_on_postgres() {
    if Engine::Postgres.is_there() {
        owed_and_told(Engine::Postgres).await;
    }
}
