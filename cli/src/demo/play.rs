//! The cast of the demo: the federation, two shops, two people with their phones, and what should come of it all.

use std::path::Path;
use std::time::Duration;

use domain::{AccountId, BankId, Currency, Money, PaymentId, Reason};
use proto::cardholder::event::Kind;
use secrecy::ExposeSecret as _;

use super::timeline::{Actor, Timeline, yuan};
use crate::doctor::{Check, Verdict};
use crate::error::CliError;
use crate::operator::Operator;
use crate::output::Output;
use crate::phone::Feed;
use crate::terminal::{Item, Order, Payment, PaymentState, Proof, Terminal};
use crate::trial::{self, Federation, NewPerson, Person, ServerOptions, Shop, TrialOptions, bank_id};

/// How long a code lives in the demo: long enough for a slow machine, short enough to wait for its end.
pub(super) const CODE_TTL: Duration = Duration::from_secs(5);
/// How long the phone may wait for what it is to be told.
pub(super) const TOLD_WITHIN: Duration = Duration::from_secs(15);

/// A terminal and the name of its shop.
#[derive(Debug)]
pub(super) struct Till {
    pub(super) shop: &'static str,
    pub(super) terminal: Terminal,
}

impl Till {
    pub(super) fn actor(&self) -> Actor {
        Actor::till(self.shop)
    }
}

/// A person who follows their own feed.
#[derive(Debug)]
pub(super) struct Payer {
    pub(super) person: Person,
    pub(super) feed: Feed,
    pub(super) accounts: Vec<(BankId, AccountId)>,
    /// What should be in all of them together, in minor units.
    pub(super) expected_minor: i64,
}

impl Payer {
    pub(super) fn phone(&self) -> Actor {
        Actor::phone(&self.person.name)
    }
}

/// Which of the two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Lin,
    Chen,
}

/// Everything that takes part.
pub(super) struct Play {
    pub(super) timeline: Timeline,
    pub(super) federation: Federation,
    pub(super) operator: Operator,
    pub(super) noodles: Till,
    pub(super) books: Till,
    /// Bank A's cash machine.
    pub(super) machine: Till,
    /// Another place to eat, around the corner.
    pub(super) dumplings: Till,
    pub(super) lin: Payer,
    pub(super) chen: Payer,
    /// Whether each scene came out as it should.
    pub(super) checks: Vec<Check>,
}

pub(super) fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

/// What people call a bank.
pub(super) fn spoken(bank: &str) -> String {
    format!("Bank {}", bank.strip_prefix("bank-").unwrap_or(bank).to_uppercase())
}

impl Play {
    /// Starts the federation and sets it up: scenes 1 and 2.
    pub(super) async fn begin(folder: &Path, log_filter: &str, out: &Output) -> Result<Self, CliError> {
        let timeline = Timeline::new(out, super::scenes::COUNT);
        timeline.scene("A hub and two banks start, each a process of its own");
        timeline.waiting("certificates, keys, databases");
        let federation = Federation::start(options(folder, log_filter)?).await?;
        let (hubs, banks): (Vec<_>, Vec<_>) =
            federation.servers().partition(|server| server.kind() == trial::Kind::Hub);
        for server in hubs.into_iter().chain(banks) {
            let is_hub = server.kind() == trial::Kind::Hub;
            let actor = if is_hub { Actor::hub() } else { Actor::bank(&spoken(server.name())) };
            let (id, address) = (server.process_id().unwrap_or(0), server.address()?);
            let what = format!("process {id} listens on {address}: mutual TLS, SQLite, every commit flushed to disk");
            timeline.happens(&actor, &what);
        }
        let noodles = open_shop(&federation, &timeline, &NOODLES, "Noodle House").await?;
        let books = open_shop(&federation, &timeline, &BOOKS, "Corner Bookshop").await?;
        let machine = open_shop(&federation, &timeline, &MACHINE, "Cash Machine").await?;
        let dumplings = open_shop(&federation, &timeline, &DUMPLINGS, "Dumpling House").await?;
        timeline.scene("Accounts and phones");
        let lin = sign_up(&federation, &timeline, &LIN).await?;
        let chen = sign_up(&federation, &timeline, &CHEN).await?;
        let operator = federation.operator()?;
        Ok(Self { timeline, federation, operator, noodles, books, machine, dumplings, lin, chen, checks: Vec::new() })
    }

    pub(super) fn till(&self, who: Who) -> &Till {
        // Lin eats, Chen reads.
        match who {
            Who::Lin => &self.noodles,
            Who::Chen => &self.books,
        }
    }

    pub(super) fn payer(&mut self, who: Who) -> &mut Payer {
        match who {
            Who::Lin => &mut self.lin,
            Who::Chen => &mut self.chen,
        }
    }

    fn payer_ref(&self, who: Who) -> &Payer {
        match who {
            Who::Lin => &self.lin,
            Who::Chen => &self.chen,
        }
    }

    /// The terminal asks the hub for a payment. The journal has the id before.
    pub(super) async fn begin_payment(&self, who: Who, amount: Money, items: Vec<Item>) -> Result<Payment, CliError> {
        let (till, payer) = (self.till(who), self.payer_ref(who));
        let (masked, asked) = (payer.person.phone.masked(), yuan(amount));
        self.timeline.say(&till.actor(), &Actor::hub(), &format!("{asked} from {masked}, please"));
        let order = Order { items, ..Order::new(payer.person.phone.clone(), amount) };
        Ok(till.terminal.begin(&order).await?)
    }

    /// The phone gets its code, over its own stream.
    pub(super) async fn code(&mut self, who: Who, payment: PaymentId) -> Result<String, CliError> {
        let payer = self.payer(who);
        let code = payer.feed.code_for(payment, TOLD_WITHIN).await?.expose_secret().to_owned();
        let phone = payer.phone();
        self.timeline.say(&Actor::hub(), &phone, "here is your one-time code: ••••••");
        Ok(code)
    }

    /// Code and password are typed in at the till.
    pub(super) async fn authorize(&self, who: Who, payment: PaymentId, code: &str) -> Result<Payment, CliError> {
        let (till, payer) = (self.till(who), self.payer_ref(who));
        self.timeline.say(&Actor::person(&payer.person.name), &till.actor(), "types in code and transaction password");
        let proof = Proof::new(code, payer.person.password.expose_secret());
        let answered = till.terminal.authorize(payment, &proof).await?;
        self.written(payment).await?;
        self.timeline.say(&Actor::hub(), &till.actor(), &self.sentence(&answered));
        Ok(answered)
    }

    /// What the hub has written into its log about a payment.
    pub(super) async fn written(&self, payment: PaymentId) -> Result<(), CliError> {
        let steps = self.operator.inspect(payment).await?.steps;
        let states: Vec<&str> = steps.iter().map(|step| step.state.as_str()).collect();
        self.timeline.happens(&Actor::hub(), &self.timeline.quiet(&format!("has in its log: {}", states.join(" → "))));
        Ok(())
    }

    /// A payment from the first request to the charge on the phone.
    pub(super) async fn pay(&mut self, who: Who, amount: Money, items: Vec<Item>) -> Result<Payment, CliError> {
        let begun = self.begin_payment(who, amount, items).await?;
        let code = self.code(who, begun.id).await?;
        let paid = self.authorize(who, begun.id, &code).await?;
        if paid.state == PaymentState::Approved {
            self.told_of_charge(who, &paid).await?;
        }
        Ok(paid)
    }

    /// The phone hears of the charge.
    pub(super) async fn told_of_charge(&mut self, who: Who, paid: &Payment) -> Result<(), CliError> {
        let wanted = paid.id.to_string();
        let payer = self.payer(who);
        let purchase = payer
            .feed
            .find(TOLD_WITHIN, |event| match &event.kind {
                Some(Kind::Charge(charge)) => charge.purchase.clone().filter(|purchase| purchase.payment_id == wanted),
                _ => None,
            })
            .await?;
        payer.expected_minor -= paid.amount.minor;
        let phone = payer.phone();
        let (amount, bank, masked) = (yuan(paid.amount), spoken(&purchase.bank_id), purchase.account_masked);
        self.timeline.say(&Actor::hub(), &phone, &format!("{amount} was charged to {bank} {masked}"));
        Ok(())
    }

    /// The phone hears that money came back.
    pub(super) async fn told_of_return(
        &mut self,
        who: Who,
        original: PaymentId,
        amount: Money,
    ) -> Result<(), CliError> {
        let wanted = original.to_string();
        let payer = self.payer(who);
        let came_back = |back: &proto::cardholder::GiveBack| {
            back.payment_id == wanted && back.amount.as_ref().is_some_and(|back| back.minor_units == amount.minor)
        };
        payer
            .feed
            .find(TOLD_WITHIN, |event| match &event.kind {
                Some(Kind::GiveBack(back)) if came_back(back) => Some(()),
                _ => None,
            })
            .await?;
        payer.expected_minor += amount.minor;
        let phone = payer.phone();
        self.timeline.say(&Actor::hub(), &phone, &format!("{} came back to you", yuan(amount)));
        Ok(())
    }

    /// What the hub's answer says, in a sentence.
    pub(super) fn sentence(&self, payment: &Payment) -> String {
        let why = payment.refusal.as_ref().map(|refusal| refusal.message_en.clone()).unwrap_or_default();
        match payment.state {
            PaymentState::Approved => {
                let (bank, masked) = (spoken(&payment.bank_id), &payment.account_masked);
                format!("{} by {bank} {masked}", self.timeline.good("approved"))
            }
            PaymentState::AwaitingCode if payment.refusal.is_some() => {
                format!("{} {} tries are left", self.timeline.bad(&why), payment.attempts_left)
            }
            PaymentState::AwaitingCode => "waiting for the code".to_owned(),
            PaymentState::Pending => "the bank has not answered yet; ask again".to_owned(),
            PaymentState::Declined => format!("{}: {why}", self.timeline.bad("declined")),
            PaymentState::Reversed => self.timeline.good("reversed"),
            PaymentState::Authorised => self.timeline.good("reserved"),
        }
    }

    /// Notes whether a scene came out as it should.
    pub(super) fn expect(&mut self, name: &str, payment: &Payment, state: PaymentState, reason: Option<Reason>) {
        let found = (payment.state, payment.reason());
        let reason_of =
            |reason: Option<Reason>| reason.map(|reason| format!(", {}", reason.code())).unwrap_or_default();
        let detail = format!("{}{}", found.0, reason_of(found.1));
        let check = if found == (state, reason) {
            Check::new(name, Verdict::Good, detail)
        } else {
            Check::new(name, Verdict::Bad, format!("{detail}, where {state}{} is right", reason_of(reason)))
        };
        self.checks.push(check);
    }
}

fn options(folder: &Path, log_filter: &str) -> Result<TrialOptions, CliError> {
    let mut options = TrialOptions::in_folder(folder)?;
    options.log_filter = log_filter.to_owned();
    let ttl = format!("{}s", CODE_TTL.as_secs());
    // A day passes in half a minute, so that codes end sooner and more of them may be sent.
    let hub = ServerOptions::named("hub-1")
        .with("payments.code_ttl", &ttl)
        .with("payments.sends_per_minute", "60")
        .with("payments.sends_per_ten_minutes", "60")
        .with("payments.sends_per_day", "60")
        .with("payments.head_start", "2s")
        .with("offers.look_every", "200ms");
    options.hubs = vec![hub];
    options.banks = vec![
        ServerOptions::named("bank-a").issuing(super::cards::BIN),
        ServerOptions::named("bank-b").issuing(super::credit::BIN_B),
    ];
    options.pin_pads = [BOOKS.terminal, MACHINE.terminal].map(str::to_owned).to_vec();
    Ok(options)
}

const NOODLES: Shop<'static> = Shop {
    merchant: "noodle-house",
    name: "Noodle House",
    category: "5812",
    terminal: "till-1",
    place: "12 Fuxing Road",
    location: Some((31.2165, 121.4365)),
};

const BOOKS: Shop<'static> = Shop {
    merchant: "corner-bookshop",
    name: "Corner Bookshop",
    category: "5942",
    terminal: "till-2",
    place: "3 Shaoxing Road",
    location: Some((31.2113, 121.4632)),
};

const MACHINE: Shop<'static> = Shop {
    merchant: "bank-a-machines",
    name: "Bank A Cash Machines",
    category: "6011",
    terminal: "machine-1",
    place: "8 Fuxing Road",
    location: Some((31.2168, 121.4371)),
};

const DUMPLINGS: Shop<'static> = Shop {
    merchant: "dumpling-house",
    name: "Dumpling House",
    category: "5812",
    terminal: "till-3",
    place: "40 Gao'an Road",
    location: Some((31.2140, 121.4402)),
};

const LIN: NewPerson<'static> = NewPerson {
    name: "Lin Mei",
    phone: "+8613800138001",
    bank: "bank-a",
    balance_minor: 50_000,
    currency: Currency::CNY,
    password: "271828",
};

const CHEN: NewPerson<'static> = NewPerson {
    name: "Chen Bo",
    phone: "+8613900139002",
    bank: "bank-b",
    balance_minor: 20_000,
    currency: Currency::CNY,
    password: "314159",
};

async fn open_shop(
    federation: &Federation,
    timeline: &Timeline,
    shop: &Shop<'static>,
    name: &'static str,
) -> Result<Till, CliError> {
    federation.shop(shop).await?;
    let (hub, place) = (Actor::hub(), shop.place);
    timeline.say(&Actor::operator(), &hub, &format!("{name}, {place}, takes payments with terminal {}", shop.terminal));
    Ok(Till { shop: name, terminal: federation.terminal(shop.terminal)? })
}

async fn sign_up(federation: &Federation, timeline: &Timeline, new: &NewPerson<'static>) -> Result<Payer, CliError> {
    let person = federation.person(new).await?;
    let (bank, balance) = (Actor::bank(&spoken(new.bank)), yuan(cny(new.balance_minor)));
    let (masked, number) = (&person.account_masked, person.phone.masked());
    timeline.say(&Actor::operator(), &bank, &format!("open an account for {}, and {balance} in cash", new.name));
    timeline.say(&Actor::operator(), &Actor::hub(), &format!("{number} pays with {} {masked}", spoken(new.bank)));
    let phone = Actor::phone(new.name);
    timeline.say(&phone, &Actor::hub(), "my key, my enrolment code, and a transaction password of my choice");
    let feed = person.device.follow(0);
    let accounts = vec![(bank_id(new.bank)?, person.account)];
    Ok(Payer { person, feed, accounts, expected_minor: new.balance_minor })
}
