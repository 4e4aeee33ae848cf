//! People who repay a card at one bank from an account at another.

use bankhub::phone::SignedRepayment;
use domain::payment::Instrument;
use domain::repayment::{End, Form};
use domain::{AccountId, BankId, Currency, Money, PaymentId, Timestamp};
use proto::cardholder as pb;
use proto::common::Nature;
use proto::terminal::PaymentState;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};

use crate::cards::{Holder, PIN};
use crate::wait::until;
use crate::world::World;

/// A person with an account at bank-a and a card at bank-b on which something is owed.
#[derive(Debug)]
pub struct Debtor {
    pub holder: Holder,
    pub account: AccountId,
    /// What the account has, and what is left on the credit side of the card, as it begins.
    pub begun: (i64, i64),
}

impl Debtor {
    fn end(bank: &str, instrument: Instrument) -> End {
        End { bank_id: BankId::parse(bank).unwrap(), instrument }
    }

    /// So much from the account to the card, signed now.
    pub fn form(&self, minor: i64) -> Form {
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        Form {
            id: PaymentId::from_uuid(ids.uuid().unwrap()),
            from: Self::end("bank-a", Instrument::Account(self.account)),
            to: Self::end("bank-b", Instrument::Card(self.holder.card.id)),
            amount: Money::new(Currency::CNY, minor),
            signed_at: Timestamp::from_secs(SystemClock.now().micros() / 1_000_000),
        }
    }

    pub fn sign(&self, form: &Form) -> SignedRepayment {
        self.holder.device.sign_repayment(form).unwrap()
    }

    /// Sends it until its answer is final, as a phone does that is cut off again and again.
    pub async fn insist(&self, signed: &SignedRepayment) -> pb::Repayment {
        let call = async || match self.holder.device.create_repayment(signed).await {
            Ok(repayment) if repayment.state() != pb::RepaymentState::Pending => Some(repayment),
            Ok(_) => None,
            Err(error) => {
                let reason = error.reason();
                assert!(
                    reason.is_none_or(|it| matches!(
                        it.class(),
                        domain::reason::Class::Away | domain::reason::Class::Fault | domain::reason::Class::Exhausted
                    )),
                    "refused for good: {error}"
                );
                None
            }
        };
        until("a final answer", World::HEALING, call).await
    }
}

impl World {
    /// What the account has, and what is left on the credit side of the card.
    pub async fn stands(&self, debtor: &Debtor) -> (i64, i64) {
        let available =
            async |bank: &str, id| self.counter(bank).await.account(id).await.unwrap().available.unwrap().minor_units;
        (available("bank-a", debtor.account).await, available("bank-b", debtor.holder.card.credit).await)
    }

    /// Waits until what was moved stands in both banks' books.
    pub async fn comes_to_stand(&self, debtor: &Debtor, moved_minor: i64) {
        let (account, credit) = debtor.begun;
        let wanted = (account - moved_minor, credit + moved_minor);
        let same = async || (self.stands(debtor).await == wanted).then_some(());
        until(&format!("{wanted:?} in the books"), Self::HEALING, same).await;
    }

    /// Somebody with so much at bank-a who owes so much on a card of bank-b whose limit is 1,000.00.
    pub async fn debtor(&self, balance_minor: i64, owed_minor: i64) -> Debtor {
        let holder = self.holder(1, "bank-b", 0, 100_000).await;
        if owed_minor > 0 {
            let card = holder.read(&self.pad("till-1"), Some(PIN));
            let bought = self.till("till-1").with_card(&card, Nature::Purchase, owed_minor).await;
            assert_eq!(bought.state(), PaymentState::Approved, "{bought:?}");
            let left = async || (self.left(&holder).await.1 == 100_000 - owed_minor).then_some(());
            until("the purchase in the books", Self::HEALING, left).await;
        }
        let counter = self.counter("bank-a").await;
        let opened = counter.open_account("Li Na", Currency::CNY, 0).await.unwrap();
        let account = AccountId::parse(&opened.account_id).unwrap();
        counter.deposit(account, Money::new(Currency::CNY, balance_minor)).await.unwrap();
        let bank = BankId::parse("bank-a").unwrap();
        self.federation.operator().unwrap().bind_account(holder.person, &bank, account, false).await.unwrap();
        Debtor { holder, account, begun: (balance_minor, 100_000 - owed_minor) }
    }
}
