//! gateway.md §2: the answer.

use super::{Case::Answered, Case::ShownBy, Line};
use crate::credentials::tests::{self as credentials, refusal};
use crate::gateway::tests::fake::{json, redirect, status};
use crate::gateway::tests::{downloads, identity, limits, pool, requests, streams};

pub(super) const LINES: &[Line] = &[
    Line {
        says: "§2 a redirect to the same Forgejo is rewritten inwards and judged anew",
        cases: &[
            Answered {
                forgejo: |_| redirect(307, "https://git.example/api/v1/repos/new/b?token=x&page=2"),
                holds: |answer| {
                    answer.starts_with("HTTP/1.1 307")
                        && answer.contains("\r\nlocation: http://GATEWAY/api/v1/repos/new/b?page=2\r\n")
                },
            },
            Answered {
                forgejo: |_| redirect(302, "/api/v1/admin/users"),
                holds: |answer| answer.starts_with("HTTP/1.1 403") && !answer.contains("location"),
            },
            // An address is judged, and given to the worker, without its dot segments.
            Answered {
                forgejo: |_| redirect(302, "/api/v1/repos/%2e%2e/admin/users"),
                holds: |answer| answer.starts_with("HTTP/1.1 403") && !answer.contains("location"),
            },
            // The origin is compared as parsed: userinfo, another port, another scheme and a longer name are strangers.
            Answered {
                forgejo: |_| redirect(302, "https://git.example@evil.example/api/v1/user"),
                holds: |answer| answer.starts_with("HTTP/1.1 403") && answer.contains("evil.example"),
            },
            Answered {
                forgejo: |_| redirect(302, "https://git.example:8443/api/v1/user"),
                holds: |answer| answer.starts_with("HTTP/1.1 403"),
            },
            Answered {
                forgejo: |_| redirect(302, "http://git.example/api/v1/user"),
                holds: |answer| answer.starts_with("HTTP/1.1 403"),
            },
            Answered {
                forgejo: |_| redirect(302, "https://git.example.evil.example/api/v1/user"),
                holds: |answer| answer.starts_with("HTTP/1.1 403"),
            },
            ShownBy(downloads::a_redirect_within_forgejo_is_judged_anew),
        ],
    },
    Line {
        says: "§2 a storage origin on the operator's list is fetched without any credential",
        cases: &[
            ShownBy(downloads::storage_on_the_operators_list_is_fetched_without_any_credential),
            ShownBy(downloads::storage_that_points_elsewhere_is_not_followed),
        ],
    },
    Line {
        says: "§2 any other redirect is a 403 in Forgejo's shape, neither followed nor passed on",
        cases: &[
            Answered {
                forgejo: |_| redirect(302, "https://evil.example/x?signature=1"),
                holds: |answer| {
                    answer.starts_with("HTTP/1.1 403")
                        && answer.contains(r#"{"message":""#)
                        && answer.contains("evil.example")
                        && !answer.contains("signature")
                        && !answer.contains("location")
                },
            },
            Answered {
                forgejo: |_| redirect(302, "javascript:alert(1)"),
                holds: |answer| answer.starts_with("HTTP/1.1 403"),
            },
            Answered {
                forgejo: |_| redirect(302, "//evil.example/x"),
                holds: |answer| answer.starts_with("HTTP/1.1 403"),
            },
            ShownBy(downloads::a_redirect_to_a_stranger_is_neither_followed_nor_passed_on),
        ],
    },
    Line {
        says: "§2 browser_download_url of the same Forgejo is rewritten inwards",
        cases: &[
            Answered {
                forgejo: |_| json(r#"[{"browser_download_url":"https://git.example/attachments/x"}]"#),
                holds: |answer| answer.contains(r#"[{"browser_download_url":"http://GATEWAY/attachments/x"}]"#),
            },
            Answered {
                forgejo: |_| json(r#"[{"browser_download_url":"https://evil.example/x"}]"#),
                holds: |answer| answer.contains(r#"[{"browser_download_url":"https://evil.example/x"}]"#),
            },
        ],
    },
    Line {
        says: "§2 nothing else changes",
        cases: &[
            Answered {
                forgejo: |_| json("{ \"html_url\" : \"https://git.example/a/b\",\n \"n\":12345678901234567890.50 }"),
                holds: |answer| {
                    answer.contains("{ \"html_url\" : \"https://git.example/a/b\",\n \"n\":12345678901234567890.50 }")
                },
            },
            Answered {
                forgejo: |_| json(r#"{"body":"\"browser_download_url\":\"https://git.example/x\""}"#),
                holds: |answer| answer.contains(r#"{"body":"\"browser_download_url\":\"https://git.example/x\""}"#),
            },
            Answered {
                forgejo: |_| super::with_header("link", "<https://git.example/x?page=2>; rel=\"next\""),
                holds: |answer| answer.contains("\r\nlink: <https://git.example/x?page=2>; rel=\"next\"\r\n"),
            },
            Answered {
                forgejo: |_| status(422, r#"{"message":"of Forgejo"}"#),
                holds: |answer| answer.starts_with("HTTP/1.1 422") && answer.contains(r#"{"message":"of Forgejo"}"#),
            },
            ShownBy(downloads::the_bytes_of_files_are_never_rewritten),
            ShownBy(requests::json_bodies_pass_unchanged),
        ],
    },
    Line {
        says: "§2 a 401 of Forgejo: one refresh, at most one forced per user and minute",
        cases: &[
            ShownBy(identity::after_a_401_the_request_is_sent_once_more_with_the_new_token),
            ShownBy(refusal::a_second_401_within_a_minute_asks_forgejo_and_does_not_refresh),
            ShownBy(credentials::sixteen_calls_at_expiry_make_one_refresh),
        ],
    },
    Line {
        says: "§2 then one retry of a request whose body was kept whole",
        cases: &[
            ShownBy(identity::after_a_401_the_request_is_sent_once_more_with_the_new_token),
            ShownBy(identity::a_streamed_body_is_not_sent_twice),
            ShownBy(identity::a_body_of_a_mebibyte_is_sent_twice_and_a_longer_one_is_not),
        ],
    },
    Line {
        says: "§2 a 401 to a living credential is a 403 of ours, without Forgejo's text",
        cases: &[
            Answered {
                forgejo: |seen| {
                    let token = seen.header("authorization").unwrap_or_default();
                    status(401, &format!(r#"{{"message":"access token does not exist [sha: {token}]"}}"#))
                },
                holds: |answer| answer.starts_with("HTTP/1.1 403") && !answer.contains("sha:"),
            },
            ShownBy(identity::a_second_401_becomes_a_403_of_our_own),
            ShownBy(identity::a_dead_credential_tells_the_user_to_log_in_again),
        ],
    },
    Line {
        says: "§2 streams both ways at flat memory",
        cases: &[
            ShownBy(streams::a_hundred_mebibytes_go_up),
            ShownBy(streams::a_hundred_mebibytes_come_down),
            ShownBy(streams::a_hundred_mebibytes_of_json_come_down),
        ],
    },
    Line {
        says: "§2 bounded time to the first byte and between bytes",
        cases: &[
            ShownBy(limits::a_mute_forgejo_is_a_504_in_forgejos_shape),
            ShownBy(limits::an_answer_that_stops_in_the_middle_is_broken_off),
            ShownBy(limits::a_worker_that_stops_sending_its_body_is_told_so),
            ShownBy(limits::a_forgejo_that_stops_taking_a_body_is_a_504),
            ShownBy(limits::a_worker_that_does_not_read_its_answer_loses_its_place),
            ShownBy(limits::a_slow_header_ends_the_connection),
        ],
    },
    Line {
        says: "§2 connections to Forgejo are pooled across workers",
        cases: &[ShownBy(pool::workers_share_the_connections_to_forgejo)],
    },
    Line {
        says: "§2 limits per user, counted: requests a minute, at once, bytes",
        cases: &[
            ShownBy(limits::a_user_with_too_many_requests_is_told_when_to_come_back),
            ShownBy(limits::requests_at_once_are_capped_and_the_place_is_given_back),
            ShownBy(limits::bytes_in_both_directions_count),
            ShownBy(limits::refusals_count_as_requests),
            ShownBy(limits::a_limit_is_one_users_and_not_his_neighbours),
        ],
    },
    Line {
        says: "§2 a wrong capability is a 401 in Forgejo's shape, counted, audited after a few",
        cases: &[
            ShownBy(identity::wrong_capabilities_get_a_401_in_forgejos_shape_and_are_audited_after_a_few),
            ShownBy(identity::a_dropped_capability_is_refused),
        ],
    },
];
