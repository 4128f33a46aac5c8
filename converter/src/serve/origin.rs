//! Which pages may open streams (and, by [`super::cors`], read answers). A browser lets any page open a WebSocket to any server, so the server has to look at
//! the `Origin` that the browser names; programs name none and are let in.

use axum::http::{HeaderMap, Uri, header, uri::Authority};

use super::{problem::Failure, upload::short};

/// Refuses a request that a page of a foreign origin made. `allowed` are further origins; `*` is every one.
pub(super) fn check(headers: &HeaderMap, allowed: &[String]) -> Result<(), Failure> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default().trim();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_listed(origin, allowed) || same(origin, host) { Ok(()) } else { Err(Failure::Origin(short(origin))) }
}

/// Whether the list names this origin.
pub(super) fn is_listed(origin: &str, allowed: &[String]) -> bool {
    allowed
        .iter()
        .map(|entry| entry.trim().trim_end_matches('/'))
        .any(|entry| entry == "*" || (!entry.is_empty() && entry.eq_ignore_ascii_case(origin)))
}

/// Whether the page came from the host that the request went to. The scheme cannot be compared: behind a proxy that ends
/// TLS the server does not see it.
fn same(origin: &str, host: &str) -> bool {
    let (Ok(origin), Ok(host)) = (origin.parse::<Uri>(), host.parse::<Authority>()) else { return false };
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let Some(authority) = origin.authority() else { return false };
    authority.host().eq_ignore_ascii_case(host.host())
        && authority.port_u16().unwrap_or(default_port) == host.port_u16().unwrap_or(default_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn allowed(origin: Option<&str>, host: &str, list: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        let list: Vec<String> = list.iter().map(|&entry| entry.to_owned()).collect();
        check(&headers, &list).is_ok()
    }

    #[test]
    fn own_pages_and_programs_are_let_in() {
        assert!(allowed(None, "flac.example", &[]));
        assert!(allowed(Some("https://flac.example"), "flac.example", &[]));
        assert!(allowed(Some("https://FLAC.example"), "flac.example:443", &[]));
        assert!(allowed(Some("http://localhost:8080"), "localhost:8080", &[]));
        assert!(allowed(Some("http://[::1]:8080"), "[::1]:8080", &[]));
    }

    #[test]
    fn foreign_pages_are_not() {
        for origin in [
            "https://evil.example",
            "http://flac.example.evil.example",
            "https://flac.example:8443",
            "http://flac.example@evil.example",
            "null",
            "",
            "file://",
            "ftp://flac.example",
        ] {
            assert!(!allowed(Some(origin), "flac.example", &[]), "{origin}");
        }
    }

    #[test]
    fn the_list_adds_to_the_own_origin() {
        let list = ["https://studio.example/", " http://localhost:5173"];
        assert!(allowed(Some("https://studio.example"), "flac.example", &list));
        assert!(allowed(Some("http://localhost:5173"), "flac.example", &list));
        assert!(allowed(Some("https://flac.example"), "flac.example", &list));
        assert!(!allowed(Some("http://studio.example"), "flac.example", &list));
        assert!(allowed(Some("null"), "flac.example", &["*"]));
    }
}
