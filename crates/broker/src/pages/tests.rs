//! Pages read as a browser reads them.

use http_body_util::BodyExt as _;
use scraper::{ElementRef, Html, Selector};
use url::Url;

use super::*;
use crate::config::{BaseUrl, PublicUrl};

const HOSTILE: &str = "\"><script>alert(1)</script><b onload='x'>&lt;{{ 7*7 }}\u{202e}";

fn consent() -> ConsentPage {
    ConsentPage {
        client: ClientShown::Unverified { name: Some("Claude".into()) },
        destination: Destination::of(&Url::parse("https://claude.ai/api/mcp/auth_callback").unwrap()),
        forgejo_host: "git.example.org".into(),
        may_write: true,
        request: "sealed".into(),
        csrf: "proof".into(),
    }
}

fn error() -> ErrorPage {
    ErrorPage {
        status: StatusCode::BAD_REQUEST,
        title: "Unknown client".into(),
        wrong: "The program is not known here.".into(),
        remedy: "Remove the connection in it and add it again.".into(),
        request_id: "r-1".into(),
        link: None,
    }
}

fn landing() -> LandingPage {
    LandingPage::new(
        &PublicUrl::parse("https://mcp.example.org").unwrap(),
        &BaseUrl::parse("https://git.example.org/git").unwrap(),
    )
}

fn shown(client: &str) -> ConnectionShown {
    let now = oauth::clock::Timestamp(1_795_708_800_000);
    ConnectionShown {
        id: "c1".into(),
        client: ClientShown::Published { name: Some(client.into()), host: "app.example".into() },
        may_write: false,
        asked_to_write: true,
        repositories: Some(1),
        created: Moment::new(now, now),
        last_used: None,
        sessions: 2,
    }
}

fn happening(text: &str) -> Happening {
    let now = oauth::clock::Timestamp(1_795_708_800_000);
    Happening { at: Moment::new(now, now), what: text.into(), client: text.into() }
}

fn repository(name: &str) -> RepositoryShown {
    RepositoryShown::named(7, name).described(name)
}

fn account(text: &str) -> AccountPage {
    AccountPage {
        login: text.into(),
        forgejo_host: "git.example.org".into(),
        csrf: "proof".into(),
        notice: text.into(),
        connections: vec![shown(text)],
        activity: vec![happening(text)],
    }
}

fn connection(text: &str) -> ConnectionPage {
    ConnectionPage {
        login: text.into(),
        forgejo_host: "git.example.org".into(),
        csrf: "proof".into(),
        notice: text.into(),
        connection: shown(text),
        repositories: vec![repository(text)],
    }
}

fn repositories(text: &str, occasion: Occasion) -> RepositoriesPage {
    RepositoriesPage {
        occasion,
        client: ClientShown::Unverified { name: Some(text.into()) },
        may_write: true,
        login: text.into(),
        forgejo_host: "git.example.org".into(),
        action: "/oauth/repositories/s1".into(),
        csrf: "proof".into(),
        notice: text.into(),
        chosen: vec![repository(text)],
        text: text.into(),
        found: vec![RepositoryShown { id: 8, private: true, archived: true, ..repository(text) }],
        total: Some(41),
        previous: Some(1),
        next: Some(3),
    }
}

fn entry() -> EntryPage {
    EntryPage { forgejo_host: "git.example.org".into(), csrf: "proof".into(), why: String::new() }
}

fn activity(text: &str) -> ActivityPage {
    ActivityPage {
        login: text.into(),
        forgejo_host: "git.example.org".into(),
        csrf: "proof".into(),
        activity: vec![happening(text)],
        older: Some(3),
    }
}

async fn html(page: impl IntoResponse) -> Html {
    let body = page.into_response().into_body().collect().await.unwrap().to_bytes();
    Html::parse_document(std::str::from_utf8(&body).unwrap())
}

fn all<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(html: &Html, selector: &str) -> String {
    all(html, selector).into_iter().flat_map(|element| element.text()).collect()
}

fn header_of(response: &Response, name: HeaderName) -> &str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn the_consent_form_posts_what_the_endpoint_reads() {
    let html = html(consent()).await;
    let form = all(&html, "form")[0].value();
    assert_eq!((form.attr("method"), form.attr("action")), (Some("post"), Some("/oauth/authorize")));
    assert_eq!(all(&html, "input[name=request]")[0].value().attr("value"), Some("sealed"));
    assert_eq!(all(&html, "input[name=csrf]")[0].value().attr("value"), Some("proof"));
    let access: Vec<_> =
        all(&html, "input[name=access]").iter().filter_map(|input| input.value().attr("value")).collect();
    assert_eq!(access, ["write", "read"]);
    assert_eq!(all(&html, "input[name=access][checked]").len(), 1);
    let decisions: Vec<_> =
        all(&html, "button[name=decision]").iter().filter_map(|button| button.value().attr("value")).collect();
    assert_eq!(decisions, ["approve", "deny"]);
}

#[tokio::test]
async fn a_client_that_asks_only_to_read_is_not_offered_more() {
    let html = html(ConsentPage { may_write: false, ..consent() }).await;
    let inputs = all(&html, "input[name=access]");
    assert_eq!(inputs.len(), 1);
    assert_eq!((inputs[0].value().attr("value"), inputs[0].value().attr("checked")), (Some("read"), Some("")));
}

#[tokio::test]
async fn the_consent_page_names_client_destination_and_forgejo() {
    let page = text(&html(consent()).await, "main");
    for part in ["Claude", "unverified name", "claude.ai", "git.example.org"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    let client = ClientShown::Published { name: Some("Claude".into()), host: "claude.ai".into() };
    let page = text(&html(ConsentPage { client, ..consent() }).await, "main");
    assert!(page.contains("described by claude.ai") && !page.contains("unverified"), "{page}");
    let client = ClientShown::Registered { name: None };
    let page = text(&html(ConsentPage { client, ..consent() }).await, "main");
    assert!(page.contains("a client without a name") && page.contains("operator"), "{page}");
}

#[tokio::test]
async fn a_destination_on_the_own_device_is_warned_of() {
    assert!(all(&html(consent()).await, ".warning").is_empty());
    for uri in ["http://localhost:3118/callback", "http://127.0.0.1/", "cursor://anysphere.cursor-mcp/oauth/callback"] {
        let destination = Destination::of(&Url::parse(uri).unwrap());
        let warning = text(&html(ConsentPage { destination, ..consent() }).await, ".warning");
        assert!(warning.contains("Any program on this device"), "B16: {uri}");
    }
}

#[tokio::test]
async fn hostile_text_stays_text_on_every_page() {
    let link = NamedLink::to(&Url::parse("https://client.test/cb?state=%22%3E<script>&error=\"x").unwrap());
    let pages = [
        html(ConsentPage {
            client: ClientShown::Published { name: Some(HOSTILE.into()), host: HOSTILE.into() },
            destination: Destination::Host(HOSTILE.into()),
            forgejo_host: HOSTILE.into(),
            request: HOSTILE.into(),
            csrf: HOSTILE.into(),
            ..consent()
        })
        .await,
        html(ErrorPage {
            title: HOSTILE.into(),
            wrong: HOSTILE.into(),
            remedy: HOSTILE.into(),
            request_id: HOSTILE.into(),
            link: link.clone(),
            ..error()
        })
        .await,
        html(MessagePage { title: HOSTILE.into(), text: HOSTILE.into(), link }).await,
        html(account(HOSTILE)).await,
        html(connection(HOSTILE)).await,
        html(activity(HOSTILE)).await,
        html(repositories(HOSTILE, Occasion::Connect)).await,
        html(EntryPage { why: HOSTILE.into(), forgejo_host: HOSTILE.into(), ..entry() }).await,
    ];
    for page in pages {
        assert!(all(&page, "script, b, [onload], iframe, img").is_empty(), "{}", page.html());
        assert_eq!(all(&page, "main").len(), 1);
    }
    let page = html(ConsentPage { csrf: HOSTILE.into(), ..consent() }).await;
    assert_eq!(all(&page, "input[name=csrf]")[0].value().attr("value"), Some(HOSTILE));
}

#[tokio::test]
async fn pages_send_the_headers_that_protect_them() {
    for response in [
        consent().into_response(),
        error().into_response(),
        MessagePage::denied(None).into_response(),
        landing().into_response(),
        account("a").into_response(),
        connection("a").into_response(),
        activity("a").into_response(),
        entry().into_response(),
        repositories("a", Occasion::Change).into_response(),
    ] {
        assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-store");
        assert_eq!(header_of(&response, header::X_FRAME_OPTIONS), "DENY");
        assert_eq!(header_of(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header_of(&response, header::REFERRER_POLICY), "same-origin");
        assert!(!response.headers().contains_key("cross-origin-opener-policy"));
        let policy = header_of(&response, header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"));
    }
    assert_eq!(error().into_response().status(), StatusCode::BAD_REQUEST);
}

#[test]
fn only_pages_whose_forms_lead_on_to_others_leave_form_action_open() {
    let policy = |response: Response| header_of(&response, header::CONTENT_SECURITY_POLICY).to_owned();
    assert!(!policy(consent().into_response()).contains("form-action"));
    for response in [error().into_response(), landing().into_response(), MessagePage::denied(None).into_response()] {
        assert!(policy(response).contains("form-action 'none'"));
    }
    assert!(!policy(entry().into_response()).contains("form-action"));
    assert!(!policy(repositories("a", Occasion::Connect).into_response()).contains("form-action"));
    let own = [
        account("a").into_response(),
        connection("a").into_response(),
        activity("a").into_response(),
        repositories("a", Occasion::Change).into_response(),
    ];
    for response in own {
        assert!(policy(response).contains("form-action 'self'"));
    }
}

#[tokio::test]
async fn the_policy_allows_exactly_the_style_sheet_of_the_page() {
    let response = consent().into_response();
    let policy = header_of(&response, header::CONTENT_SECURITY_POLICY).to_owned();
    let page = html(response).await;
    let style = text(&page, "style");
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    assert!(all(&page, "[style], link, script").is_empty());
}

#[tokio::test]
async fn pages_work_with_keyboard_phone_and_screen_reader() {
    let pages = [
        html(consent()).await,
        html(error()).await,
        html(MessagePage::denied(None)).await,
        html(landing()).await,
        html(account("a")).await,
        html(connection("a")).await,
        html(activity("a")).await,
        html(entry()).await,
        html(repositories("a", Occasion::Connect)).await,
    ];
    for page in pages {
        assert_eq!(all(&page, "html[lang]").len(), 1);
        assert_eq!(all(&page, "h1").len(), 1);
        assert_eq!(all(&page, "meta[name=viewport]").len(), 1);
        assert!(!text(&page, "title").is_empty());
        for input in all(&page, "input:not([type=hidden])") {
            let id = input.value().attr("id").unwrap();
            assert_eq!(all(&page, &format!("label[for={id}]")).len(), 1, "{id} has no label");
        }
    }
    assert!(STYLE.contains(":focus-visible") && STYLE.contains("prefers-color-scheme: dark"));
}

#[tokio::test]
async fn the_landing_page_gives_the_address_for_every_client() {
    let page = text(&html(landing()).await, "main");
    for client in ["Claude", "Claude Code", "ChatGPT", "VS Code", "Cursor", "Codex", "Gemini CLI", "mcp-remote"] {
        assert!(page.contains(client), "{client}");
    }
    assert!(page.contains("claude mcp add --transport http forgejo https://mcp.example.org/mcp"));
    for recipe in recipes::recipes("https://mcp.example.org/mcp") {
        assert!(recipe.text.contains("https://mcp.example.org/mcp"), "{}", recipe.client);
    }
    assert!(page.contains("git.example.org"));
}

#[tokio::test]
async fn an_error_page_names_the_request_and_links_only_where_it_says() {
    let url = Url::parse("https://client.test/cb?error=access_denied&state=a%26b").unwrap();
    let page = html(ErrorPage { link: NamedLink::to(&url), ..error() }).await;
    assert!(text(&page, "footer").contains("r-1"));
    let link = all(&page, "main a")[0];
    assert_eq!(link.value().attr("href"), Some(url.as_str()));
    assert_eq!(link.text().collect::<String>(), "Continue to client.test");
    assert!(all(&html(error()).await, "main a").is_empty());
}

#[test]
fn no_link_runs_a_script_or_opens_a_file() {
    for url in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "blob:https://a/b"] {
        assert_eq!(NamedLink::to(&Url::parse(url).unwrap()), None, "{url}");
    }
}

#[tokio::test]
async fn the_consent_form_asks_for_all_or_chosen_repositories() {
    let html = html(consent()).await;
    let values: Vec<_> = all(&html, "input[name=repositories]").iter().map(ElementRef::value).collect();
    assert_eq!(values.iter().filter_map(|value| value.attr("value")).collect::<Vec<_>>(), ["all", "choose"]);
    assert!(values[0].attr("checked").is_some() && values[1].attr("checked").is_none());
}

#[tokio::test]
async fn the_first_button_of_the_choice_searches_so_that_enter_grants_nothing() {
    for occasion in [Occasion::Connect, Occasion::Change] {
        let html = html(repositories("a", occasion)).await;
        let first = all(&html, "main form button")[0].value();
        assert_eq!((first.attr("name"), first.attr("value")), (Some("step"), Some("look")));
        let boxes = all(&html, "input[name=repository]");
        let ticked = |id: &str| {
            let wanted = boxes.iter().find(|one| one.value().attr("value") == Some(id));
            wanted.is_some_and(|one| one.value().attr("checked").is_some())
        };
        assert!(ticked("7") && !ticked("8"), "what is chosen is ticked, what is found is not");
    }
}

#[tokio::test]
async fn a_connection_can_be_raised_only_to_what_was_asked() {
    let buttons = |page: &Html| -> Vec<String> {
        all(page, "button[name=change]").iter().filter_map(|one| one.value().attr("value").map(str::to_owned)).collect()
    };
    assert_eq!(buttons(&html(connection("a")).await), ["write", "choose", "all", "end"]);
    let modest = ConnectionPage {
        connection: ConnectionShown { asked_to_write: false, repositories: None, ..shown("a") },
        ..connection("a")
    };
    assert_eq!(buttons(&html(modest).await), ["choose", "end"]);
}
