//! A terminal as its developer's first program would be: bare calls, each answer looked at. The real one is in `bankhub`.

use std::time::Duration;

use domain::reason::Class;
use proto::common::Money;
use proto::terminal::terminal_service_client::TerminalServiceClient;
use proto::terminal::*;
use secrecy::ExposeSecret as _;
use server_kit::clock::{Stopwatch, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::answers::{Answers, Asked, is_final};
use crate::payer::Payer;
use crate::wait::until;

/// How long a payment may take in all, killed servers included.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// A terminal. Clones are the same terminal.
#[derive(Clone, Debug)]
pub struct Till {
    pub client: TerminalServiceClient<Channel>,
    answers: Answers,
    ids: IdMaker,
}

/// So much of the yuan's hundredth.
pub fn fen(minor_units: i64) -> Money {
    Money { currency_code: "CNY".to_owned(), minor_units }
}

fn bounded<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL);
    request
}

/// The answer of one call; a server that hangs is a server that is away.
pub(crate) async fn within<T>(call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer")),
    }
}

/// Whether the same call again may pass.
pub fn passes_later(status: &Status) -> bool {
    match proto::reason_of(status) {
        Some(reason) => matches!(reason.class(), Class::Away | Class::Fault | Class::Exhausted),
        None => matches!(
            status.code(),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded | Code::Internal
        ),
    }
}

impl Till {
    pub fn new(channel: Channel, answers: Answers) -> Self {
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        Self { client: TerminalServiceClient::new(channel), answers, ids }
    }

    pub fn new_id(&self) -> String {
        self.ids.uuid().unwrap().to_string()
    }

    pub(crate) fn asking(&self, id: &str) -> Asked {
        self.answers.asking(id)
    }

    pub(crate) fn noted(&self, asked: Asked, payment: Option<Payment>) -> Payment {
        let payment = payment.unwrap();
        self.answers.note(asked, &payment);
        payment
    }

    pub async fn create(&self, id: &str, payer: &Payer, amount: Money) -> Result<Payment, Status> {
        self.create_for(id, payer.number(), amount).await
    }

    /// The same for somebody who has no phone here.
    pub async fn create_for(&self, id: &str, number: &str, amount: Money) -> Result<Payment, Status> {
        let request = CreatePaymentRequest {
            payment_id: id.to_owned(),
            payer: Some(create_payment_request::Payer::PhoneNumber(number.to_owned())),
            amount: Some(amount),
            ..CreatePaymentRequest::default()
        };
        let asked = self.answers.asking(id);
        let answer = within(self.client.clone().create_payment(bounded(request))).await?;
        Ok(self.noted(asked, answer.payment))
    }

    pub async fn top_up(&self, id: &str, number: &str, amount: Money) -> Result<Payment, Status> {
        let request = CreateTopUpRequest {
            payment_id: id.to_owned(),
            phone_number: number.to_owned(),
            amount: Some(amount),
            merchant_reference: String::new(),
        };
        let asked = self.answers.asking(id);
        let answer = within(self.client.clone().create_top_up(bounded(request))).await?;
        Ok(self.noted(asked, answer.payment))
    }

    /// Cash paid in, whatever happens to the servers meanwhile.
    pub async fn pay_in(&self, payer: &Payer, amount: Money) -> Payment {
        let id = self.new_id();
        self.insist(async |till| till.top_up(&id, payer.number(), amount.clone()).await).await;
        self.outcome(&id).await
    }

    pub async fn authorize(&self, id: &str, attempt: &str, code: &str, password: &str) -> Result<Payment, Status> {
        let request = AuthorizePaymentRequest {
            payment_id: id.to_owned(),
            attempt_id: attempt.to_owned(),
            code: code.to_owned(),
            transaction_password: password.to_owned(),
        };
        let asked = self.answers.asking(id);
        let answer = within(self.client.clone().authorize_payment(bounded(request))).await?;
        Ok(self.noted(asked, answer.payment))
    }

    pub async fn get(&self, id: &str) -> Result<Payment, Status> {
        let request = GetPaymentRequest { payment_id: id.to_owned() };
        let asked = self.answers.asking(id);
        let answer = within(self.client.clone().get_payment(bounded(request))).await?;
        Ok(self.noted(asked, answer.payment))
    }

    pub async fn cancel(&self, id: &str) -> Result<Payment, Status> {
        let request = CancelPaymentRequest { payment_id: id.to_owned() };
        let asked = self.answers.asking(id);
        let answer = within(self.client.clone().cancel_payment(bounded(request))).await?;
        Ok(self.noted(asked, answer.payment))
    }

    pub async fn reverse(&self, id: &str, amount: Money) -> Result<Payment, Status> {
        let request = ReversePaymentRequest { payment_id: id.to_owned(), amount: Some(amount) };
        let asked = self.answers.asking(id);
        let answer = within(self.client.clone().reverse_payment(bounded(request))).await?;
        Ok(self.noted(asked, answer.payment))
    }

    pub async fn refund(&self, refund: &str, payment: &str, amount: Money) -> Result<Payment, Status> {
        let request =
            RefundPaymentRequest { refund_id: refund.to_owned(), payment_id: payment.to_owned(), amount: Some(amount) };
        let asked = self.answers.asking(refund);
        let answer = within(self.client.clone().refund_payment(bounded(request))).await?;
        Ok(self.noted(asked, answer.refund))
    }

    /// Makes the same call until it is answered, as a terminal does that does not know what became of it.
    pub async fn insist<T>(&self, mut call: impl AsyncFnMut(&Self) -> Result<T, Status>) -> T {
        let watch = Stopwatch::start();
        loop {
            match call(self).await {
                Ok(answer) => return answer,
                Err(status) if passes_later(&status) && watch.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                Err(status) => panic!("the hub says {status:?} ({:?})", proto::reason_of(&status)),
            }
        }
    }

    /// Asks until the payment has a final answer.
    pub async fn outcome(&self, id: &str) -> Payment {
        let ask = async || self.get(id).await.ok().filter(|payment| is_final(payment.state()));
        until(&format!("the outcome of {id}"), PATIENCE, ask).await
    }

    /// Gives a part of a payment back, and waits for how that ends: a bank that is slow to answer has it pending meanwhile.
    pub async fn give_back(&self, payment: &str, amount: Money) -> Payment {
        let refund = self.new_id();
        self.insist(async |till| till.refund(&refund, payment, amount.clone()).await).await;
        self.outcome(&refund).await
    }

    /// Takes a payment back, and asks until it is.
    pub async fn take_back(&self, payment: &str, amount: Money) -> Payment {
        let ask = async || {
            let told = self.insist(async |till| till.reverse(payment, amount.clone()).await).await;
            Some(told).filter(|it| matches!(it.state(), PaymentState::Reversed | PaymentState::Declined))
        };
        until(&format!("{payment} to be taken back"), PATIENCE, ask).await
    }

    /// Begins a payment and gives its id and the code from the phone.
    pub async fn begin(&self, payer: &Payer, amount: Money) -> (String, String) {
        let id = self.new_id();
        let payment = self.insist(async |till| till.create(&id, payer, amount.clone()).await).await;
        assert_eq!(payment.state(), PaymentState::AwaitingCode, "{payment:?}");
        let code = payer.code(&id).await;
        (id, code)
    }

    /// A whole payment, whatever happens to the servers meanwhile.
    pub async fn pay(&self, payer: &Payer, amount: Money) -> Payment {
        let (id, code) = self.begin(payer, amount).await;
        let attempt = self.new_id();
        let password = payer.person.password.expose_secret();
        self.insist(async |till| till.authorize(&id, &attempt, &code, password).await).await;
        self.outcome(&id).await
    }

    /// A payment that is approved.
    pub async fn sell(&self, payer: &Payer, amount: Money) -> String {
        let payment = self.pay(payer, amount).await;
        assert_eq!(payment.state(), PaymentState::Approved, "{payment:?}");
        payment.payment_id
    }
}
