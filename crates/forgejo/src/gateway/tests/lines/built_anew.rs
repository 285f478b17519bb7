//! gateway.md §1: the request is built anew, never passed through.

use super::{Case, Case::Arrives, Case::Header, Case::Refused, Case::ShownBy, Line};
use crate::gateway::tests::{forms, requests};

pub(super) const LINES: &[Line] = &[
    Line {
        says: "§1 repeated slashes collapse",
        cases: &[
            Arrives("GET /api/v1/repos/alice//priv", "/api/v1/repos/alice/priv"),
            Arrives("GET //api/v1/repos/alice/priv", "/api/v1/repos/alice/priv"),
            Arrives("GET /api///v1/repos/alice/priv///", "/api/v1/repos/alice/priv"),
            Refused("GET //api/v1//admin/users", 403),
        ],
    },
    Line {
        says: "§1 owner and repository compare without case",
        cases: &[
            ShownBy(owner_and_repository_compare_without_case),
            Refused("GET /api/v1/repos/ALICE/Priv/Hooks", 403),
            Refused("GET /api/v1/Repos/alice/priv/hooks", 403),
        ],
    },
    Line {
        says: "§1 an escaped letter is that letter",
        cases: &[
            Arrives("GET /api/v1/repos/alice/%70riv", "/api/v1/repos/alice/priv"),
            Arrives("GET /%61pi/v1/repos/alice/priv", "/api/v1/repos/alice/priv"),
            Refused("GET /api/v1/%61dmin/users", 403),
            Refused("GET /api/v1/repos/a/b/h%6foks", 403),
        ],
    },
    Line {
        says: "§1 dot segments are refused, escaped or behind an escaped slash too",
        cases: &[
            Refused("GET /api/v1/repos/a/../../admin/users", 400),
            Refused("GET /api/v1/./repos/a/b", 400),
            Refused("GET /api/v1/repos/a/%2e%2e/%2E%2e/admin", 400),
            Refused("GET /api/v1/repos/a/.%2e/admin", 400),
            Refused("GET /api/v1/repos/a/b/contents/x%2f..%2f..", 400),
            Refused("GET /a/b/raw/branch/main/..%2F..%2Fadmin", 400),
        ],
    },
    Line {
        says: "§1 backslashes, control characters and double escapes are refused",
        cases: &[
            Refused("GET /api/v1/repos/a\\b", 400),
            Refused("GET /api/v1/repos/a/b%5c..%5cadmin", 400),
            Refused("GET /api/v1/repos/a/b%00", 400),
            Refused("GET /api/v1/repos/a/b%0d%0aX:1", 400),
            Refused("GET /api/v1/repos/a/b%c2%85", 400),
            Refused("GET /api/v1/repos/a/%2570riv", 400),
            Refused("GET /api/v1/repos/a/b/contents/%252e%252e", 400),
            Refused("GET /api/v1/repos/a/b%zz", 400),
            Refused("GET /api/v1/repos/a/b%ff", 400),
        ],
    },
    Line {
        says: "§1 an escaped slash in branch, file and page names is legal, and three dots in compare",
        cases: &[
            Arrives("GET /api/v1/repos/a/b/branches/x%2Fy", "/api/v1/repos/a/b/branches/x%2Fy"),
            Arrives("GET /api/v1/repos/a/b/contents/x%2fy.md", "/api/v1/repos/a/b/contents/x%2Fy.md"),
            Arrives("GET /api/v1/repos/a/b/wiki/page/x%2Fy", "/api/v1/repos/a/b/wiki/page/x%2Fy"),
            Arrives("GET /api/v1/repos/a/b/compare/main...x%2Fy", "/api/v1/repos/a/b/compare/main...x%2Fy"),
            Refused("GET /api/v1/repos/a%2Fb/hooks", 400),
            Refused("GET /api/v1/repos/a/b%2Fhooks", 400),
            Refused("GET /api/v1/admin%2Fusers", 400),
        ],
    },
    Line {
        says: "§1 absolute-form targets, CONNECT and Upgrade are refused",
        cases: &[
            Refused("GET http://evil.example/api/v1/user", 400),
            Refused("GET http://gateway/api/v1/user", 400),
            Refused("CONNECT evil.example:443", 400),
            Refused("OPTIONS *", 400),
            Refused("GET /api/v1/user\r\nUpgrade: websocket", 400),
            Refused("GET /api/v1/user\r\nUpgrade: h2c\r\nHTTP2-Settings: x", 400),
        ],
    },
    Line {
        says: "§1 method override headers are dropped",
        cases: &[
            Header("x-http-method-override", "DELETE", None),
            Header("x-http-method", "DELETE", None),
            Header("x-method-override", "DELETE", None),
        ],
    },
    Line {
        says: "§1 sudo, token and access_token are taken out of the query",
        cases: &[
            Arrives("GET /api/v1/repos/a/b?sudo=root", "/api/v1/repos/a/b"),
            Arrives("GET /api/v1/repos/a/b?token=x&page=2", "/api/v1/repos/a/b?page=2"),
            Arrives("GET /api/v1/repos/a/b?page=2&access_token=x", "/api/v1/repos/a/b?page=2"),
            Arrives("GET /api/v1/repos/a/b?s%75do=root&SUDO=root&%20sudo=root", "/api/v1/repos/a/b"),
            Arrives("GET /api/v1/repos/a/b?q=token&x=1;sudo=root", "/api/v1/repos/a/b?q=token&x=1%3Bsudo%3Droot"),
        ],
    },
    Line {
        says: "§1 form bodies and multipart fields of those names are refused",
        cases: &[
            Refused(
                "POST /api/v1/repos/a/b/issues\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\ntitle=x&access_token=y",
                403,
            ),
            Refused(
                "POST /api/v1/repos/a/b/issues\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nt%6fken=y",
                403,
            ),
            Refused(
                "POST /api/v1/repos/a/b/issues/1/assets\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n\
                 --b\r\nContent-Disposition: form-data; name=\"sudo\"\r\n\r\nroot\r\n--b--\r\n",
                403,
            ),
            Refused("POST /api/v1/repos/a/b/issues\r\nContent-Type: text/x-form-urlencoded\r\n\r\naccess_token=y", 415),
            ShownBy(forms::a_field_after_megabytes_of_content_is_found_while_streaming),
        ],
    },
    Line {
        says: "§1 headers go by a list: these pass",
        cases: &[
            Header("accept", "text/plain", Some("text/plain")),
            Header("range", "bytes=0-5", Some("bytes=0-5")),
            Header("if-match", "\"1\"", Some("\"1\"")),
            Header("if-none-match", "\"1\"", Some("\"1\"")),
            Header("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT", Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            Header("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT", Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            Header("if-range", "\"1\"", Some("\"1\"")),
            Header("user-agent", "forgejo-mcp/2.34.1", Some("forgejo-mcp/2.34.1")),
            Header(
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ),
            // Answers that are read are asked for in clear.
            Header("accept-encoding", "gzip", Some("identity")),
            ShownBy(requests::json_bodies_pass_unchanged),
        ],
    },
    Line {
        says: "§1 the one Authorization is ours",
        cases: &[
            ShownBy(requests::the_users_token_takes_the_place_of_the_capability),
            Refused("GET /api/v1/user\r\nAuthorization: token second", 401),
        ],
    },
    Line {
        says: "§1 no Cookie, Sudo, X-Forwarded-*, X-WEBAUTH-* or baggage",
        cases: &[
            Header("cookie", "i_like_gitea=1", None),
            Header("sudo", "root", None),
            Header("x-forwarded-for", "127.0.0.1", None),
            Header("x-forwarded-host", "evil.example", None),
            Header("x-forwarded-proto", "https", None),
            Header("forwarded", "for=127.0.0.1", None),
            Header("x-real-ip", "127.0.0.1", None),
            Header("x-webauth-user", "root", None),
            Header("x-webauth-email", "root@example.org", None),
            Header("x-webauth-fullname", "root", None),
            Header("baggage", "user=root", None),
            Header("tracestate", "vendor=x", None),
            Header("proxy-authorization", "Basic cm9vdDpyb290", None),
            Header("x-gitea-otp", "123456", None),
        ],
    },
    Line {
        says: "§1 back comes no Set-Cookie and no WWW-Authenticate",
        cases: &[
            Case::Answered {
                forgejo: |_| super::with_header("set-cookie", "i_like_gitea=1"),
                holds: |answer| answer.starts_with("HTTP/1.1 200") && !answer.to_lowercase().contains("set-cookie"),
            },
            Case::Answered {
                forgejo: |_| super::with_header("www-authenticate", "Bearer"),
                holds: |answer| answer.starts_with("HTTP/1.1 200") && !answer.to_lowercase().contains("www-auth"),
            },
        ],
    },
    Line {
        says: "§1 the API and Forgejo's own downloads",
        cases: &[
            Arrives("GET /api/v1/user", "/api/v1/user"),
            Arrives(
                "GET /attachments/0fcf3f36-4bd0-4a55-9b0b-7f7c1f1b3f2e",
                "/attachments/0fcf3f36-4bd0-4a55-9b0b-7f7c1f1b3f2e",
            ),
            Arrives(
                "GET /a/b/attachments/0fcf3f36-4bd0-4a55-9b0b-7f7c1f1b3f2e",
                "/a/b/attachments/0fcf3f36-4bd0-4a55-9b0b-7f7c1f1b3f2e",
            ),
            Arrives("GET /a/b/releases/download/v1/x.tar.gz", "/a/b/releases/download/v1/x.tar.gz"),
            Arrives("GET /a/b/archive/main.zip", "/a/b/archive/main.zip"),
            Arrives("GET /a/b/raw/branch/main/README.md", "/a/b/raw/branch/main/README.md"),
            Arrives("GET /a/b/media/branch/main/logo.png", "/a/b/media/branch/main/logo.png"),
        ],
    },
    Line {
        says: "§1 nothing else: no login, OAuth, git over HTTP, web pages",
        cases: &[
            Refused("GET /", 403),
            Refused("GET /user/login", 403),
            Refused("POST /login/oauth/access_token", 403),
            Refused("GET /login/oauth/authorize?client_id=x", 403),
            Refused("GET /a/b.git/info/refs?service=git-upload-pack", 403),
            Refused("POST /a/b/git-receive-pack", 403),
            Refused("GET /a/b", 403),
            Refused("GET /a/b/settings", 403),
            Refused("GET /attachments/not-a-uuid", 403),
            Refused("GET /api/swagger", 403),
            Refused("GET /api/v2/user", 403),
            Refused("GET /v2/token", 403),
            Refused("GET /metrics", 403),
            Refused("POST /a/b/archive/main.zip", 405),
        ],
    },
];

fn owner_and_repository_compare_without_case() {
    use crate::gateway::TargetPath;
    let name = |path: &str| TargetPath::parse(path).unwrap().repository().unwrap();
    assert_eq!(name("/api/v1/repos/ALICE/Priv"), name("/api/v1/repos/alice/priv"));
    assert_eq!(name("/Alice/PRIV/archive/main.zip"), name("/api/v1/repos/alice/priv"));
}

#[test]
fn a_repository_has_one_name_in_every_spelling() {
    owner_and_repository_compare_without_case();
}
