//! gateway.md §3: what a grant allows.

use super::{Case::Refused, Case::ShownBy, Line};
use crate::gateway::doors::tests as groups;
use crate::gateway::policy::tests as policy;
use crate::gateway::repositories::{members, names, references, sieve::tests as sieve, tests as table};
use crate::gateway::tests::{chosen, doors};

pub(super) const LINES: &[Line] = &[
    Line {
        says: "§3 read-only is GET, HEAD and the few POSTs that only render",
        cases: &[
            ShownBy(policy::a_read_only_grant_gets_get_and_head),
            ShownBy(policy::a_read_only_grant_may_render),
            ShownBy(doors::a_read_only_grant_reads_and_renders_but_never_writes),
            ShownBy(doors::a_method_override_does_not_turn_a_read_into_a_write),
        ],
    },
    Line {
        says: "§3 nobody gets credentials and doors, whatever the method",
        cases: &[
            Refused("GET /api/v1/admin/cron", 403),
            Refused("POST /api/v1/admin/users/alice/keys", 403),
            Refused("GET /api/v1/users/alice/tokens", 403),
            Refused("DELETE /api/v1/users/alice/tokens/1", 403),
            Refused("GET /api/v1/user/keys", 403),
            Refused("DELETE /api/v1/user/gpg_keys/1", 403),
            Refused("GET /api/v1/user/gpg_key_token", 403),
            Refused("POST /api/v1/user/gpg_key_verify", 403),
            Refused("PATCH /api/v1/user/applications/oauth2/1", 403),
            Refused("GET /api/v1/user/emails", 403),
            Refused("GET /api/v1/user/hooks/1", 403),
            Refused("PUT /api/v1/user/actions/secrets/X", 403),
            Refused("GET /api/v1/user/actions/runners/registration-token", 403),
            Refused("GET /api/v1/repos/a/b/actions/runners/registration-token", 403),
            Refused("GET /api/v1/repos/a/b/actions/secrets", 403),
            Refused("PUT /api/v1/orgs/o/actions/variables/X", 403),
            Refused("GET /api/v1/repos/a/b/hooks", 403),
            Refused("POST /api/v1/repos/a/b/hooks/1/tests", 403),
            Refused("GET /api/v1/orgs/o/hooks", 403),
            Refused("GET /api/v1/repos/a/b/keys/1", 403),
            Refused("GET /api/v1/repos/a/b/push_mirrors", 403),
            Refused("POST /api/v1/repos/a/b/push_mirrors-sync", 403),
            Refused("PUT /api/v1/repos/a/b/collaborators/bob", 403),
            Refused("POST /api/v1/repos/a/b/transfer", 403),
            Refused("POST /api/v1/repos/a/b/transfer/accept", 403),
            Refused("POST /api/v1/repos/migrate", 403),
            Refused("GET /api/v1/activitypub/user-id/1", 403),
            ShownBy(groups::every_closed_door_belongs_to_its_group),
            ShownBy(doors::every_closed_door_is_shut_for_every_method),
        ],
    },
    Line {
        says: "§3 unless the operator opens the group",
        cases: &[
            ShownBy(doors::an_open_group_is_reachable_and_the_others_stay_shut),
            ShownBy(policy::the_operator_opens_a_group_and_only_that),
        ],
    },
    Line {
        says: "§3 chosen repositories are default-deny by table of path templates, known templates only",
        cases: &[
            ShownBy(table::a_line_is_found_for_what_forgejo_mcp_asks),
            ShownBy(table::what_the_table_does_not_know_has_no_line),
            ShownBy(chosen::what_is_outside_is_refused_by_name_in_every_spelling_and_by_id),
        ],
    },
    Line {
        says: "§3 kept by Forgejo id; the name is checked against the id, so a rename hands over nothing",
        cases: &[
            ShownBy(chosen::a_renamed_repository_is_found_under_its_new_name_and_the_old_name_opens_nothing),
            ShownBy(chosen::the_new_name_of_a_repository_that_was_not_chosen_is_not_told),
            ShownBy(chosen::whoever_writes_asks_anew_what_a_name_means),
            ShownBy(names::tests::a_name_is_believed_for_less_than_a_minute),
            ShownBy(chosen::a_forgejo_that_does_not_say_what_a_name_means_lets_nothing_through),
        ],
    },
    Line {
        says: "§3 the gateway reads the limits at each request",
        cases: &[
            ShownBy(chosen::the_limits_are_read_at_every_request),
            ShownBy(chosen::an_answer_that_comes_after_the_limits_were_changed_is_not_passed_on),
        ],
    },
    Line {
        says: "§3 fork, generate, transfer, rename and sync_fork are refused",
        cases: &[ShownBy(chosen::what_makes_moves_or_joins_repositories_is_refused)],
    },
    Line {
        says: "§3 and so is any body or ref that names another repository",
        cases: &[
            ShownBy(chosen::a_request_that_names_another_repository_in_its_body_is_refused),
            ShownBy(chosen::a_request_that_names_a_chosen_repository_in_its_body_is_forwarded),
            ShownBy(chosen::a_comparison_with_another_repository_is_refused),
            ShownBy(chosen::what_would_write_to_a_pull_requests_own_branch_asks_whose_it_is),
            ShownBy(chosen::a_merge_does_not_carry_out_what_a_strangers_commit_says_about_another_repository),
            ShownBy(chosen::no_lines_of_another_repositorys_files_are_rendered),
            ShownBy(references::tests::addresses_of_files_that_would_be_shown_are_found),
            ShownBy(chosen::a_merge_leaves_a_branch_of_another_repository_only_if_it_says_so),
            ShownBy(chosen::what_is_written_has_to_be_json_that_can_be_judged),
            ShownBy(chosen::a_large_json_body_is_judged_too),
            ShownBy(members::tests::a_member_that_go_would_read_in_another_spelling_or_twice_is_unclear),
            ShownBy(references::tests::references_to_issues_of_other_repositories_are_found),
        ],
    },
    Line {
        says: "§3 answers lose what is not chosen: timeline, dependencies, blocks, head.repo, parent, forks",
        cases: &[
            ShownBy(sieve::a_repository_is_judged_by_its_id_wherever_it_stands),
            ShownBy(sieve::the_parent_of_a_fork_and_the_fork_behind_a_pull_request_are_taken_out),
            ShownBy(sieve::issues_and_events_about_others_go_as_a_whole),
            ShownBy(sieve::a_mention_in_a_commit_of_another_repository_goes),
            ShownBy(sieve::the_event_behind_a_run_is_looked_into),
            ShownBy(sieve::an_address_within_another_repository_than_the_values_own_is_emptied),
            ShownBy(chosen::events_that_point_elsewhere_are_left_out_of_the_timeline),
            ShownBy(chosen::an_answer_too_large_to_be_looked_through_is_refused_and_a_file_is_not),
        ],
    },
    Line {
        says: "§3 totals included",
        cases: &[
            ShownBy(chosen::lists_across_repositories_hold_only_chosen_ones_and_so_do_their_totals),
            ShownBy(chosen::a_list_of_many_pages_is_read_to_its_end),
            ShownBy(chosen::conditions_and_parts_of_sieved_answers_do_not_reach_forgejo),
        ],
    },
    Line {
        says: "§3 outside: lists filtered by repository id, rendering, and /repositories/{id} by id",
        cases: &[
            ShownBy(sieve::an_item_of_a_list_across_repositories_has_to_say_of_which_it_is),
            ShownBy(chosen::a_notification_is_changed_only_if_it_is_about_a_chosen_repository),
            ShownBy(chosen::rendering_is_in_the_light_of_chosen_repositories_only),
            ShownBy(chosen::a_chosen_repository_is_reached_by_name_and_by_id),
            ShownBy(chosen::an_answer_by_id_that_is_about_another_repository_is_not_passed_on),
        ],
    },
    Line {
        says: "§3 an attachment only if the gateway saw its uuid, for this grant, in an answer about a chosen repository",
        cases: &[
            ShownBy(chosen::an_attachment_is_served_once_a_chosen_repositorys_answer_has_shown_it),
            ShownBy(table::an_attachment_is_judged_by_its_uuid_wherever_it_stands),
            ShownBy(sieve::attachments_are_noted_with_the_repository_that_they_were_shown_for),
        ],
    },
];
