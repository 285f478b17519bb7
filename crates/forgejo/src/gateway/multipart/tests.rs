use proptest::prelude::*;

use super::*;

const BOUNDARY: &str = "xYzZy123";

fn boundary() -> Boundary {
    Boundary::from_content_type(&format!("multipart/form-data; boundary={BOUNDARY}")).unwrap()
}

fn scan(body: &[u8], piece: usize) -> Result<Vec<u8>, MultipartError> {
    let mut scanner = Scanner::new(&boundary());
    let mut passed = Vec::new();
    for piece in body.chunks(piece) {
        passed.extend_from_slice(&scanner.push(piece)?);
    }
    passed.extend_from_slice(&scanner.finish()?);
    Ok(passed)
}

fn scan_all(body: &str) -> Result<(), MultipartError> {
    let whole = scan(body.as_bytes(), usize::MAX).map(|_| ());
    for piece in [1, 2, 3, 5, 64] {
        assert_eq!(scan(body.as_bytes(), piece).map(|_| ()), whole, "in pieces of {piece}");
    }
    whole
}

fn part(header: &str, content: &str) -> String {
    format!("--{BOUNDARY}\r\n{header}\r\n\r\n{content}\r\n")
}

fn with_header(header: &str) -> Result<(), MultipartError> {
    scan_all(&format!("{}--{BOUNDARY}--\r\n", part(header, "x")))
}

#[test]
fn plain_forms_pass_unchanged() {
    let body = format!(
        "{}{}{}--{BOUNDARY}--\r\n",
        part("Content-Disposition: form-data; name=\"title\"", "hello"),
        part(
            "content-disposition: form-data; name=file; filename=\"a;b \\\"q\\\".txt\"\r\nContent-Type: text/plain",
            "x\r\ny--z"
        ),
        part("Content-Disposition: form-data; name=\"attachment\"; filename*=utf-8''na%C3%AFve.txt", ""),
    );
    for piece in [1, 2, 3, 7, 4096] {
        assert_eq!(scan(body.as_bytes(), piece).unwrap(), body.as_bytes(), "in pieces of {piece}");
    }
    scan_all(&format!("--{BOUNDARY}--")).unwrap();
}

#[test]
fn identity_fields_are_refused_in_every_spelling() {
    for (header, field) in [
        ("Content-Disposition: form-data; name=\"token\"", "token"),
        ("content-disposition: form-data; name=\"sudo\"", "sudo"),
        ("Content-Disposition: form-data; name=access_token", "access_token"),
        ("Content-Disposition: form-data; NAME=\"Token\"", "token"),
        ("Content-Disposition:form-data;name=\"token\";filename=\"x\"", "token"),
        ("Content-Disposition: form-data; filename=\"x\"; name=\"sudo\"", "sudo"),
        ("Content-Disposition: form-data; filename=\"a\\\"; name=b\"; name=\"sudo\"", "sudo"),
        ("X-Other: y\r\nContent-Disposition: form-data; name=\" token \"", "token"),
    ] {
        assert_eq!(with_header(header), Err(MultipartError::IdentityField(field)), "{header}");
    }
}

#[test]
fn names_that_readers_understand_differently_are_refused() {
    for header in [
        "Content-Disposition: form-data; name*=utf-8''token",
        "Content-Disposition: form-data; name*0=\"to\"; name*1=\"ken\"",
        "Content-Disposition: form-data; name=\"x\"; name=\"token\"",
        "Content-Disposition: form-data; name=\"to\\ken\"",
        "Content-Disposition: form-data",
        "Content-Disposition: attachment; name=\"x\"",
        "Content-Disposition: form-data; name=\"x",
        "Content-Disposition: form-data; name=x y",
        "Content-Disposition: form-data; name=\"x\" y=\"token\"",
        "Content-Type: text/plain",
        "Content-Disposition: form-data; name=\"x\"\r\nContent-Disposition: form-data; name=\"token\"",
    ] {
        assert_eq!(with_header(header), Err(MultipartError::FieldName), "{header}");
    }
}

#[test]
fn malformed_part_headers_are_refused() {
    for header in [
        "Content-Disposition: form-data;\r\n name=\"token\"",
        "Content-Disposition : form-data; name=\"token\"",
        " Content-Disposition: form-data; name=\"token\"",
        "Content-Disposition: form-data; name=\"x\"\nContent-Disposition: form-data; name=\"token\"",
        "Content-Disposition: form-data; name=\"x\"\rX: y",
        "no colon",
        "Content-Disposition: form-data; name=\"x\0\"",
    ] {
        assert_eq!(with_header(header), Err(MultipartError::PartHeader), "{header:?}");
    }
    let long = format!("X: {}", "y".repeat(PART_HEADER));
    assert_eq!(with_header(&long), Err(MultipartError::PartHeader));
}

#[test]
fn whatever_another_reader_could_take_for_a_delimiter_is_refused() {
    let field = part("Content-Disposition: form-data; name=\"x\"", "y");
    let token = part("Content-Disposition: form-data; name=\"token\"", "y");
    for body in [
        format!("preamble\r\n{field}--{BOUNDARY}--"),
        format!("\r\n{field}--{BOUNDARY}--"),
        format!("{field}--{BOUNDARY} \r\n--{BOUNDARY}--"),
        format!("{field}--{BOUNDARY}\n--{BOUNDARY}--"),
        format!("{field}--{BOUNDARY}--\r\nepilogue"),
        format!("{field}--{BOUNDARY}--\r\n{token}--{BOUNDARY}--"),
        part("Content-Disposition: form-data; name=\"x\"", &format!("y\n{token}")),
        part("Content-Disposition: form-data; name=\"x\"", &format!("--{BOUNDARY}\r\n")),
        part("Content-Disposition: form-data; name=\"x\"", &format!("y--{BOUNDARY}--")),
        field.replace("\r\n", "\n"),
    ] {
        assert_eq!(scan_all(&body), Err(MultipartError::Delimiter), "{body:?}");
    }
}

#[test]
fn a_body_without_its_end_is_refused() {
    let field = part("Content-Disposition: form-data; name=\"x\"", "y");
    for body in ["", "--xYz", &field, &format!("{field}--{BOUNDARY}"), &format!("{field}--{BOUNDARY}-")] {
        assert_eq!(scan_all(body), Err(MultipartError::CutShort), "{body:?}");
    }
}

#[test]
fn a_parts_header_is_held_until_it_was_judged() {
    let mut scanner = Scanner::new(&boundary());
    let passed =
        scanner.push(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"tok").as_bytes()).unwrap();
    assert_eq!(&passed[..], format!("--{BOUNDARY}\r\n").as_bytes());
    assert_eq!(scanner.push(b"en\"\r\n\r\n"), Err(MultipartError::IdentityField("token")));
}

#[test]
fn content_is_not_kept() {
    let mut scanner = Scanner::new(&boundary());
    scanner.push(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n").as_bytes()).unwrap();
    for _ in 0..64 {
        scanner.push(&vec![b'-'; 64 * 1024]).unwrap();
        assert!(scanner.held.len() <= BOUNDARY.len() + 3, "{}", scanner.held.len());
    }
}

#[test]
fn only_plain_boundaries_are_accepted() {
    for good in [
        "multipart/form-data; boundary=abc",
        "Multipart/Form-Data;boundary=\"a-b_c\"",
        "multipart/form-data; BOUNDARY=----WebKitFormBoundary7MA4YWxkTrZu0gW",
    ] {
        let boundary = Boundary::from_content_type(good).unwrap_or_else(|| panic!("{good}"));
        assert_eq!(Boundary::from_content_type(&boundary.content_type()), Some(boundary));
    }
    for bad in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary*=utf-8''a",
        "multipart/form-data; boundary=\"a b\"",
        "multipart/form-data; boundary=\"a\\b\"",
        "multipart/form-data; charset=utf-8; boundary=a",
        "multipart/mixed; boundary=a",
        "application/json; boundary=a",
    ] {
        assert_eq!(Boundary::from_content_type(bad), None, "{bad}");
    }
    let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
    assert_eq!(Boundary::from_content_type(&long), None);
}

proptest! {
    #[test]
    fn accepted_bodies_pass_unchanged_in_any_pieces(
        contents in prop::collection::vec("([a-z]|\r|\n|-|xYzZy123){0,40}", 0..4),
        piece in 1_usize..40,
    ) {
        let mut body = String::new();
        for content in &contents {
            body.push_str(&part("Content-Disposition: form-data; name=\"x\"", content));
        }
        body.extend(["--", BOUNDARY, "--\r\n"]);
        let scanned = scan(body.as_bytes(), piece);
        if contents.iter().any(|content| content.contains(&format!("--{BOUNDARY}"))) {
            prop_assert!(scanned.is_err());
        } else {
            prop_assert_eq!(scanned.unwrap(), body.as_bytes());
        }
    }
}
