//! The HTML of the pages.

use crate::{
    model::credential::{App, Pending},
    site::Site,
};

/// What the consent page shows and sends back.
pub(crate) struct Consent<'a> {
    pub(crate) app: &'a App,
    pub(crate) owner: &'a str,
    pub(crate) login: &'a str,
    pub(crate) asked: &'a Pending,
    pub(crate) scope: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) csrf: &'a str,
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:light-dark(#f4f4f5,#18181b);color:light-dark(#18181b,#f4f4f5)}\
header{background:#2f3b52;color:#fff;padding:.7rem 1.2rem;display:flex;gap:1rem;align-items:baseline}\
header a{color:#fff;text-decoration:none;font-weight:600}header small{opacity:.75}header span{margin-left:auto}\
main{max-width:26rem;margin:3rem auto;padding:1.6rem;border-radius:.6rem;\
background:light-dark(#fff,#27272a);border:1px solid light-dark(#d4d4d8,#3f3f46)}\
main.wide{max-width:52rem}h1{font-size:1.35rem;margin:0 0 1rem}label{display:block;margin:.9rem 0 .2rem;font-weight:600}\
input[type=text],input[type=password]{width:100%;box-sizing:border-box;padding:.5rem .6rem;font:inherit;\
border:1px solid light-dark(#a1a1aa,#52525b);border-radius:.35rem;background:transparent;color:inherit}\
button{font:inherit;padding:.5rem 1.1rem;border:0;border-radius:.35rem;background:#c2410c;color:#fff;cursor:pointer}\
button.plain{background:#71717a}.row{display:flex;gap:.8rem;margin-top:1.4rem}\
.error{background:#b91c1c;color:#fff;padding:.5rem .8rem;border-radius:.35rem}code,pre{font-family:ui-monospace,monospace}\
pre{white-space:pre-wrap;overflow-wrap:anywhere}td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}";

/// Text made safe between tags and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// A whole page; `body` is HTML.
pub(crate) fn layout(site: &Site, title: &str, signed_in: Option<&str>, class: &str, body: &str) -> String {
    let who = signed_in.map_or_else(String::new, |login| format!("<span>Signed in as <b>{}</b></span>", escape(login)));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} - Forgejo</title><style>{STYLE}</style></head>\n\
<body><header><a href=\"{root}\">Forgejo</a><small>stand-in, {version}</small>{who}</header>\n<main class=\"{class}\">\n{body}\n</main></body>\n</html>\n",
        title = escape(title),
        root = escape(&site.root),
        version = site.profile().version(),
    )
}

/// A page with one sentence.
pub(crate) fn message(site: &Site, title: &str, text: &str) -> String {
    layout(site, title, None, "", &format!("<h1>{}</h1><p>{}</p>", escape(title), escape(text)))
}

/// What a deactivated or prohibited user sees.
pub(crate) fn prohibited(site: &Site) -> String {
    message(
        site,
        "Signing in prohibited",
        "Your account is prohibited from signing in, please contact your site administrator.",
    )
}

pub(crate) fn login(site: &Site, csrf: &str, user_name: &str, error: Option<&str>) -> String {
    let body = format!(
        "<h1>Sign in</h1>{error}\n<form action=\"{base}/user/login\" method=\"post\">{csrf}\
<label for=\"user_name\">Username or email address</label>\
<input type=\"text\" id=\"user_name\" name=\"user_name\" value=\"{user_name}\" autocomplete=\"username\" autofocus required>\
<label for=\"password\">Password</label>\
<input type=\"password\" id=\"password\" name=\"password\" autocomplete=\"current-password\" required>\
<div class=\"row\"><button type=\"submit\">Sign in</button></div></form>",
        error = error_box(error),
        base = escape(&site.base_path),
        csrf = csrf_field(site, csrf),
        user_name = escape(user_name),
    );
    layout(site, "Sign in", None, "", &body)
}

pub(crate) fn consent(site: &Site, consent: &Consent<'_>) -> String {
    let Consent { app, owner, login, asked, scope, nonce, csrf } = consent;
    let hidden =
        |name: &str, value: &str| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value));
    let fields: String = [
        ("client_id", asked.client_id.as_str()),
        ("state", &asked.state),
        ("scope", scope),
        ("nonce", nonce),
        ("redirect_uri", &asked.redirect_uri),
    ]
    .iter()
    .map(|(name, value)| hidden(name, value))
    .collect();
    let made_by = if owner.is_empty() { String::new() } else { format!(" by <b>{}</b>", escape(owner)) };
    let body = format!(
        "<h1>Authorize <b>{name}</b> to access your account?</h1>\
<p>The application <b>{name}</b>{made_by} wants to act as <b>{login}</b>.</p>\
<p>It asks for: <code>{scope}</code></p>\
<p>Afterwards you are sent to <code>{redirect}</code>.</p>\n\
<form action=\"{base}/login/oauth/grant\" method=\"post\">{csrf}{fields}\
<div class=\"row\"><button type=\"submit\" id=\"authorize-app\" name=\"granted\" value=\"true\">Authorize application</button>\
<button type=\"submit\" class=\"plain\" name=\"granted\" value=\"false\">Cancel</button></div></form>",
        name = escape(&app.name),
        login = escape(login),
        scope = if scope.is_empty() { "full access".to_owned() } else { escape(scope) },
        redirect = escape(&asked.redirect_uri),
        base = escape(&site.base_path),
        csrf = csrf_field(site, csrf),
    );
    layout(site, "Authorize application", Some(login), "", &body)
}

pub(crate) fn new_password(site: &Site, csrf: &str, error: Option<&str>) -> String {
    let body = format!(
        "<h1>Update password</h1>{error}<p>You must change your password before you go on.</p>\
<form action=\"{base}/user/settings/change_password\" method=\"post\">{csrf}\
<label for=\"password\">New password</label><input type=\"password\" id=\"password\" name=\"password\" required>\
<label for=\"retype\">Confirm</label><input type=\"password\" id=\"retype\" name=\"retype\" required>\
<div class=\"row\"><button type=\"submit\">Update password</button></div></form>",
        error = error_box(error),
        base = escape(&site.base_path),
        csrf = csrf_field(site, csrf),
    );
    layout(site, "Update password", None, "", &body)
}

/// The hidden field, where the profile has one.
pub(crate) fn csrf_field(site: &Site, csrf: &str) -> String {
    if site.profile().csrf_in_forms() {
        format!("<input type=\"hidden\" name=\"_csrf\" value=\"{}\">", escape(csrf))
    } else {
        String::new()
    }
}

fn error_box(error: Option<&str>) -> String {
    error.map_or_else(String::new, |text| format!("<p class=\"error\">{}</p>", escape(text)))
}
