//! Requests to the token and revocation endpoints (OAuth 2.1 §3.2, §4.1.3, §4.3; RFC 7009 §2.1).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use crate::client_assertion::{self, ASSERTION_TYPE, ClientAssertion};
use crate::error::ErrorCode;
use crate::id::ClientId;
use crate::token::PlainToken;

/// A parsed token request.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Who asks.
    pub client: PresentedClient,
    /// What is presented.
    pub grant: PresentedGrant,
    /// `resource` parameters (RFC 8707).
    pub resources: Vec<String>,
}

/// How a client says who it is.
#[derive(Debug, Clone)]
pub struct PresentedClient {
    /// Its id.
    pub id: ClientId,
    /// Its secret, if it sent a non-empty one.
    pub secret: Option<PlainToken>,
    /// Its signed assertion, if it sent one (RFC 7521 §4.2).
    pub assertion: Option<ClientAssertion>,
    /// Whether HTTP Basic was used, in which case a refusal carries a `WWW-Authenticate` header.
    pub by_basic: bool,
}

/// What is exchanged for tokens.
#[derive(Debug, Clone)]
pub enum PresentedGrant {
    /// `authorization_code`.
    Code {
        /// The code.
        code: PlainToken,
        /// `redirect_uri`, if sent.
        redirect_uri: Option<String>,
        /// `code_verifier`, if sent.
        verifier: Option<String>,
    },
    /// `refresh_token`.
    Refresh {
        /// The refresh token.
        token: PlainToken,
        /// `scope`, if sent. It may narrow nothing and widens nothing: clients repeat what they have.
        scope: Option<String>,
    },
}

/// A parsed revocation request.
#[derive(Debug, Clone)]
pub struct RevocationRequest {
    /// Who asks.
    pub client: PresentedClient,
    /// The token to revoke; a type hint is ignored, since the prefix tells.
    pub token: PlainToken,
}

/// A request that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A required parameter is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter came twice.
    #[error("{0} was sent more than once")]
    Repeated(String),
    /// Neither of the two grant types.
    #[error("grant_type must be authorization_code or refresh_token")]
    GrantType,
    /// The Authorization header is no HTTP Basic.
    #[error("the Authorization header is not HTTP Basic")]
    Basic,
    /// Header and body name different clients.
    #[error("the Authorization header and client_id name different clients")]
    TwoClients,
    /// More than one kind of authentication (RFC 6749 §2.3).
    #[error("authenticate in one way only: HTTP Basic, client_secret or client_assertion")]
    TwoWays,
    /// `client_assertion` without its type, or the reverse, or with another one.
    #[error("client_assertion and client_assertion_type={ASSERTION_TYPE} must be sent together")]
    AssertionType,
    /// The assertion cannot be verified with any key.
    #[error("{0}")]
    Assertion(client_assertion::Refusal),
}

struct Form(Vec<(String, String)>);

// === impl TokenRequest ===

impl TokenRequest {
    /// Reads a form body (decoded pairs) and the Authorization header.
    ///
    /// # Errors
    /// [`Malformed`] says what is missing or repeated.
    pub fn read<'a>(
        pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
        authorization: Option<&str>,
    ) -> Result<Self, Malformed> {
        let form = Form::read(pairs)?;
        let grant = match form.one("grant_type") {
            Some("authorization_code") => PresentedGrant::Code {
                code: PlainToken::presented(form.one("code").ok_or(Malformed::Missing("code"))?),
                redirect_uri: form.one("redirect_uri").map(str::to_owned),
                verifier: form.one("code_verifier").map(str::to_owned),
            },
            Some("refresh_token") => PresentedGrant::Refresh {
                token: PlainToken::presented(form.one("refresh_token").ok_or(Malformed::Missing("refresh_token"))?),
                scope: form.one("scope").map(str::to_owned),
            },
            Some(_) => return Err(Malformed::GrantType),
            None => return Err(Malformed::Missing("grant_type")),
        };
        Ok(Self { client: PresentedClient::read(&form, authorization)?, grant, resources: form.all("resource") })
    }
}

// === impl RevocationRequest ===

impl RevocationRequest {
    /// Reads a form body (decoded pairs) and the Authorization header.
    ///
    /// # Errors
    /// [`Malformed`] says what is missing or repeated.
    pub fn read<'a>(
        pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
        authorization: Option<&str>,
    ) -> Result<Self, Malformed> {
        let form = Form::read(pairs)?;
        let token = PlainToken::presented(form.one("token").ok_or(Malformed::Missing("token"))?);
        Ok(Self { client: PresentedClient::read(&form, authorization)?, token })
    }
}

// === impl PresentedClient ===

impl PresentedClient {
    /// RFC 6749 §2.3.1: Basic with form-encoded parts, or `client_id` and `client_secret` in the body. An empty secret is none: clients
    /// that use Basic by habit send it for public clients too (clients.md, LibreChat).
    fn read(form: &Form, authorization: Option<&str>) -> Result<Self, Malformed> {
        let in_body = form.one("client_id");
        let assertion = match (form.one("client_assertion"), form.one("client_assertion_type")) {
            (None, None) => None,
            (Some(text), Some(ASSERTION_TYPE)) => Some(ClientAssertion::read(text).map_err(Malformed::Assertion)?),
            _ => return Err(Malformed::AssertionType),
        };
        if assertion.is_some() && (authorization.is_some() || form.one("client_secret").is_some()) {
            return Err(Malformed::TwoWays);
        }
        let Some(header) = authorization else {
            let claimed = || assertion.as_ref().and_then(ClientAssertion::claimed_client);
            let id = in_body.map(ClientId::from).or_else(claimed).ok_or(Malformed::Missing("client_id"))?;
            let secret = form.one("client_secret").map(PlainToken::presented);
            return Ok(Self { id, secret, assertion, by_basic: false });
        };
        let encoded = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .map(|(_, encoded)| encoded.trim())
            .ok_or(Malformed::Basic)?;
        let decoded = STANDARD.decode(encoded).map_err(|_| Malformed::Basic)?;
        let decoded = String::from_utf8(decoded).map_err(|_| Malformed::Basic)?;
        let (id, secret) = decoded.split_once(':').ok_or(Malformed::Basic)?;
        let (id, secret) = (form_decode(id)?, form_decode(secret)?);
        if in_body.is_some_and(|other| other != id) {
            return Err(Malformed::TwoClients);
        }
        let secret = Some(secret.as_str()).filter(|secret| !secret.is_empty()).map(PlainToken::presented);
        if secret.is_some() && form.one("client_secret").is_some() {
            return Err(Malformed::TwoWays);
        }
        Ok(Self { id: ClientId::from(id), secret, assertion: None, by_basic: true })
    }
}

fn form_decode(text: &str) -> Result<String, Malformed> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| Malformed::Basic)
}

// === impl Form ===

impl Form {
    fn read<'a>(pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Result<Self, Malformed> {
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            if value.is_empty() {
                continue;
            }
            if name != "resource" && read.iter().any(|(known, _)| *known == name) {
                return Err(Malformed::Repeated(name.chars().take(40).collect()));
            }
            read.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(read))
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }
}

// === impl Malformed ===

impl Malformed {
    /// The code of RFC 6749 §5.2.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::GrantType => ErrorCode::UnsupportedGrantType,
            Self::Basic | Self::Missing("client_id") | Self::AssertionType | Self::Assertion(_) => {
                ErrorCode::InvalidClient
            }
            Self::Missing(_) | Self::Repeated(_) | Self::TwoClients | Self::TwoWays => ErrorCode::InvalidRequest,
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str, authorization: Option<&str>) -> Result<TokenRequest, Malformed> {
        TokenRequest::read(url::form_urlencoded::parse(body.as_bytes()), authorization)
    }

    #[test]
    fn a_public_client_may_use_basic_with_an_empty_secret() {
        let header = format!("Basic {}", STANDARD.encode("client-1:"));
        let request = read("grant_type=refresh_token&refresh_token=r", Some(&header)).unwrap();
        assert_eq!(request.client.id.as_str(), "client-1");
        assert!(request.client.secret.is_none() && request.client.by_basic);
    }

    #[test]
    fn basic_parts_are_form_decoded() {
        let header = format!("basic {}", STANDARD.encode("https%3A%2F%2Fa.example%2Fc:se+cret%25"));
        let request = read("grant_type=authorization_code&code=c", Some(&header)).unwrap();
        assert_eq!(request.client.id.as_str(), "https://a.example/c");
        assert_eq!(request.client.secret.unwrap().expose(), "se cret%");
    }

    #[test]
    fn header_and_body_may_not_name_two_clients() {
        let header = format!("Basic {}", STANDARD.encode("a:"));
        let refusal = read("grant_type=authorization_code&code=c&client_id=b", Some(&header));
        assert_eq!(refusal.unwrap_err(), Malformed::TwoClients);
    }

    #[test]
    fn missing_repeated_and_unknown_parameters_have_their_codes() {
        let code = |body| read(body, None).unwrap_err().code();
        assert_eq!(code("client_id=a"), ErrorCode::InvalidRequest);
        assert_eq!(code("grant_type=password&client_id=a"), ErrorCode::UnsupportedGrantType);
        assert_eq!(code("grant_type=refresh_token&client_id=a"), ErrorCode::InvalidRequest);
        assert_eq!(code("grant_type=refresh_token&refresh_token=r"), ErrorCode::InvalidClient);
        assert_eq!(
            code("grant_type=refresh_token&refresh_token=r&refresh_token=s&client_id=a"),
            ErrorCode::InvalidRequest
        );
        assert!(
            read("grant_type=refresh_token&refresh_token=r&client_id=a&resource=x&resource=y&unknown=1", None).is_ok()
        );
    }

    fn assertion(algorithm: &str) -> String {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        format!("{}.{}.c2ln", part(&format!(r#"{{"alg":"{algorithm}"}}"#)), part(r#"{"sub":"https://a.example/c"}"#))
    }

    fn with_assertion(more: &str, algorithm: &str) -> String {
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let (text, code) = (assertion(algorithm), "grant_type=authorization_code&code=c");
        format!("{code}&client_assertion={text}&client_assertion_type={kind}{more}")
    }

    #[test]
    fn an_assertion_may_stand_for_the_client_id() {
        let request = read(&with_assertion("", "ES256"), None).unwrap();
        assert_eq!(request.client.id.as_str(), "https://a.example/c");
        assert!(request.client.assertion.is_some());
        let named = read(&with_assertion("&client_id=other", "ES256"), None).unwrap();
        assert_eq!(named.client.id.as_str(), "other", "what is verified has to name the same");
    }

    #[test]
    fn an_assertion_is_the_only_authentication_and_of_the_right_type() {
        let header = format!("Basic {}", STANDARD.encode("https%3A%2F%2Fa.example%2Fc:"));
        assert_eq!(read(&with_assertion("", "ES256"), Some(&header)).unwrap_err(), Malformed::TwoWays);
        assert_eq!(read(&with_assertion("&client_secret=s", "ES256"), None).unwrap_err(), Malformed::TwoWays);
        let untyped = format!("grant_type=authorization_code&code=c&client_assertion={}", assertion("ES256"));
        assert_eq!(read(&untyped, None).unwrap_err(), Malformed::AssertionType);
        let other = format!("{untyped}&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
        assert_eq!(read(&other, None).unwrap_err(), Malformed::AssertionType);
        let unsigned = read(&with_assertion("", "none"), None).unwrap_err();
        assert_eq!(unsigned, Malformed::Assertion(client_assertion::Refusal::Algorithm));
        assert_eq!(unsigned.code(), ErrorCode::InvalidClient);
    }

    #[test]
    fn a_secret_comes_in_one_way_only() {
        let header = format!("Basic {}", STANDARD.encode("a:secret"));
        let refusal = read("grant_type=authorization_code&code=c&client_secret=secret", Some(&header));
        assert_eq!(refusal.unwrap_err(), Malformed::TwoWays);
    }

    proptest! {
        #[test]
        fn no_body_or_header_makes_the_reader_panic(body in ".*", header in proptest::option::of(".*")) {
            let _ = read(&body, header.as_deref());
            let _ = RevocationRequest::read(url::form_urlencoded::parse(body.as_bytes()), header.as_deref());
        }
    }
}
