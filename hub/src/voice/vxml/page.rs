//! What is answered over HTTP.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{HeaderMap, Response, StatusCode, header};

/// A document, or a refusal without a word about why: the other side is a machine.
#[derive(Debug)]
pub(super) struct Page {
    status: StatusCode,
    document: String,
}

impl Page {
    pub(super) fn document(document: String) -> Self {
        Self { status: StatusCode::OK, document }
    }

    pub(super) fn refused(status: StatusCode) -> Self {
        Self { status, document: String::new() }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut headers = HeaderMap::new();
        if self.status == StatusCode::OK {
            headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/voicexml+xml"));
        }
        // A document has the token of its call.
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        let mut response = Response::new(Full::new(Bytes::from(self.document)));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}
