//! The shapes of three vendors: what is asked of each, and what its answers mean.

use std::time::Duration;

use http::{Method, Request};
use hyper::body::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::channel::{PushTarget, SendError, Sent, Vendor};
use super::PushOptions;
use super::http::{Answer, Body};

/// How long a service is left alone that says it is too busy without saying how long.
const BUSY: Duration = Duration::from_secs(10);
const LONGEST_BUSY: Duration = Duration::from_secs(15 * 60);

/// What is asked of a vendor: to hand an id to a phone. None when the phone's token cannot be one.
pub(super) fn request(options: &PushOptions, id: Uuid, target: &PushTarget, bearer: &str) -> Option<Request<Body>> {
    let PushOptions { endpoint, app, .. } = options;
    let id = id.to_string();
    let (base, token) = (endpoint.trim_end_matches('/'), &target.token);
    let builder = Request::builder()
        .method(Method::POST)
        .header(http::header::AUTHORIZATION, format!("Bearer {bearer}"))
        .header(http::header::CONTENT_TYPE, "application/json");
    let (builder, body) = match target.vendor {
        // HTTP v1: projects.messages.send.
        Vendor::Fcm => (
            builder.uri(format!("{base}/v1/projects/{app}/messages:send")),
            json!({ "message": { "token": token, "data": { "id": id }, "android": { "priority": "HIGH" } } }),
        ),
        // The words on the screen are the app's own; the service extension fetches the rest by the id.
        Vendor::Apns => {
            if !token.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            let builder = builder
                .uri(format!("{base}/3/device/{token}"))
                .header("apns-id", &id)
                .header("apns-topic", app)
                .header("apns-push-type", "alert");
            (builder, json!({ "aps": { "alert": { "loc-key": "NOTICE" }, "mutable-content": 1 }, "id": id }))
        }
        // Push Kit v2: the data is a text.
        Vendor::Hms => (
            builder.uri(format!("{base}/v2/{app}/messages:send")),
            json!({ "message": { "data": json!({ "id": id }).to_string(), "token": [token] } }),
        ),
    };
    builder.body(Body::new(Bytes::from(body.to_string()))).ok()
}

/// Whether an answer says that the token is not good, or not any more.
pub(super) fn doubts_token(vendor: Vendor, answer: &Answer) -> bool {
    match (vendor, answer.status) {
        (_, 401) => true,
        // ExpiredProviderToken, InvalidProviderToken, MissingProviderToken; another 403 is about the topic or the certificate.
        (Vendor::Apns, 403) => reason(&answer.body).is_some_and(|reason| reason.ends_with("ProviderToken")),
        (Vendor::Hms, _) => matches!(hms_code(&answer.body).as_deref(), Some("80200001" | "80200003")),
        _ => false,
    }
}

/// What an answer means for the notice.
pub(super) fn meaning(vendor: Vendor, answer: &Answer) -> Result<Sent, SendError> {
    let code = format!("HTTP_{}", answer.status);
    match answer.status {
        200 if vendor == Vendor::Hms => of_hms(&answer.body),
        200 => Ok(Sent::default()),
        404 | 410 => Err(SendError::Gone { code }),
        400 if vendor == Vendor::Apns && reason(&answer.body).as_deref() == Some("BadDeviceToken") => {
            Err(SendError::Gone { code })
        }
        // The hub is not known there: whoever keeps the token has to act, and the notice is not to blame.
        401 | 403 => Err(SendError::Away { code }),
        429 => Err(SendError::Later { code, pause: answer.retry_after.unwrap_or(BUSY).min(LONGEST_BUSY) }),
        500.. => Err(SendError::Later { code, pause: answer.retry_after.unwrap_or_default().min(LONGEST_BUSY) }),
        _ => Err(SendError::Refused { code }),
    }
}

fn reason(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("reason")?.as_str().map(str::to_owned)
}

/// Push Kit says in the body what became of it.
fn of_hms(body: &[u8]) -> Result<Sent, SendError> {
    let said = hms_code(body).unwrap_or_default();
    let is_code = said.len() == 8 && said.bytes().all(|b| b.is_ascii_digit());
    let code = if is_code { format!("HMS_{said}") } else { "HMS_UNREADABLE".to_owned() };
    match said.as_str() {
        "80000000" => Ok(Sent::default()),
        "80300007" => Err(SendError::Gone { code }),
        // Authentication; the token has expired.
        "80200001" | "80200003" => Err(SendError::Away { code }),
        // Flow control, a fault inside.
        "80300010" | "81000001" => Err(SendError::Later { code, pause: BUSY }),
        _ if is_code => Err(SendError::Refused { code }),
        _ => Err(SendError::Unknown { code }),
    }
}

fn hms_code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("code")?.as_str().map(str::to_owned)
}
