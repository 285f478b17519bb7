//! How long the certificate of the public URL is good. That it is good now has been shown by the connection.

use oauth::clock::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::finding::Finding;

pub(super) const TLS: &str = "tls";
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Judges a certificate in DER. Authorities renew after two thirds of its life; when only a sixth is left, that has gone wrong.
pub(super) fn examine(certificate: Option<&[u8]>, now: Timestamp) -> Finding {
    const GOOD: &str = "the certificate is good for everybody who trusts the usual authorities";
    let Some((_, certificate)) = certificate.and_then(|der| X509Certificate::from_der(der).ok()) else {
        return Finding::ok(TLS, GOOD);
    };
    let validity = certificate.validity();
    let (begin, end) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let left = end - now.0 / 1_000;
    let date = jiff::Timestamp::from_second(end).map(|end| end.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let until = date.unwrap_or_else(|_| "a date far away".to_owned());
    let left_in_words = if left >= 2 * DAY { format!("{} days", left / DAY) } else { format!("{} hours", left / HOUR) };
    if left > (end - begin) / 6 {
        return Finding::ok(TLS, format!("{GOOD}, until {until} ({left_in_words})"));
    }
    Finding::warn(
        TLS,
        format!("the certificate expires at {until}, in {left_in_words}; it should have been renewed"),
        "look into the log of the program that renews it (Caddy: journalctl -u caddy; certbot: certbot renew --dry-run): a common cause is that \
         port 80 or 443 is not reachable from outside any more",
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// Good from 2030-01-01 to 2030-04-01: 90 days.
    fn told_on(year: i16, month: i8, day: i8) -> (String, bool) {
        let mut parameters = CertificateParams::new(["mcp.example.org".to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2030, 1, 1);
        parameters.not_after = date_time_ymd(2030, 4, 1);
        let certificate = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let now = jiff::civil::date(year, month, day).at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let finding = examine(Some(certificate.der()), Timestamp(now.timestamp().as_millisecond()));
        let told = finding.to_text(false);
        (told.clone(), told.starts_with("warn"))
    }

    #[test]
    fn a_certificate_that_is_renewed_in_time_is_told_with_its_end() {
        let (told, warned) = told_on(2030, 3, 5);
        assert!(!warned && told.contains("until 2030-04-01 00:00 UTC (27 days)"), "{told}");
    }

    #[test]
    fn a_certificate_that_should_have_been_renewed_is_a_warning_with_what_to_do() {
        let (told, warned) = told_on(2030, 3, 20);
        assert!(warned && told.contains("expires at 2030-04-01 00:00 UTC, in 12 days"), "{told}");
        let (told, warned) = told_on(2030, 3, 31);
        assert!(warned && told.contains("in 24 hours") && told.contains("what to do"), "{told}");
    }

    #[test]
    fn what_is_no_certificate_changes_nothing_of_what_the_connection_has_shown() {
        for der in [None, Some(&b"\x30\x03abc"[..])] {
            assert!(examine(der, Timestamp(0)).to_text(false).starts_with("ok"));
        }
    }
}
