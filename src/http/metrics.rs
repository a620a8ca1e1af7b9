//! The page with the router's numbers, for programs that collect them.

use http::{Method, StatusCode};

use super::{Head, Refusal, Request, method_not_allowed, response};

/// The path of the page.
pub const METRICS_PATH: &str = "/metrics";

/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers the request at the front of `input`, or returns `None` while its head, which may have `head_bytes_max` bytes, is not whole.
/// `text` are the numbers, if they can be had.
pub fn metrics(
    input: &[u8],
    head_bytes_max: usize,
    text: impl FnOnce() -> Option<String>,
) -> Option<Vec<u8>> {
    match Head::parse(input, head_bytes_max) {
        Head::Incomplete => None,
        Head::Bad(refusal) => Some(refusal.response()),
        Head::Complete { request, .. } => {
            Some(page(&request, text).unwrap_or_else(|refusal| refusal.response_to(&request)))
        }
    }
}

fn page(request: &Request<'_>, text: impl FnOnce() -> Option<String>) -> Result<Vec<u8>, Refusal> {
    if request.path() != METRICS_PATH {
        let text = format!("Nothing is here. The metrics are at {METRICS_PATH}.");
        return Err(Refusal::new(StatusCode::NOT_FOUND, text));
    }
    let with_body = request.method() == Method::GET;
    if !with_body && request.method() != Method::HEAD {
        return Err(method_not_allowed("GET, HEAD"));
    }
    let no_text =
        || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "The router does not run, or is too busy.");
    Ok(response::text(CONTENT_TYPE, &text().ok_or_else(no_text)?, with_body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: &str) -> Option<String> {
        let response = metrics(request.as_bytes(), 100, || Some("a 1\n".to_owned()))?;
        Some(String::from_utf8(response).expect("text"))
    }

    #[track_caller]
    fn answers(request: &str, begin: &str, end: &str) {
        let answer = ask(request).expect("a whole head");
        assert!(answer.starts_with(begin) && answer.ends_with(end), "{answer}");
    }

    #[test]
    fn the_page() {
        let get = "GET /metrics?x HTTP/1.1\r\nHost: x\r\n\r\n";
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 4\r\n\
                    Connection: close\r\n";
        answers(get, head, "\r\n\r\na 1\n");
        answers("HEAD /metrics HTTP/1.0\r\n\r\n", head, "\r\n\r\n");
        assert!((0..get.len()).all(|end| ask(&get[..end]).is_none()), "it waits for the whole head");
    }

    #[test]
    fn what_is_refused() {
        answers("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", "at /metrics.\n");
        answers("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", "\r\n\r\n");
        answers("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ", "GET, HEAD only.\n");
        answers("GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", "\n");
        answers(&format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(100)), "HTTP/1.1 431 ", "\n");
        let down = metrics(b"GET /metrics HTTP/1.0\r\n\r\n", 100, || None).expect("a whole head");
        assert!(down.starts_with(b"HTTP/1.1 503 "));
    }
}
