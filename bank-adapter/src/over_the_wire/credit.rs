//! Credit accounts as an operator of the counter meets them.

use domain::AccountId;
use domain::credit::Position;
use jiff::ToSpan as _;
use server_kit::clock::Clock as _;
use server_kit::store::testing::TestDatabase;

use super::*;
use crate::credit::{Calendar, ZoneName};

/// Closed on the 28th, with a limit of 1,000.00, of it 300.00 as cash.
fn line(repay_from: &str) -> counter::CreditLine {
    counter::CreditLine {
        limit_minor: 100_000,
        cash_limit_minor: 30_000,
        terms: Some(counter::CreditTerms { close_day: 28, ..counter::CreditTerms::default() }),
        repay_from_account_id: repay_from.to_owned(),
    }
}

fn opening(
    account_id: &str,
    kind: counter::AccountKind,
    credit_line: Option<counter::CreditLine>,
) -> OpenAccountRequest {
    OpenAccountRequest {
        account_id: account_id.to_owned(),
        currency_code: "CNY".to_owned(),
        holder_name: "王小明".to_owned(),
        payment_limit_minor: 0,
        kind: kind.into(),
        credit_line,
    }
}

impl Trial {
    async fn open(&mut self, request: OpenAccountRequest) -> Result<counter::Account, Status> {
        Ok(self.counter.open_account(request).await?.into_inner().account.unwrap())
    }

    async fn close_days(&mut self, through: &str) -> Result<counter::CloseDaysResponse, Status> {
        let request = counter::CloseDaysRequest { through: through.to_owned() };
        Ok(self.counter.close_days(request).await?.into_inner())
    }

    async fn statements(
        &mut self,
        account_id: &str,
        page_size: i32,
        before_number: u32,
    ) -> Result<Vec<counter::Statement>, Status> {
        let account_id = account_id.to_owned();
        let request = counter::ListStatementsRequest { account_id, page_size, before_number };
        Ok(self.counter.list_statements(request).await?.into_inner().statements)
    }
}

#[tokio::test]
async fn c1_accounts_of_every_kind_are_opened_once_and_read_with_what_was_agreed_on() {
    let mut trial = Trial::start().await;
    let debit = trial.account_with(1_000).await;
    let (credit, savings) = (trial.id(), trial.id());
    let request = opening(&credit, counter::AccountKind::Credit, Some(line(&debit)));
    let opened = trial.open(request.clone()).await.unwrap();
    assert_eq!(trial.open(request.clone()).await.unwrap(), opened);
    assert_eq!((opened.kind(), opened.available.unwrap()), (counter::AccountKind::Credit, cny(100_000).unwrap()));
    let agreed = opened.credit_line.unwrap();
    let terms = agreed.terms.clone().unwrap();
    assert_eq!((agreed.limit_minor, agreed.cash_limit_minor, &agreed.repay_from_account_id), (100_000, 30_000, &debit));
    assert_eq!((terms.daily_rate.as_str(), terms.grace_days, terms.close_day), ("0.0005", Some(3), 28));
    // What is told can be sent again.
    let told = opening(&credit, counter::AccountKind::Credit, Some(agreed.clone()));
    assert!(trial.open(told).await.is_ok());

    let deposit = DepositCashRequest { deposit_id: trial.id(), account_id: credit.clone(), amount: cny(700) };
    let repaid = trial.counter.deposit_cash(deposit).await.unwrap().into_inner().account.unwrap();
    assert_eq!((repaid.available, repaid.balance), (cny(100_700), cny(700)));
    let read = counter::GetAccountRequest { account_id: credit.clone() };
    let read = trial.counter.get_account(read).await.unwrap().into_inner().account.unwrap();
    assert_eq!(read.credit_line, Some(agreed));
    let saved = trial.open(opening(&savings, counter::AccountKind::Savings, None)).await.unwrap();
    assert_eq!((saved.kind(), saved.credit_line), (counter::AccountKind::Savings, None));

    let other = counter::CreditLine { limit_minor: 100_001, ..line(&debit) };
    let rate = |rate: &str| {
        let terms = counter::CreditTerms { close_day: 28, daily_rate: rate.to_owned(), ..Default::default() };
        counter::CreditLine { terms: Some(terms), ..line("") }
    };
    let new = trial.id();
    use counter::AccountKind::{Credit, Deposit, Savings, Unspecified};
    let table = [
        (opening(&credit, Credit, Some(other)), Reason::IdTaken),
        (opening(&credit, Credit, Some(line(""))), Reason::IdTaken),
        (opening(&new, Credit, None), Reason::FieldMissing),
        (opening(&new, Credit, Some(counter::CreditLine { terms: None, ..line("") })), Reason::FieldMissing),
        (
            opening(&new, Credit, Some(counter::CreditLine { cash_limit_minor: -1, ..line("") })),
            Reason::AmountMalformed,
        ),
        (opening(&new, Credit, Some(rate("0.02"))), Reason::TermsMalformed),
        (opening(&new, Credit, Some(rate("a lot"))), Reason::TermsMalformed),
        (opening(&new, Credit, Some(line("CASH"))), Reason::IdMalformed),
        (opening(&new, Credit, Some(line(&savings))), Reason::AccountUnknown),
        (opening(&new, Credit, Some(line(&new))), Reason::AccountUnknown),
        (opening(&new, Deposit, Some(line(""))), Reason::FieldUnknown),
        (opening(&new, Savings, Some(line(""))), Reason::FieldUnknown),
        (opening(&new, Unspecified, None), Reason::FieldUnknown),
        (OpenAccountRequest { kind: 99, ..opening(&new, Deposit, None) }, Reason::FieldUnknown),
    ];
    for (request, reason) in table {
        let refused = trial.open(request.clone()).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason), "{request:?}");
    }
    let read = trial.counter.get_account(counter::GetAccountRequest { account_id: new }).await.unwrap_err();
    assert_eq!(reason_of(&read), Some(Reason::AccountUnknown), "nothing was stored");
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn c7_r8_a_node_closes_the_days_that_it_missed_and_lists_their_statements() {
    let mut trial = Trial::start().await;
    let (debit, credit) = (trial.account_with(1_000).await, trial.id());
    trial.open(opening(&credit, counter::AccountKind::Credit, Some(line(&debit)))).await.unwrap();
    let today = Calendar::new(ZoneName::shanghai(), "00:10".parse().unwrap()).day_of(SystemClock.now());
    for (through, reason) in [
        (today.to_string(), Reason::DayNotOver),
        ("9999-12-31".to_owned(), Reason::DayNotOver),
        ("2026-02-29".to_owned(), Reason::DayMalformed),
    ] {
        assert_eq!(reason_of(&trial.close_days(&through).await.unwrap_err()), Some(reason), "{through}");
    }
    assert_eq!(trial.close_days("").await.unwrap().days, 0, "it has no day yet that is over");
    assert_eq!(trial.statements(&credit, 0, 0).await.unwrap(), []);
    for (account, page_size, reason) in [
        (debit.as_str(), 0, Reason::AccountUnknown),
        ("x", 0, Reason::IdMalformed),
        (credit.as_str(), 201, Reason::PageSizeOutOfRange),
    ] {
        let refused = trial.statements(account, page_size, 0).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason), "{account}");
    }
    let Trial { federation, node, .. } = trial;
    node.stop().await.unwrap();

    // Opened a hundred days ago, and down ever since.
    let first = today.saturating_sub(100.days());
    let database = TestDatabase::of_another_process(&format!("sqlite:{}", federation.path("bank.db").display()));
    let store = database.open(&crate::migrations(), SystemClock::shared()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let position = Position::opened(AccountId::parse(&credit).unwrap(), first);
    let sql = "UPDATE credit_accounts SET position = $1, closed_through = $2, opened_on = $3";
    let days = (position.closed_through().to_string(), first.to_string());
    tx.execute(sql, vec![position.to_string().into(), days.0.into(), days.1.into()]).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    drop(store);

    let node = federation.bank(NO_HUB, "[credit]\ntime_zone = \"Asia/Shanghai\"\nclose_at = \"00:00\"\n").await;
    let mut trial = Trial::of(federation, node);
    let closed = trial.close_days("").await.unwrap();
    assert_eq!(closed.through, today.saturating_sub(1.day()).to_string());
    let all = trial.statements(&credit, 0, 0).await.unwrap();
    let numbers: Vec<u32> = all.iter().map(|statement| statement.number).collect();
    assert!(matches!(numbers.as_slice(), [4, 3, 2, 1] | [3, 2, 1]), "the latest first: {numbers:?}");
    assert!(all.iter().all(|statement| statement.closed_on.ends_with("-28") && statement.closing_minor == 0));
    assert_eq!(
        (all.last().unwrap().from.as_str(), all.last().unwrap().missed_minor),
        (first.to_string().as_str(), Some(0))
    );
    assert_eq!(trial.statements(&credit, 1, 3).await.unwrap(), [all[all.len() - 2].clone()]);
    assert_eq!(trial.statements(&credit, 200, 1).await.unwrap(), []);
    trial.node.stop().await.unwrap();
}

#[test]
fn a_time_zone_or_a_time_that_there_is_not_is_refused_with_its_line() {
    let federation = Federation::new();
    federation.config(NO_HUB, "");
    let file = federation.path("bank.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for more in ["time_zone = \"Asia/Nowhere\"", "close_at = \"24:00\"", "close_att = \"00:10\""] {
        let text = format!("{text}\n[credit]\n{more}\n");
        std::fs::write(&file, &text).unwrap();
        let refused = server_kit::config::load::<Config>(Some(&file), "BANKHUB_TEST_WIRE_", &[]).unwrap_err();
        assert!(refused.to_string().contains(&format!(":{}:", text.lines().count())), "{refused}");
    }
}
