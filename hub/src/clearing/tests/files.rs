//! What is in a file, and what is made of one.

use domain::network::{PrivateData, Tag};
use domain::{Currency, Money};
use iso8583::{MessageBuilder, Mti};
use server_kit::keystore::KeyName;

use super::*;
use crate::network::notification::{Entry, from_xml};

fn transfers_of(decoded: &Value) -> &Vec<Value> {
    decoded["FIToFICstmrCdtTrf"]["CdtTrfTxInf"].as_array().unwrap()
}

fn key(id: Uuid) -> String {
    id.simple().to_string()
}

#[tokio::test]
async fn m7_what_a_bank_owes_another_is_a_file_that_isos_schema_and_others_readers_take() {
    let Some(python) = python() else { return };
    on_each_engine(async |hub| {
        let world = World::open(&hub, &[("bank-a", "BANKCNBJXXX")]).await;
        let [first, second, refused] = world.day().await;
        let asked = World::asks(Kind::CreditTransfers, "bank-a", "bank-b");
        let file = world.export(&asked).await.unwrap();
        let found = read_by_others(&python, "pacs.008.001.08", &file);
        let head = &found["FIToFICstmrCdtTrf"]["GrpHdr"];
        assert_eq!((&head["NbOfTxs"], &head["CtrlSum"]), (&json!("2"), &json!("1250.01")), "{}", hub.engine);
        assert_eq!(head["TtlIntrBkSttlmAmt"], json!({ "@Ccy": "CNY", "$": "1250.01" }));
        assert_eq!((&head["IntrBkSttlmDt"], &head["SttlmInf"]["SttlmMtd"]), (&json!("2026-03-02"), &json!("CLRG")));
        assert_eq!(head["InstgAgt"]["FinInstnId"]["BICFI"], "BANKCNBJXXX");
        assert_eq!(head["InstdAgt"]["FinInstnId"]["ClrSysMmbId"]["MmbId"], "bank-b");
        let transfers = transfers_of(&found);
        let ids: Vec<&Value> = transfers.iter().map(|it| &it["PmtId"]["TxId"]).collect();
        assert_eq!(ids, [&json!(key(first)), &json!(key(second))]);
        for transfer in transfers {
            assert_eq!(transfer["PmtId"]["EndToEndId"], transfer["PmtId"]["TxId"]);
            assert!(transfer["PmtId"].get("UETR").is_none(), "an id of version 7 is no UETR");
            assert_eq!(transfer["Dbtr"]["Nm"], "NOTPROVIDED", "whose the accounts are is told to nobody");
            assert_eq!(transfer["Cdtr"]["Nm"], "NOTPROVIDED");
            assert_eq!(transfer["DbtrAcct"]["Id"]["Othr"]["Id"], "****4821");
            assert_eq!(transfer["CdtrAcct"]["Id"]["Othr"]["Id"], "622848******0015");
            assert_eq!(transfer["ChrgBr"], "SHAR");
        }
        assert_eq!(transfers[1]["IntrBkSttlmAmt"], json!({ "@Ccy": "CNY", "$": "0.01" }));
        // The same file again is known by the same id, and the log has both.
        let again = world.export(&asked).await.unwrap();
        let id = |file: &[u8]| match read(file).unwrap() {
            File::Transfers(file) => file.message,
            other => panic!("{other:?}"),
        };
        assert_eq!(id(&file), id(&again));
        let logged = world.logged("CLEARING_FILE_EXPORTED").await;
        let line = "kind=CREDIT_TRANSFERS day=2026-03-02 debtor=bank-a creditor=bank-b currency=CNY part=0 by=olivia";
        assert_eq!(logged, [line, line]);

        // Other currencies and the other way round.
        for (request, number) in [
            (pb::ExportClearingFileRequest { currency_code: "JPY".to_owned(), ..asked.clone() }, "500"),
            (World::asks(Kind::CreditTransfers, "bank-b", "bank-a"), "7.00"),
        ] {
            let found = read_by_others(&python, "pacs.008.001.08", &world.export(&request).await.unwrap());
            assert_eq!(transfers_of(&found)[0]["IntrBkSttlmAmt"]["$"], number);
        }
        // What came to nothing, with why.
        let file = world.export(&World::asks(Kind::Refusals, "bank-a", "bank-b")).await.unwrap();
        let found = read_by_others(&python, "pacs.002.001.12", &file);
        let [status] = found["FIToFIPmtStsRpt"]["TxInfAndSts"].as_array().unwrap().as_slice() else {
            panic!("{found}")
        };
        assert_eq!((&status["OrgnlTxId"], &status["TxSts"]), (&json!(key(refused)), &json!("RJCT")));
        assert_eq!(status["StsRsnInf"][0]["Rsn"]["Cd"], "AM04");
    })
    .await;
}

#[tokio::test]
async fn m7_a_banks_statement_adds_up_to_what_it_owes_and_is_owed() {
    let Some(python) = python() else { return };
    on_each_engine(async |hub| {
        let world = World::open(&hub, &[]).await;
        world.day().await;
        let file = world.export(&World::asks(Kind::Statement, "bank-b", "")).await.unwrap();
        let found = read_by_others(&python, "camt.053.001.08", &file);
        let statement = &found["BkToCstmrStmt"]["Stmt"][0];
        let entries: Vec<(&str, &str)> = statement["Ntry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["CdtDbtInd"].as_str().unwrap(), it["Amt"]["$"].as_str().unwrap()))
            .collect();
        assert_eq!(
            entries,
            [("CRDT", "1250.00"), ("CRDT", "0.01"), ("DBIT", "7.00"), ("DBIT", "0.09")],
            "{}",
            hub.engine
        );
        let closing = &statement["Bal"][1];
        assert_eq!((&closing["Amt"]["$"], &closing["CdtDbtInd"]), (&json!("1242.92"), &json!("CRDT")));
        let debts = world.clearing.list_debts(&pb::ListBankDebtsRequest { day: DAY.to_string() }).await.unwrap();
        assert!(debts.closed);
        let debts: Vec<_> = debts
            .debts
            .iter()
            .map(|it| {
                let amount = it.amount.as_ref().unwrap();
                let amount = Money::new(Currency::parse(&amount.currency_code).unwrap(), amount.minor_units);
                format!("{} {} {} {amount}", it.debtor_bank_id, it.creditor_bank_id, it.number)
            })
            .collect();
        assert_eq!(
            debts,
            [
                "bank-a bank-b 2 1250.01 CNY",
                "bank-a bank-b 1 500 JPY",
                "bank-b bank-a 1 7.00 CNY",
                "bank-b bank-c 1 0.09 CNY"
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn m7_a_file_that_others_made_is_held_against_the_books_and_answered() {
    let Some(python) = python() else { return };
    on_each_engine(async |hub| {
        let world = World::open(&hub, &[("bank-a", "BANKCNBJ"), ("bank-b", "BANBCNBJ")]).await;
        let [first, second, _] = world.day().await;
        let row = |id: &str, amount: &str, from: &str| {
            json!({
                "msg_id": "THEIRS-1", "creation_date_time": "2026-03-03T01:00:00", "nb_of_txs": 3, "settlement_method": "CLRG",
                "ctrl_sum": "1255.00", "interbank_settlement_date": "2026-03-02", "end_to_end_id": id, "tx_id": id,
                "uetr": "86d7da8e-6e41-4466-b9bb-9b41d5814d5a", "interbank_settlement_amount": amount,
                "interbank_settlement_currency": "CNY", "charge_bearer": "SHAR", "debtor_name": "A & <B> 老王",
                "debtor_agent_bic": from, "creditor_agent_bic": "BANBCNBJ", "creditor_name": "B",
            })
        };
        let rows = json!([
            row(&key(first), "1250.00", "BANKCNBJ"),
            row(&key(second), "0.02", "BANKCNBJ"),
            row("NOBODYS", "4.98", "BANKCNBJ"),
        ]);
        let file = others(&python, &["make"], rows.to_string().as_bytes());
        let (summary, answer) = world.check(&file).await.unwrap();
        assert_eq!((summary.message_id.as_str(), summary.transfers), ("THEIRS-1", 3), "{}", hub.engine);
        assert_eq!((summary.settled, summary.differing, summary.untold), (1, 2, 0));
        let found = read_by_others(&python, "pacs.002.001.12", &answer);
        let report = &found["FIToFIPmtStsRpt"];
        assert_eq!(report["OrgnlGrpInfAndSts"]["OrgnlMsgId"], "THEIRS-1");
        let said: Vec<_> = report["TxInfAndSts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["TxSts"].as_str().unwrap(), it["StsRsnInf"][0]["Rsn"]["Cd"].as_str().unwrap_or_default()))
            .collect();
        assert_eq!(said, [("ACSC", ""), ("RJCT", "AM09"), ("RJCT", "NARR")]);
        let File::Statuses(read) = read(&answer).unwrap() else { panic!("no statuses") };
        assert_eq!(read.statuses.iter().map(|it| it.outcome.code()).collect::<Vec<_>>(), ["ACSC", "RJCT", "RJCT"]);

        // One that has less than the books, and one of another bank.
        let only = json!([row(&key(first), "1250.00", "BANKCNBJ")]).to_string().replace("\"1255.00\"", "\"1250.00\"");
        let only = others(&python, &["make"], only.replace("\"nb_of_txs\":3", "\"nb_of_txs\":1").as_bytes());
        let (summary, _) = world.check(&only).await.unwrap();
        assert_eq!((summary.settled, summary.differing, summary.untold), (1, 0, 1));
        assert_eq!(summary.untold_ids, [key(second)]);
        let wrong = String::from_utf8(only).unwrap().replacen("BANKCNBJ", "BANBCNBJ", 1);
        let (summary, _) = world.check(wrong.as_bytes()).await.unwrap();
        assert_eq!((summary.settled, summary.differing), (0, 1));
        // Nothing of it moved anything, and the log has it.
        let rows = hub.store.fetch("SELECT count(*) FROM repayments WHERE version > 1", Vec::new()).await.unwrap();
        assert_eq!(rows[0].int(0).unwrap(), 0);
        assert_eq!(world.logged("CLEARING_FILE_CHECKED").await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn m7_the_hubs_own_file_agrees_with_its_books() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, &[]).await;
        world.day().await;
        let file = world.export(&World::asks(Kind::CreditTransfers, "bank-a", "bank-b")).await.unwrap();
        let (summary, _) = world.check(&file).await.unwrap();
        assert_eq!((summary.settled, summary.differing, summary.untold), (2, 0, 0), "{}", hub.engine);
        // Written, read and written again it is the same, but for what the reader passes over.
        let File::Transfers(read) = read(&file).unwrap() else { panic!("no transfers") };
        assert_eq!(super::super::pacs008::write(&read).unwrap(), file);
    })
    .await;
}

#[tokio::test]
async fn m7_a_day_that_is_not_over_or_not_decided_has_no_file() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, &[]).await;
        let asked = World::asks(Kind::CreditTransfers, "bank-a", "bank-b");
        assert_eq!(world.export(&asked).await, Err(Reason::ClearingFileEmpty), "{}", hub.engine);
        let today = crate::zone::day_of(hub.clock().now(), Zone::shanghai().rules()).unwrap();
        let now = pb::ExportClearingFileRequest { day: today.to_string(), ..asked.clone() };
        assert_eq!(world.export(&now).await, Err(Reason::ClearingDayOpen));
        world.day().await;
        let file = world.export(&asked).await.unwrap();
        let waiting = world.repaid(("bank-a", "bank-c"), ("CNY", 5), World::at(DAY, 23), "HOLDING").await;
        assert_eq!(world.export(&asked).await, Err(Reason::ClearingDayOpen));
        assert_eq!(world.check(&file).await.unwrap_err().reason, "CLEARING_DAY_OPEN");
        let debts = world.clearing.list_debts(&pb::ListBankDebtsRequest { day: DAY.to_string() }).await.unwrap();
        assert!(!debts.closed);
        let sql = "UPDATE repayments SET state = 'ABORTED', due_at = NULL WHERE repayment_id = $1";
        world.execute(sql, vec![waiting.into()]).await;
        assert!(world.export(&asked).await.is_ok());
        let long = "b".repeat(40);
        world.repaid((&long, "bank-b"), ("CNY", 5), World::at(DAY, 3), "POSTED").await;
        for (request, reason) in [
            (pb::ExportClearingFileRequest { day: "2026-02-30".to_owned(), ..asked.clone() }, Reason::TimeOutOfRange),
            (pb::ExportClearingFileRequest { day: "tomorrow".to_owned(), ..asked.clone() }, Reason::TimeOutOfRange),
            (pb::ExportClearingFileRequest { kind: 0, ..asked.clone() }, Reason::FieldUnknown),
            (pb::ExportClearingFileRequest { kind: 99, ..asked.clone() }, Reason::FieldUnknown),
            (pb::ExportClearingFileRequest { part: -1, ..asked.clone() }, Reason::FieldUnknown),
            (pb::ExportClearingFileRequest { part: 1, ..asked.clone() }, Reason::ClearingFileEmpty),
            (
                pb::ExportClearingFileRequest { currency_code: "cny".to_owned(), ..asked.clone() },
                Reason::CurrencyUnknown,
            ),
            (
                pb::ExportClearingFileRequest { debtor_bank_id: long.clone(), ..asked.clone() },
                Reason::ClearingNameTooLong,
            ),
            (pb::ExportClearingFileRequest { debtor_bank_id: String::new(), ..asked.clone() }, Reason::NameMalformed),
            (pb::ExportClearingFileRequest { kind: Kind::LinkMessages.into(), ..asked.clone() }, Reason::NameMalformed),
        ] {
            assert_eq!(world.export(&request).await, Err(reason), "{request:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn m7_a_files_fault_is_told_with_its_line_and_element() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, &[]).await;
        world.day().await;
        let file = world.export(&World::asks(Kind::CreditTransfers, "bank-a", "bank-b")).await.unwrap();
        let good = String::from_utf8(file).unwrap();
        let transfer = "FIToFICstmrCdtTrf/CdtTrfTxInf";
        let half = &good[..good.len() / 2];
        let second = {
            let at = good.rfind("<TxId>").unwrap() + 6;
            good[at..at + 32].to_owned()
        };
        let first = {
            let at = good.find("<TxId>").unwrap() + 6;
            good[at..at + 32].to_owned()
        };
        for (bad, reason, element) in [
            (half.to_owned(), Reason::FileMalformed, ""),
            (good.replace("pacs.008.001.08", "pacs.008.001.02"), Reason::FileKindUnknown, "Document"),
            (good.replacen("<Document", "<!DOCTYPE x><Document", 1), Reason::FileMalformed, "Document"),
            (good.replace("<NbOfTxs>2", "<NbOfTxs>3"), Reason::FileTotalsWrong, "FIToFICstmrCdtTrf/GrpHdr"),
            (good.replace("<CtrlSum>1250.01", "<CtrlSum>1250.02"), Reason::FileTotalsWrong, "FIToFICstmrCdtTrf/GrpHdr"),
            (good.replace("\"CNY\">1250.01", "\"CNY\">1250.00"), Reason::FileTotalsWrong, "FIToFICstmrCdtTrf/GrpHdr"),
            (
                good.replace("\"CNY\">0.01", "\"CNY\">0.010"),
                Reason::AmountMalformed,
                "FIToFICstmrCdtTrf/CdtTrfTxInf/IntrBkSttlmAmt",
            ),
            (
                good.replace("\"CNY\">0.01", "\"ABC\">0.01"),
                Reason::CurrencyUnknown,
                "FIToFICstmrCdtTrf/CdtTrfTxInf/IntrBkSttlmAmt",
            ),
            (
                good.replace("\"CNY\">0.01", "\"CNY\">-0.01"),
                Reason::AmountMalformed,
                "FIToFICstmrCdtTrf/CdtTrfTxInf/IntrBkSttlmAmt",
            ),
            (good.replace(&second, &first), Reason::TransferRepeated, transfer),
            (good.replace(&second, &"1".repeat(36)), Reason::TextMalformed, "FIToFICstmrCdtTrf/CdtTrfTxInf/PmtId/"),
            (
                good.replacen("<Nm>NOT", "<Nm>\u{202e}", 1),
                Reason::TextMalformed,
                "FIToFICstmrCdtTrf/CdtTrfTxInf/Dbtr/Nm",
            ),
            (good.replace("bank-b", ""), Reason::TextMalformed, "FIToFICstmrCdtTrf/GrpHdr/InstdAgt/"),
            (good.replace("<ChrgBr>", "<ChrgBr>&x;"), Reason::FileMalformed, "FIToFICstmrCdtTrf/CdtTrfTxInf/ChrgBr"),
            (format!("{good}{}", " ".repeat(16 * 1024 * 1024)), Reason::FileTooLarge, "Document"),
        ] {
            if reason == Reason::FileTooLarge {
                assert_eq!(read(bad.as_bytes()).unwrap_err().reason, reason);
                assert_eq!(Incoming::default().take(bad.as_bytes()), Err(reason));
                continue;
            }
            let fault = world.check(bad.as_bytes()).await.unwrap_err();
            assert_eq!(fault.reason, reason.code(), "{element}");
            assert!(fault.element.starts_with(element), "{reason:?}: {}", fault.element);
            assert!(fault.line > 1 || element == "Document", "{reason:?}: line {}", fault.line);
        }
        assert_eq!(world.logged("CLEARING_FILE_CHECKED").await, Vec::<String>::new(), "{}", hub.engine);
        assert_eq!(world.logged("CLEARING_FILE_REFUSED").await.len(), 14);
        assert!(world.check(good.as_bytes()).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn m7_a_links_day_is_a_file_that_isos_schema_takes_and_that_becomes_the_same_messages_again() {
    const PHONE: &str = "8613800138000";
    let python = python();
    on_each_engine(async |hub| {
        let world = World::open(&hub, &[]).await;
        let dialect = &iso8583::dialect::UNION_PAY;
        let private = PrivateData::default().with(Tag::Reference, "R-1").to_text().unwrap();
        let mut messages = Vec::new();
        for stan in 1..=3 {
            let mut message = MessageBuilder::new(dialect, Mti::FINANCIAL_REQUEST).unwrap();
            message.header(&[6; 11]).unwrap().number(4, 3_680).unwrap().text(49, "156").unwrap().number(11, stan).unwrap();
            message.text(102, PHONE).unwrap().text(120, &private).unwrap().value(62, &[0, 0xFF, 7]).unwrap();
            let mut octets = Vec::new();
            message.write(&mut octets).unwrap();
            let id = hub.id();
            let sealed = hub.keys.seal(KeyName::SealedPayload, id.as_bytes(), &octets).unwrap();
            let sql = "INSERT INTO network_messages (message_id, version, link, business_day, kind, payment_id, currency, amount_minor, \
                       received_at, sealed_message) VALUES ($1, 1, 'acquirer-1', '2026-03-02', 'PAYMENT', $1, 'CNY', 3680, 0, $2)";
            world.execute(sql, vec![id.into(), sealed.into()]).await;
            messages.push(octets);
        }
        let asked = pb::ExportClearingFileRequest {
            day: DAY.to_string(),
            kind: Kind::LinkMessages.into(),
            link: "acquirer-1".to_owned(),
            ..Default::default()
        };
        let file = world.export(&asked).await.unwrap();
        if let Some(python) = &python {
            let found = read_by_others(python, "camt.054.001.08", &file);
            let entries = found["BkToCstmrDbtCdtNtfctn"]["Ntfctn"][0]["Ntry"].as_array().unwrap().clone();
            assert_eq!(entries.len(), 3, "{}", hub.engine);
            assert_eq!(entries[0]["Amt"], json!({ "@Ccy": "CNY", "$": "36.80" }));
            assert_eq!(entries[2]["NtryDtls"][0]["TxDtls"][0]["Refs"]["InstrId"], "000003");
        }
        let entries: Vec<Entry> = from_xml(&file).unwrap();
        let again = entries.iter().map(|entry| {
            let mut message = entry.message(dialect).unwrap();
            message.secondary_bitmap();
            let mut octets = Vec::new();
            message.write(&mut octets).unwrap();
            octets
        });
        assert_eq!(again.collect::<Vec<_>>(), messages);
        assert!(matches!(read(&file).unwrap(), File::Messages(found) if found == entries));
        // Cut over to this day, the link is still on it; to the next one, it is not.
        let sql = "INSERT INTO network_links (link, version, business_day, changed_at) VALUES ('acquirer-1', 1, '2026-03-02', 0)";
        world.execute(sql, Vec::new()).await;
        assert_eq!(world.export(&asked).await, Err(Reason::ClearingDayOpen));
        world.execute("UPDATE network_links SET business_day = '2026-03-03'", Vec::new()).await;
        assert_eq!(world.export(&asked).await.unwrap().len(), file.len());
        let other = pb::ExportClearingFileRequest { link: "acquirer-2".to_owned(), ..asked };
        assert_eq!(world.export(&other).await, Err(Reason::ClearingFileEmpty));
    })
    .await;
}
