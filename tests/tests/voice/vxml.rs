//! A voice gateway that gets VoiceXML documents over HTTP.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::front::{SECRET, TestFront, with_gateway};

/// The gateway's side: it reads what a document has it submit.
struct Gateway {
    address: SocketAddr,
    caller: &'static str,
    document: String,
}

async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

async fn post_with(address: SocketAddr, path: &str, secret: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\nx-bankhub-gateway: {secret}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    ask(address, &request).await
}

async fn get(address: SocketAddr, path: &str, secret: &str) -> (u16, String) {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\nx-bankhub-gateway: {secret}\r\n\r\n");
    ask(address, &request).await
}

impl Gateway {
    async fn begin(address: SocketAddr, caller: &'static str) -> Self {
        let (status, entry) = get(address, "/bankhub.vxml", SECRET).await;
        assert_eq!(status, 200);
        assert!(entry.contains("<submit next=\"/calls\" method=\"post\" namelist=\"caller\"/>"), "{entry}");
        let (status, document) = post_with(address, "/calls", SECRET, &format!("caller={caller}")).await;
        assert_eq!(status, 200);
        Self { address, caller, document }
    }

    fn value(&self, name: &str) -> String {
        let start = format!("<var name=\"{name}\" expr=\"");
        let rest = self.document.split_once(&start).unwrap_or_else(|| panic!("no {name}: {}", self.document)).1;
        rest.split('"').next().unwrap().trim_matches('\'').to_owned()
    }

    fn form(&self, heard: &str, keys: &str) -> String {
        let (call, step) = (self.value("call"), self.value("step"));
        format!("call={call}&step={step}&caller={}&heard={heard}&keys={keys}", self.caller)
    }

    async fn submit(&mut self, heard: &str, keys: &str) {
        let (status, document) = post_with(self.address, "/calls/next", SECRET, &self.form(heard, keys)).await;
        assert_eq!(status, 200);
        self.document = document;
    }

    async fn press(&mut self, keys: &str) {
        self.submit("keys", keys).await;
    }
}

const CALLER: &str = "tel:%2B8613800138000";

#[tokio::test]
async fn f2_a_caller_freezes_over_voicexml_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let front = TestFront::start(&with_gateway(folder.path())).await;
    for (language, wanted) in [("2", "two of three banks have confirmed it"), ("1", "三家银行中两家已确认")] {
        let mut gateway = Gateway::begin(front.voice.vxml_addr.unwrap(), CALLER).await;
        gateway.press(language).await;
        gateway.press("1").await;
        // Keys may come with spaces between them.
        gateway.press("2+7+1+8+2+8").await;
        assert!(gateway.document.contains(wanted), "{}", gateway.document);
        gateway.submit("hangup", "").await;
        assert!(gateway.document.contains("<disconnect/>"), "{}", gateway.document);
    }
    assert_eq!(front.desk.asked(), ["freeze", "freeze"]);
    front.stop().await;
}

#[tokio::test]
async fn f2_a_step_that_is_submitted_again_gets_its_answer_again_and_nothing_is_done_twice() {
    let folder = tempfile::tempdir().unwrap();
    let front = TestFront::start(&with_gateway(folder.path())).await;
    let mut gateway = Gateway::begin(front.voice.vxml_addr.unwrap(), CALLER).await;
    gateway.press("2").await;
    let old = gateway.form("keys", "1");
    gateway.press("1").await;
    let form = gateway.form("keys", "271828");
    gateway.press("271828").await;
    let submit =
        |form: String| async move { post_with(front.voice.vxml_addr.unwrap(), "/calls/next", SECRET, &form).await };
    assert_eq!(submit(form).await, (200, gateway.document.clone()));
    assert_eq!(submit(old).await.0, 409, "a step of before");
    assert_eq!(front.desk.asked(), ["freeze"]);
}

#[tokio::test]
async fn f2_a_token_is_of_no_use_without_the_gateways_secret_and_the_callers_number() {
    let folder = tempfile::tempdir().unwrap();
    let front = TestFront::start(&with_gateway(folder.path())).await;
    let address = front.voice.vxml_addr.unwrap();
    let mut gateway = Gateway::begin(address, CALLER).await;
    let form = gateway.form("keys", "2");
    for secret in ["", "a-secret-of-the-gatewax", "a-secret-of-the-gateway2"] {
        assert_eq!(post_with(address, "/calls/next", secret, &form).await.0, 403, "{secret}");
        assert_eq!(get(address, "/bankhub.vxml", secret).await.0, 403, "{secret}");
    }
    let of_another = form.replace("8613800138000", "8613911112222");
    assert_eq!(post_with(address, "/calls/next", SECRET, &of_another).await.0, 403);
    let call = gateway.value("call");
    assert!(call.len() == 32 && call.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let guessed = form.replace(&call, &"0".repeat(32));
    assert_eq!(post_with(address, "/calls/next", SECRET, &guessed).await.0, 410);
    gateway.press("2").await;
    assert!(gateway.document.contains("press one"), "the call itself goes on");
    front.stop().await;
}

#[tokio::test]
async fn f2_nothing_of_a_call_is_taken_from_an_address_and_what_is_no_form_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let front = TestFront::start(&with_gateway(folder.path())).await;
    let address = front.voice.vxml_addr.unwrap();
    let gateway = Gateway::begin(address, CALLER).await;
    let form = gateway.form("keys", "2");
    for (path, status) in [
        (format!("/calls/next?{form}"), 400),
        ("/calls?caller=tel:+8613800138000".to_owned(), 400),
        ("/calls/next".to_owned(), 405),
        ("/calls".to_owned(), 405),
        ("/../etc/passwd".to_owned(), 404),
        ("/".to_owned(), 404),
    ] {
        assert_eq!(get(address, &path, SECRET).await.0, status, "{path}");
    }
    assert_eq!(post_with(address, &format!("/calls/next?{form}"), SECRET, &form).await.0, 400);
    let long = format!("{form}&x={}", "7".repeat(100_000));
    for (body, status) in [
        (String::new(), 400),
        ("%".to_owned(), 400),
        (form.replace("&step=1", "&step=one"), 400),
        (form.replace("heard=keys", "heard=voices"), 400),
        (format!("{form}&call=0"), 400),
        (form.replace("&step=1", "&step=7"), 409),
        (long, 413),
    ] {
        assert_eq!(post_with(address, "/calls/next", SECRET, &body).await.0, status, "{}", &body[..body.len().min(80)]);
    }
    let unshown = post_with(address, "/calls", SECRET, "caller=sip:anonymous%40anonymous.invalid").await;
    assert!(unshown.0 == 200 && unshown.1.contains("with your number shown"), "{unshown:?}");
    assert!(front.desk.asked().is_empty());
    front.stop().await;
}

#[tokio::test]
async fn f2_three_errors_end_a_call_over_voicexml_and_its_token_opens_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let front = TestFront::start(&with_gateway(folder.path())).await;
    let address = front.voice.vxml_addr.unwrap();
    let mut gateway = Gateway::begin(address, CALLER).await;
    gateway.press("2").await;
    gateway.submit("silence", "").await;
    gateway.press("9").await;
    let form = gateway.form("keys", &"7".repeat(2_000));
    let last = post_with(address, "/calls/next", SECRET, &form).await;
    assert!(last.0 == 200 && last.1.contains("Goodbye.") && last.1.contains("<disconnect/>"), "{last:?}");
    let step: u32 = gateway.value("step").parse().unwrap();
    let after = form.replace(&format!("step={step}"), &format!("step={}", step + 1));
    assert_eq!(post_with(address, "/calls/next", SECRET, &after).await.0, 409);
    front.stop().await;
}
