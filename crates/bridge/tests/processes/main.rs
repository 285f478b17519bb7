//! Workers as real processes: how they are prepared, how they end, and what is left of them.
//!
//! This binary is also the launcher of the workers it starts, and each of the [`roles`], so it has a main of its own.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "this is a test program")]

use std::process::ExitCode;

mod environment;
mod failures;
mod gateway;
mod harness;
mod hostile;
mod house;
mod leaks;
mod orphans;
mod parent_death;
mod programs;
mod roles;
mod stderr;
mod stop;
mod sweep;
mod workers;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    match args.peek().and_then(|first| first.to_str()) {
        Some(bridge::launcher::SUBCOMMAND) => bridge::launcher::run(args.skip(1)),
        Some(roles::SUBCOMMAND) => roles::run(args.skip(1)),
        _ => harness::run(args, &tests()),
    }
}

fn tests() -> Vec<harness::Test> {
    harness::tests![
        environment::a_worker_sees_exactly_the_environment_of_its_profile,
        environment::a_worker_runs_in_a_prepared_process,
        environment::with_the_cage_off_a_worker_is_still_set_apart,
        environment::the_command_line_and_the_descriptors_carry_no_secret,
        failures::a_missing_program_stops_the_start_and_is_named,
        failures::a_program_that_vanished_is_a_clear_spawn_error,
        failures::a_missing_launcher_is_a_clear_spawn_error,
        failures::a_program_without_its_interpreter_is_told_in_the_exit_report,
        failures::running_out_of_descriptors_is_told_as_exhaustion_and_passes,
        failures::a_launcher_with_another_parent_than_told_does_not_run_the_program,
        failures::a_launcher_says_why_it_cannot_run_a_program,
        hostile::a_hostile_worker_gets_nothing_on_rungs_two_and_three,
        leaks::two_hundred_workers_leave_no_zombie_descriptor_or_task,
        orphans::orphans_are_reaped_and_workers_statuses_are_not_taken,
        parent_death::a_worker_dies_with_a_broker_that_is_killed_on_every_rung,
        parent_death::a_worker_outlives_the_thread_that_asked_for_it,
        parent_death::a_hardened_broker_still_starts_workers,
        programs::forgejo_mcp_and_its_kin_live_on_every_rung,
        programs::interpreters_live_on_every_rung_with_what_their_profile_allows,
        stderr::stderr_is_logged_with_its_label_and_without_secrets,
        stderr::the_exit_report_has_the_last_message,
        stderr::a_flood_on_stderr_does_not_block_the_worker,
        stderr::a_process_that_escaped_with_the_pipe_does_not_delay_the_report_for_ever,
        stop::closing_stdin_is_enough_for_a_worker_that_reads_it,
        stop::a_worker_that_does_not_read_stdin_gets_sigterm,
        stop::a_worker_that_ignores_sigterm_is_killed,
        stop::grandchildren_in_the_group_end_with_the_worker,
        stop::grandchildren_end_when_the_worker_was_killed_by_somebody_else,
        stop::dropping_a_process_ends_it,
        stop::stop_may_be_called_by_many_and_again,
        stop::a_shorter_grace_overtakes_a_longer_one,
        stop::shutdown_ends_all_and_refuses_more,
        stop::a_runtime_that_ends_takes_its_workers_along,
        sweep::a_start_ends_what_the_run_file_names,
        sweep::the_run_file_names_a_worker_while_it_lives,
    ]
}
