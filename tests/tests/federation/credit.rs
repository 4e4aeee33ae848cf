//! Bills of two banks in one total, who may learn how they are paid, and a reminder of them: over real processes, from statements that
//! the banks have closed.

use std::process::Stdio;
use std::time::Duration;

use bankhub::operator::Counter;
use bankhub::operator::inquiry::InquireArgs;
use bankhub::phone::{Agreed, Phone};
use bankhub::trial::IssuedCard;
use domain::credit_history::{Answer, Asker, Field, Fields, Purpose};
use domain::{BankId, ConsentId, Currency, InquiryId, Money, PhoneNumber, Reason};
use federation_tests::cards::{Holder, PIN};
use federation_tests::databases::Engine;
use federation_tests::statements::bank_time;
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use jiff::ToSpan as _;
use proto::cardholder::event::Kind;
use proto::cardholder::reminder::When;
use proto::cardholder::{self as pb, BillState, HistoryStanding, Topic};
use proto::common::Nature;
use proto::counter as counter_pb;
use proto::terminal::PaymentState;
use server_kit::clock::SystemClock;
use server_kit::rng::{IdMaker, SystemRng};
use tokio::process::Command;

const DAY: Duration = Duration::from_hours(24);

/// What was bought with the cards of both banks.
const AT_A: i64 = 30_000;
const AT_B: i64 = 20_000;

/// Two banks, and somebody with a card at each.
struct Owing {
    world: World,
    holder: Holder,
    cards: [IssuedCard; 2],
}

const BANKS: [&str; 2] = ["bank-a", "bank-b"];

impl Owing {
    async fn start() -> Self {
        let setup = Setup::on(Engine::Sqlite).with_banks(&BANKS).with_cards();
        let world = setup.with("reminders.look_every", "200ms").start().await;
        let holder = world.holder(0, "bank-a", 0, 100_000).await;
        let cards = [
            world.card_closing_today(0, "bank-a", 0, 100_000).await,
            world.card_closing_today(1, "bank-b", 0, 100_000).await,
        ];
        for (bank, card) in BANKS.iter().zip(&cards) {
            world.bind_card(holder.person, bank, card).await;
        }
        let pad = world.pad("till-1");
        for (card, minor) in cards.iter().zip([AT_A, AT_B]) {
            let reader = Holder { card: card.clone(), ..holder_of(&holder) };
            let paid = world.till("till-1").with_card(&reader.read(&pad, Some(PIN)), Nature::Purchase, minor).await;
            assert_eq!(paid.state(), PaymentState::Approved, "{paid:?}");
        }
        Self { world, holder, cards }
    }

    /// Both banks have closed the statements, and the phone shows them.
    async fn billed() -> Self {
        let mut owing = Self::start().await;
        for (n, minor) in [AT_A, AT_B].into_iter().enumerate() {
            owing.posted(n, minor).await;
            owing.world.close_today(BANKS[n]).await;
        }
        for n in 0..BANKS.len() {
            owing.bill(n, "the bill", |_| true).await;
        }
        owing
    }

    /// Waits until the bank has posted what was bought, so that it is of today.
    async fn posted(&self, n: usize, minor: i64) {
        let counter = self.world.counter(BANKS[n]).await;
        let owed = async || {
            let account = counter.account(self.cards[n].credit).await.unwrap();
            (account.balance.unwrap().minor_units == -minor).then_some(())
        };
        until("the purchase to be posted", World::HEALING, owed).await;
    }

    async fn bill(&self, n: usize, what: &str, right: impl Fn(&pb::Bill) -> bool) -> pb::Bill {
        self.world.bill(&self.holder, &self.cards[n], what, right).await
    }

    async fn counter(&self, n: usize) -> Counter {
        self.world.counter(BANKS[n]).await
    }

    /// How often the phone was told of a bill: before a charge that comes after all of them.
    async fn bills_told(&self) -> usize {
        let pad = self.world.pad("till-1");
        let reader = Holder { card: self.cards[0].clone(), ..holder_of(&self.holder) };
        let last = self.world.till("till-1").with_card(&reader.read(&pad, Some(PIN)), Nature::Purchase, 100).await;
        let mut feed = self.holder.feed();
        bounded("the last charge", World::HEALING, async {
            let mut told = 0;
            loop {
                match feed.next().await.unwrap().kind {
                    Some(Kind::News(news)) if news.topic() == Topic::Bill => told += 1,
                    Some(Kind::Charge(it)) if it.purchase.as_ref().unwrap().payment_id == last.payment_id => {
                        return told;
                    }
                    _ => {}
                }
            }
        })
        .await
    }

    async fn pay_in(&self, n: usize, minor: i64) {
        let amount = Money::new(Currency::CNY, minor);
        self.counter(n).await.deposit(self.cards[n].credit, amount).await.unwrap();
    }
}

fn holder_of(holder: &Holder) -> Holder {
    Holder {
        person: holder.person,
        phone: holder.phone.clone(),
        device: holder.device.clone(),
        bank: holder.bank.clone(),
        card: holder.card.clone(),
    }
}

#[tokio::test]
async fn r8_the_bills_of_two_banks_are_one_total_that_goes_down_as_they_are_paid() {
    let owing = Owing::billed().await;
    let today = bank_time().date();
    let total = owing.world.total(&owing.holder).await;
    let bills = [owing.bill(0, "a bill", |_| true).await, owing.bill(1, "a bill", |_| true).await];
    assert_eq!((total.due.clone().unwrap().minor_units, total.open_count), (AT_A + AT_B, 2));
    assert_eq!(total.minimum_minor, bills.iter().map(|bill| bill.minimum_minor).sum::<i64>());
    assert!(total.minimum_minor > 0 && total.overdue_minor == 0);
    assert_eq!(total.next_due_on, today.saturating_add(20.days()).to_string());
    for (n, bill) in bills.iter().enumerate() {
        assert_eq!((bill.closed_on.as_str(), bill.state()), (today.to_string().as_str(), BillState::Open));
        let found = owing.holder.device.bill(bill.bill_id.parse_id()).await.unwrap();
        assert_eq!((found.lines.len(), found.agreed, found.differences.len()), (1, 1, 0), "{}: {found:?}", BANKS[n]);
    }
    owing.pay_in(1, 5_000).await;
    let paid = owing.bill(1, "what was paid", |bill| bill.paid_minor == 5_000).await;
    assert_eq!((paid.left_minor, paid.state()), (AT_B - 5_000, BillState::MinimumMet));
    owing.pay_in(0, AT_A).await;
    owing.bill(0, "the bill to be paid", |bill| bill.state() == BillState::Paid).await;
    let total = owing.world.total(&owing.holder).await;
    assert_eq!((total.due.unwrap().minor_units, total.open_count), (AT_B - 5_000, 1));
    let history = owing.holder.device.credit_history().await.unwrap();
    let standing = |bank: &str| history.iter().find(|entry| entry.bank_id == bank).unwrap().standing();
    assert_eq!((standing("bank-a"), standing("bank-b")), (HistoryStanding::PaidInTime, HistoryStanding::Due));
    for n in 0..BANKS.len() {
        let told = owing.counter(n).await.reporting().await.unwrap();
        assert_eq!((told.waiting_bills, told.refused_bills), (0, vec![]));
    }
    owing.world.settled().await;
}

trait ParseId {
    fn parse_id(&self) -> domain::BillId;
}

impl ParseId for String {
    fn parse_id(&self) -> domain::BillId {
        domain::BillId::parse(self).unwrap()
    }
}

#[tokio::test]
async fn r8_a_bank_that_is_killed_while_it_tells_of_a_bill_has_told_it_once() {
    for point in ["bill.before", "bill.after", "bill.answered"] {
        let mut owing = Owing::start().await;
        owing.posted(1, AT_B).await;
        let server = owing.world.server("bank-b");
        server.stop().await.unwrap();
        server.set("trial.clock_ahead", "24h");
        server.set("credit.close_at", "00:00");
        server.set_environment(vec![(server_kit::fault::ENVIRONMENT.to_owned(), format!("{point}@1"))]);
        // By its schedule it closes the day, perhaps before it says that it is ready.
        server.spawn().unwrap();
        owing.world.rise_again("bank-b").await;
        let bill = owing.bill(1, "the bill", |_| true).await;
        assert_eq!(bill.closing.unwrap().minor_units, AT_B, "{point}");
        let news = owing.bills_told().await;
        assert_eq!(news, 1, "{point}");
        owing.world.settled().await;
    }
}

/// What a bank asks, under a new id.
fn asked(bank: &str, phone: &PhoneNumber, consent: ConsentId) -> InquireArgs {
    InquireArgs {
        bank: BankId::parse(bank).unwrap(),
        name: "Li Na".to_owned(),
        phone: phone.clone(),
        consent,
        purpose: Purpose::LoanApplication,
        fields: vec![Field::Summary, Field::OpenBills, Field::Arrears],
        id: None,
    }
}

/// What the bank is told, or why not.
async fn told(counter: &Counter, args: &InquireArgs) -> Result<counter_pb::InquireCreditHistoryResponse, Reason> {
    counter.inquire(args.message(counter).unwrap()).await.map_err(|error| error.reason().unwrap())
}

async fn consent(device: &Phone, bank: &str) -> ConsentId {
    let fields = Fields::new([Field::Summary, Field::OpenBills, Field::Arrears]).unwrap();
    let bank_id = BankId::parse(bank).unwrap();
    let agreed = Agreed { asker: Asker::Bank(bank_id), purpose: Purpose::LoanApplication, fields, lasts: DAY };
    ConsentId::parse(&device.give_consent(agreed).await.unwrap().consent_id).unwrap()
}

#[tokio::test]
async fn r9_a_bank_is_told_once_under_a_consent_and_the_person_sees_every_inquiry() {
    let owing = Owing::billed().await;
    let (device, phone) = (&owing.holder.device, &owing.holder.phone);
    let [at_a, at_b] = [owing.counter(0).await, owing.counter(1).await];
    let given = consent(device, "bank-b").await;
    let id = InquiryId::from_uuid(IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid().unwrap());
    let first = InquireArgs { id: Some(id), ..asked("bank-b", phone, given) };

    let of = |name: &str| InquireArgs { name: name.to_owned(), ..asked("bank-b", phone, given) };
    let stranger = PhoneNumber::parse("+8613700137098").unwrap();
    let refused = [
        ("another purpose", InquireArgs { purpose: Purpose::Review, ..of("Li Na") }, Reason::ConsentPurposeMismatch),
        ("more", InquireArgs { fields: Field::OF_HISTORY.to_vec(), ..of("Li Na") }, Reason::ConsentFieldsExceeded),
        ("another name", of("Li Nan"), Reason::InquiryUnanswered),
        ("nobody's number", InquireArgs { phone: stranger, ..of("Li Na") }, Reason::InquiryUnanswered),
    ];
    for (name, args, reason) in refused {
        assert_eq!(told(&at_b, &args).await, Err(reason), "{name}");
    }
    assert_eq!(told(&at_a, &asked("bank-a", phone, given)).await, Err(Reason::InquiryUnanswered), "another bank");

    let answered = told(&at_b, &first).await.unwrap();
    let report = answered.report.clone().unwrap();
    let summary = report.summary.unwrap();
    assert_eq!((summary.accounts, summary.banks), (2, 2));
    let open = &report.open_bills.unwrap().open_bills[0];
    assert_eq!((open.bills, open.billed.clone().unwrap().minor_units), (2, AT_A + AT_B));
    assert!(report.arrears.unwrap().open.is_empty() && report.good_record.is_none());
    assert_eq!(told(&at_b, &first).await, Ok(answered), "the same inquiry again");
    assert_eq!(told(&at_b, &of("Li Na")).await, Err(Reason::ConsentUsed), "replayed under another id");

    let taken_back = consent(device, "bank-b").await;
    device.revoke_consent(taken_back).await.unwrap();
    assert_eq!(told(&at_b, &asked("bank-b", phone, taken_back)).await, Err(Reason::ConsentRevoked));

    let log = device.inquiries().await.unwrap();
    assert!(log.verified.is_ok());
    let answers: Vec<Answer> = log.inquiries.iter().map(|(record, _)| record.answer).collect();
    let wanted = [
        Answer::Refused(Reason::ConsentPurposeMismatch),
        Answer::Refused(Reason::ConsentFieldsExceeded),
        Answer::Refused(Reason::InquiryUnanswered),
        Answer::Report,
        Answer::Refused(Reason::ConsentUsed),
        Answer::Refused(Reason::ConsentRevoked),
    ];
    assert_eq!(answers, wanted, "whoever does not know the name leaves no trace here");
    assert_eq!(log.inquiries[3].1, id.to_string());
    assert_eq!(log.inquiries[2].0.asker.name(), "bank-a");
    owing.world.settled().await;
}

/// Runs a command of the program, and gives what it printed.
async fn command(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(federation_tests::bankhub());
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let done = bounded("the command", World::HEALING, command.output()).await.unwrap();
    (done.status.success(), String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap())
}

#[tokio::test]
async fn r9_a_phone_and_a_counter_do_it_by_commands_and_the_phone_sees_a_log_that_was_cut() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let folder = world.federation.folder().join("ann");
    let new = bankhub::trial::NewPerson {
        name: "Wang Xiaoming",
        phone: "+8613810000044",
        bank: "bank-a",
        balance_minor: 10_000,
        currency: Currency::CNY,
        password: "271828",
    };
    world.federation.person_in(&new, &folder).await.unwrap();
    let (dir, operator) = (folder.display().to_string(), world.federation.operator_folder().join("operator.toml"));
    let operator = operator.display().to_string();
    let give = ["--output", "json", "phone", "--dir", &dir, "consents", "give", "bank-a", "--purpose", "review"];
    let (given, text) = command(&give).await;
    assert!(given, "{text}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let consent = value[0]["consent_id"].as_str().unwrap().to_owned();
    let ask = ["credit", "inquire", "bank-a", "Wang Xiaoming", "+8613810000044", &consent, "--as", &operator];
    let (answered, text) = command(&[&ask[..], &["--purpose", "review"]].concat()).await;
    assert!(answered && text.contains("0 accounts at 0 banks"), "{text}");
    let (answered, text) = command(&[&ask[..], &["--purpose", "review"]].concat()).await;
    assert!(!answered && text.contains("CONSENT_USED"), "{text}");
    let log = ["phone", "--dir", &dir, "inquiries"];
    let (whole, text) = command(&log).await;
    assert!(whole && text.contains("The log is whole: 2 inquiries") && text.contains("REPORT"), "{text}");
    for list in ["consents", "credit-history", "habits"] {
        let arguments = if list == "consents" { vec!["consents", "list"] } else { vec![list] };
        let (shown, text) = command(&[&["phone", "--dir", &dir][..], &arguments].concat()).await;
        assert!(shown, "{list}: {text}");
    }
    // As if the hub had another log than the one that this phone has seen.
    std::fs::write(folder.join("inquiries"), format!("2 {}\n", "ab".repeat(32))).unwrap();
    let (whole, text) = command(&log).await;
    assert!(!whole && text.contains("does not go on"), "{text}");
    world.settled().await;
}

#[tokio::test]
async fn r10_a_person_is_reminded_once_of_bills_that_banks_have_closed() {
    let owing = Owing::billed().await;
    let device = &owing.holder.device;
    // Nothing is sent that was planned for before the reminder was set, so that it is the next minute, twenty days before.
    let at = bank_time().saturating_add(1.minute());
    let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
    let reminder_id = ids.uuid().unwrap().to_string();
    let due_on = bank_time().date().saturating_add(20.days());
    let days = at.date().until(due_on).unwrap().get_days();
    let reminder = pb::Reminder {
        reminder_id: reminder_id.clone(),
        hour: at.hour().into(),
        minute: at.minute().into(),
        when: Some(When::DaysBefore(days)),
        ..pb::Reminder::default()
    };
    device.set_reminder(reminder).await.unwrap();
    let mut feed = owing.holder.feed();
    let news = bounded("the reminder", Duration::from_secs(90), async {
        loop {
            let event = feed.next().await.unwrap();
            if let Some(Kind::News(news)) = event.kind
                && news.topic() == Topic::Reminder
            {
                return news;
            }
        }
    })
    .await;
    assert_eq!(news.subject_id, reminder_id);
    assert!(news.text_en.contains("300.00") && news.text_en.contains("200.00"), "{}", news.text_en);
    owing.world.settled().await;
}
