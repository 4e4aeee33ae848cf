//! The door: a request is bounded, read, and told apart from what other sites send, before anything is done about it.

use std::net::{IpAddr, Ipv6Addr};

use domain::Reason;
use domain::reason::Class;
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes};

use super::form::Fields;
use super::visit;

/// No form here is longer.
const MOST_BODY_BYTES: usize = 16 * 1024;

/// What is said to a request that is not let in, in English and in Chinese.
pub(crate) type NotLetIn = (StatusCode, &'static str, &'static str);

/// The form that a request brings; none for one that only looks. `takes` and `shows` say what its address does.
pub(crate) async fn form<B>(
    parts: &Parts,
    body: B,
    (shows, takes): (bool, bool),
    is_secure: bool,
) -> Result<Option<Fields>, NotLetIn>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match parts.method {
        Method::GET | Method::HEAD if shows => return Ok(None),
        Method::POST if takes => {}
        _ => {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "This address does not do that.", "此地址不支持该操作。"));
        }
    }
    if !visit::is_form(parts) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is no form.", "提交的不是表单。"));
    }
    if !visit::comes_from_here(parts, is_secure) {
        return Err((StatusCode::FORBIDDEN, "This form was sent by another site.", "该表单来自其他网站。"));
    }
    match Limited::new(body, MOST_BODY_BYTES).collect().await {
        Ok(bytes) => match Fields::read(&bytes.to_bytes()) {
            Ok(fields) => Ok(Some(fields)),
            Err(reason) => Err((status_of(reason), reason.english(), reason.chinese())),
        },
        Err(_) => Err((StatusCode::PAYLOAD_TOO_LARGE, "This form is too long.", "表单过长。")),
    }
}

/// The status under which a reason is told.
pub(crate) const fn status_of(reason: Reason) -> StatusCode {
    match reason.class() {
        Class::Invalid | Class::State | Class::Exists => StatusCode::UNPROCESSABLE_ENTITY,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::Denied | Class::Stranger => StatusCode::FORBIDDEN,
        Class::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        Class::Away => StatusCode::SERVICE_UNAVAILABLE,
        Class::Fault => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An address, as far as limits tell addresses apart: a subscriber has a /64 of IPv6 at least, and can change the rest at will.
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}
