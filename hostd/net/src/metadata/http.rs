//! As much of HTTP/1.1 as the metadata service needs: heads of requests in, whole answers out. Pure.

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Without query.
    pub(super) path: String,
    pub(super) keep_alive: bool,
    pub(super) body_length: usize,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Other,
}

/// Why a head is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads a head, up to its empty line.
pub(super) fn parse(head: &str) -> Result<Request, Malformed> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().ok_or(Malformed)?.split(' ');
    let (method, target, version) = (first.next(), first.next(), first.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, first.next()) else {
        return Err(Malformed);
    };
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        _ => Method::Other,
    };
    let mut request = Request { method, path: path(target)?, keep_alive: version == "HTTP/1.1", body_length: 0 };
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(Malformed)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("connection") {
            request.keep_alive = !value.eq_ignore_ascii_case("close") && request.keep_alive;
        } else if name.eq_ignore_ascii_case("content-length") {
            request.body_length = value.parse().map_err(|_| Malformed)?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Malformed);
        }
    }
    Ok(request)
}

fn path(target: &str) -> Result<String, Malformed> {
    // The absolute form is what proxies send.
    let target = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with('/') { Ok(path.to_owned()) } else { Err(Malformed) }
}

/// A whole answer; for HEAD without its body.
pub(super) fn answer(status: &str, media_type: &str, body: &[u8], request: Option<&Request>) -> Vec<u8> {
    let keep = request.is_some_and(|request| request.keep_alive);
    let connection = if keep { "keep-alive" } else { "close" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
        body.len()
    );
    let mut bytes = head.into_bytes();
    if request.is_none_or(|request| request.method != Method::Head) {
        bytes.extend(body);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read() {
        let request = parse("GET /latest/meta-data/?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n").unwrap();
        assert_eq!((request.method, request.path.as_str()), (Method::Get, "/latest/meta-data/"));
        assert!(request.keep_alive);
        assert_eq!(request.body_length, 3);
    }

    #[test]
    fn connections_are_closed_when_asked_or_old() {
        assert!(!parse("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").unwrap().keep_alive);
        assert!(!parse("GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
    }

    #[test]
    fn nonsense_is_refused() {
        for head in ["", "GET", "GET x HTTP/1.1", "GET / HTTP/1.1\r\nno colon", "GET / HTTP/1.1\r\nContent-Length: -1"]
        {
            assert_eq!(parse(head), Err(Malformed), "{head:?}");
        }
    }
}
