//! Reading `multipart/form-data`: attachments are uploaded so.

use bytes::Bytes;

use crate::wire::Request;

/// One part of a form.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) content: Bytes,
}

/// The parts of a request's body; `None` when it is no multipart form.
pub(crate) fn parts(request: &Request) -> Option<Vec<Part>> {
    let content_type = request.content_type();
    if !content_type.starts_with("multipart/form-data") {
        return None;
    }
    let boundary = parameter(content_type, "boundary")?;
    let delimiter = format!("--{boundary}");
    let body = &request.body;
    let mut out = Vec::new();
    let mut at = find(body, delimiter.as_bytes(), 0)? + delimiter.len();
    while body.get(at..at + 2) == Some(b"\r\n") {
        let head_end = find(body, b"\r\n\r\n", at)?;
        let end = find(body, format!("\r\n{delimiter}").as_bytes(), head_end)?;
        let head = String::from_utf8_lossy(&body[at..head_end]).into_owned();
        let content = body.slice((head_end + 4).min(end)..end);
        let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition"));
        if let Some(line) = disposition {
            let name = parameter(line, "name").unwrap_or_default();
            out.push(Part { name, file_name: parameter(line, "filename"), content });
        }
        at = end + 2 + delimiter.len();
    }
    Some(out)
}

/// A parameter of a header value, quoted or not.
fn parameter(line: &str, name: &str) -> Option<String> {
    let parts = line.split(';').skip(1);
    let value = parts.map(str::trim).find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    body.get(from..)?.windows(wanted.len()).position(|window| window == wanted).map(|at| at + from)
}
