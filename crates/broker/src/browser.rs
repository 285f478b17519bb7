//! The cookies that bind a login to one browser, and what tells a form of ours from one that another site sent.
//!
//! One that the forms need which come before a login, one per login under way, set when it begins, one per choice of repositories under way,
//! and that of the account page. All are `__Host-` cookies, so no neighbour on a sibling domain can plant them (oauth.md §6 rules 3 and 5).
//! None is `SameSite=Strict`, because browsers come back from Forgejo by a redirect across sites. Over plain http on loopback, where browsers and test clients
//! disagree about `Secure`, the prefix is left out.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};
use oauth::token::{PlainToken, TokenHash};
use store::authorizations::Purpose;
use subtle::ConstantTimeEq as _;

/// How cookies are named and flagged under this public URL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    secure: bool,
}

// === impl Cookies ===

impl Cookies {
    /// For an issuer, an origin.
    pub(crate) fn of_issuer(issuer: &str) -> Self {
        Self { secure: issuer.starts_with("https://") }
    }

    /// The cookie that the forms before a login are bound to: the consent form, and that of the account page.
    pub(crate) fn consent(self) -> String {
        self.named("fjb_consent")
    }

    /// The cookie of one login under way. Named after its purpose and state, so that two tabs do not take each other's.
    pub(crate) fn login(self, purpose: Purpose, state: &TokenHash) -> String {
        let kind = match purpose {
            Purpose::Authorize => "login",
            Purpose::Account => "entry",
        };
        self.named(&format!("fjb_{kind}_{}", hex::encode(&state.as_bytes()[..8])))
    }

    /// The cookie of one choice of repositories under way, by the choice's id.
    pub(crate) fn selection(self, id: &str) -> String {
        self.named(&format!("fjb_choice_{id}"))
    }

    /// The cookie of a browser that is logged in to the account page.
    pub(crate) fn account(self) -> String {
        self.named("fjb_account")
    }

    /// The value of a cookie, if the browser sent one of that name.
    pub(crate) fn read(headers: &HeaderMap, name: &str) -> Option<PlainToken> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| Cookie::split_parse(text.to_owned()))
            .filter_map(Result::ok)
            .find(|cookie| cookie.name() == name)
            .map(|cookie| PlainToken::presented(cookie.value()))
    }

    /// A `Set-Cookie` value that lasts `seconds`; zero removes the cookie.
    pub(crate) fn set(self, name: &str, value: &str, seconds: i64) -> Option<HeaderValue> {
        let cookie = Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .max_age(cookie::time::Duration::seconds(seconds))
            .build();
        HeaderValue::try_from(cookie.to_string()).ok()
    }

    fn named(self, name: &str) -> String {
        if self.secure { format!("__Host-{name}") } else { name.to_owned() }
    }
}

/// Whether a form was sent by a page of ours, as far as the browser says: Sec-Fetch-Site where it sends it, then Origin. The CSRF token is
/// judged in any case.
pub(crate) fn is_from_us(headers: &HeaderMap, issuer: &str) -> bool {
    let is = |name: &str, wanted: &str| headers.get(name).is_none_or(|value| value.as_bytes() == wanted.as_bytes());
    is("sec-fetch-site", "same-origin") && is("origin", issuer)
}

/// The CSRF token of the forms that a browser with this cookie is shown.
pub(crate) fn csrf_token(cookie: &PlainToken) -> String {
    hex::encode(TokenHash::of(&format!("csrf token of {}", cookie.expose())).as_bytes())
}

/// Compares a submitted CSRF token without telling by time how much of it was right.
pub(crate) fn csrf_admits(cookie: &PlainToken, submitted: &str) -> bool {
    csrf_token(cookie).as_bytes().ct_eq(submitted.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_https_cookies_are_host_cookies_and_never_leave_the_origin() {
        let cookies = Cookies::of_issuer("https://mcp.example.org");
        let set = cookies.set(&cookies.consent(), "v", 600).unwrap();
        let set = set.to_str().unwrap();
        assert!(set.starts_with("__Host-fjb_consent=v; "), "{set}");
        for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"] {
            assert!(set.contains(part), "{part} in {set}");
        }
        assert!(!set.contains("Domain"), "{set}");
    }

    #[test]
    fn two_logins_in_one_browser_have_cookies_of_their_own() {
        let cookies = Cookies::of_issuer("https://mcp.example.org");
        let (one, other) = (TokenHash::of("a"), TokenHash::of("b"));
        assert_ne!(cookies.login(Purpose::Authorize, &one), cookies.login(Purpose::Authorize, &other));
        assert_ne!(cookies.login(Purpose::Authorize, &one), cookies.login(Purpose::Account, &one));
    }

    #[test]
    fn a_form_counts_as_ours_unless_the_browser_says_otherwise() {
        let issuer = "https://mcp.example.org";
        let judge = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for &(name, value) in pairs {
                headers.insert(name, HeaderValue::from_static(value));
            }
            is_from_us(&headers, issuer)
        };
        assert!(judge(&[]) && judge(&[("origin", issuer), ("sec-fetch-site", "same-origin")]));
        assert!(!judge(&[("origin", "https://evil.example")]) && !judge(&[("origin", "null")]));
        assert!(
            !judge(&[("origin", issuer), ("sec-fetch-site", "same-site")]) && !judge(&[("sec-fetch-site", "none")])
        );
    }

    #[test]
    fn a_csrf_token_belongs_to_one_cookie() {
        let (mine, other) = (PlainToken::presented("mine"), PlainToken::presented("other"));
        assert!(csrf_admits(&mine, &csrf_token(&mine)));
        assert!(!csrf_admits(&other, &csrf_token(&mine)));
        assert!(!csrf_admits(&mine, ""));
    }

    #[test]
    fn a_cookie_is_found_among_others_and_in_a_second_header() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; b=2"));
        headers.append(header::COOKIE, HeaderValue::from_static("c=3"));
        assert_eq!(Cookies::read(&headers, "c").unwrap().expose(), "3");
        assert!(Cookies::read(&headers, "d").is_none());
    }
}
