//! Lists across repositories. Forgejo can't be asked for chosen ones, so a list is read to its end, sieved, and paged anew.

use http::{HeaderMap, Method, Response};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    super::{
        answer::{AnswerBody, Passage},
        body::Outgoing,
        exchange::forwarded_url,
        path::TargetPath,
        refusal::Refusal,
        upstream::{self, Forward},
    },
    Limited, answers,
    sieve::Sieve,
};

/// Pages that are read at most; what is beyond them is not shown.
const MOST_PAGES: usize = 40;
/// Items per page: as many as Forgejo gives at most, unless its operator decided otherwise.
const PAGE: usize = 50;
/// Items on a page of a client that names no number.
const DEFAULT_PAGE: usize = 30;

/// What a list came to.
pub(super) enum Listed {
    Items {
        items: Vec<Value>,
        /// Whether Forgejo wrapped them, as its searches do.
        wrapped: bool,
    },
    /// Forgejo refused.
    Refused(upstream::Answer),
}

/// Answers the list that was asked for. `attributed`: every item has to say which repository it is about.
pub(super) async fn answer(
    limited: &Limited<'_>,
    headers: &HeaderMap,
    passage: Passage,
    attributed: bool,
) -> Result<Response<AnswerBody>, Refusal> {
    let query = pairs(limited.query);
    match gather(limited, limited.path, &query, headers, &passage, attributed).await? {
        Listed::Items { items, wrapped } => {
            limited.still_holds()?;
            let total = items.len();
            let shown = page_of(items, &query);
            Ok(answers::made(limited.shared, limited.method, &answers::wrapped(shown, wrapped), Some(total)))
        }
        Listed::Refused(answer) => answers::pass(limited, answer, passage, false).await,
    }
}

/// Counts the unread notifications about chosen repositories.
pub(super) async fn unread_count(
    limited: &Limited<'_>,
    headers: &HeaderMap,
    passage: Passage,
) -> Result<Response<AnswerBody>, Refusal> {
    let path = TargetPath::parse("/api/v1/notifications")?;
    let query = [("status-types".to_owned(), "unread".to_owned())];
    match gather(limited, &path, &query, headers, &passage, true).await? {
        Listed::Items { items, .. } => {
            limited.still_holds()?;
            Ok(answers::made(limited.shared, limited.method, &json!({ "new": items.len() }), None))
        }
        Listed::Refused(answer) => answers::pass(limited, answer, passage, false).await,
    }
}

async fn gather(
    limited: &Limited<'_>,
    path: &TargetPath,
    query: &[(String, String)],
    headers: &HeaderMap,
    passage: &Passage,
    attributed: bool,
) -> Result<Listed, Refusal> {
    let (mut kept, mut last, mut read, mut bytes_left) = (Vec::new(), Vec::new(), 0, answers::LARGEST);
    let mut is_wrapped = false;
    for page in 1..=MOST_PAGES {
        if page > 1 {
            limited.shared.limits.count(&limited.who.user)?;
        }
        let url = forwarded_url(limited.shared, path, Some(&page_query(query, page)))?;
        let forward = Forward { method: Method::GET, url, headers: headers.clone(), body: Outgoing::None };
        let answer = upstream::send(limited.shared, &limited.who.user, forward).await?;
        if !answer.status().is_success() {
            if page == 1 {
                return Ok(Listed::Refused(answer));
            }
            return Err(Refusal::Unreadable("a list broke off in the middle"));
        }
        let total = answers::total(&answer);
        let (value, size) = answers::read_counted(answer, limited.shared, bytes_left).await?;
        passage.permit.spend(size);
        let Some((items, wrapped)) = answers::items(value) else {
            return Err(Refusal::Unreadable("it is not a list"));
        };
        is_wrapped = wrapped;
        // The same page again: this list has no pages.
        if items.is_empty() || items == last {
            break;
        }
        read += items.len();
        last = items;
        let before = kept.len();
        sift(limited, last.clone(), attributed, &mut kept).await?;
        if kept.len() > before {
            bytes_left = bytes_left.saturating_sub(size);
        }
        if total.is_some_and(|total| read >= total) {
            break;
        }
    }
    Ok(Listed::Items { items: kept, wrapped: is_wrapped })
}

async fn sift(
    limited: &Limited<'_>,
    items: Vec<Value>,
    attributed: bool,
    kept: &mut Vec<Value>,
) -> Result<(), Refusal> {
    let names = answers::chosen_names(limited, &items).await?;
    let repository_at = |address: &str| limited.shared.repository_at(address);
    let mut sieve = Sieve::new(answers::known(limited, &names, &repository_at));
    for mut item in items {
        if if attributed { sieve.keeps_attributed(&mut item) } else { sieve.keeps(&mut item) } {
            kept.push(item);
        }
    }
    answers::note(limited, &sieve);
    Ok(())
}

fn page_query(query: &[(String, String)], page: usize) -> String {
    let mut written = form_urlencoded::Serializer::new(String::new());
    written.extend_pairs(query.iter().filter(|(name, _)| !is_paging(name)));
    written.append_pair("page", &page.to_string()).append_pair("limit", &PAGE.to_string());
    // Spaces as everywhere else: a plus sign is read in more than one way.
    written.finish().replace('+', "%20")
}

fn is_paging(name: &str) -> bool {
    ["page", "limit"].iter().any(|paging| name.eq_ignore_ascii_case(paging))
}

pub(super) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

fn page_of(items: Vec<Value>, query: &[(String, String)]) -> Vec<Value> {
    let number = |name: &str| {
        let value = query.iter().find(|(present, _)| present == name)?.1.parse::<usize>().ok()?;
        Some(value).filter(|value| *value > 0)
    };
    let limit = number("limit").unwrap_or(DEFAULT_PAGE).min(PAGE);
    let before = (number("page").unwrap_or(1) - 1).saturating_mul(limit);
    items.into_iter().skip(before).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_like_forgejos() {
        let items: Vec<Value> = (0..70).map(Value::from).collect();
        let cut = |query: &str| -> Vec<Value> { page_of(items.clone(), &pairs(Some(query))) };
        assert_eq!((cut("").len(), cut("page=3").len(), cut("page=4").len()), (30, 10, 0));
        assert_eq!(
            (cut("limit=0").len(), cut("limit=500").len(), cut("page=0&limit=1")[0].clone()),
            (30, 50, json!(0))
        );
        assert_eq!(cut("page=2&limit=5"), [5, 6, 7, 8, 9].map(Value::from));
        assert!(cut("page=18446744073709551615&limit=50").is_empty());
    }

    #[test]
    fn the_pages_that_are_read_are_the_gateways_own() {
        let query = pairs(Some("q=a%20b&page=9&Limit=1&limit=2&type=issues"));
        assert_eq!(page_query(&query, 3), "q=a%20b&type=issues&page=3&limit=50");
    }
}
