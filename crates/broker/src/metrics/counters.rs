//! The counters by the names under which the program knows them.

use prometheus_client::registry::Registry;

use super::catalogue as c;
use super::families::{Counts, Levels, Reading, Times};
use crate::build_info::BUILD;

macro_rules! counters {
    ($($field:ident: $kind:ident<$n:literal> = $id:ident,)*) => {
        /// One field for each metric of the catalogue.
        pub(crate) struct Counters {
            $(pub(crate) $field: $kind<$n>,)*
            pub(super) cpu_seconds: Reading,
            pub(super) database_waits: Reading,
            pub(super) database_wait_seconds: Reading,
        }

        impl Counters {
            pub(super) fn register(registry: &mut Registry) -> Self {
                let counters = Self {
                    $($field: $kind::register(&c::$id, registry),)*
                    cpu_seconds: Reading::register(&c::CPU_SECONDS, registry),
                    database_waits: Reading::register(&c::DATABASE_WAITS, registry),
                    database_wait_seconds: Reading::register(&c::DATABASE_WAIT_SECONDS, registry),
                };
                counters.build_info.set([BUILD.version, BUILD.revision], 1.0);
                counters
            }

            /// Gives every family a series.
            #[cfg(test)]
            pub(super) fn touch_all(&self) {
                $(self.$field.touch();)*
            }
        }
    };
}

counters! {
    http_requests: Counts<3> = HTTP_REQUESTS,
    http_duration: Times<1> = HTTP_DURATION,
    mcp_requests: Counts<2> = MCP_REQUESTS,
    mcp_refusals: Counts<1> = MCP_REFUSALS,
    bearer_refusals: Counts<1> = BEARER_REFUSALS,
    call_duration: Times<1> = CALL_DURATION,
    calls: Levels<0> = CALLS,
    streams: Levels<0> = STREAMS,
    messages_dropped: Counts<1> = MESSAGES_DROPPED,
    lines_skipped: Counts<1> = LINES_SKIPPED,
    sessions: Levels<1> = SESSIONS,
    session_events: Counts<1> = SESSION_EVENTS,
    workers: Levels<0> = WORKERS,
    worker_starts: Counts<1> = WORKER_STARTS,
    worker_ends: Counts<1> = WORKER_ENDS,
    worker_events: Counts<1> = WORKER_EVENTS,
    cage_rung: Levels<0> = CAGE_RUNG,
    cage_refusals: Counts<1> = CAGE_REFUSALS,
    replicas: Levels<0> = REPLICAS,
    hops: Counts<1> = HOPS,
    hop_duration: Times<0> = HOP_DURATION,
    takeovers: Counts<0> = TAKEOVERS,
    leases_lost: Counts<0> = LEASES_LOST,
    tokens_issued: Counts<1> = TOKENS_ISSUED,
    tokens_refused: Counts<1> = TOKENS_REFUSED,
    audit_events: Counts<1> = AUDIT_EVENTS,
    audit_lost: Counts<0> = AUDIT_LOST,
    forgejo_duration: Times<1> = FORGEJO_DURATION,
    gateway_requests: Counts<2> = GATEWAY_REQUESTS,
    forgejo_unauthorized: Counts<1> = FORGEJO_401,
    forgejo_refreshes: Counts<1> = FORGEJO_REFRESHES,
    forgejo_credentials: Counts<1> = FORGEJO_CREDENTIALS,
    limit_hits: Counts<1> = LIMIT_HITS,
    build_info: Levels<2> = BUILD_INFO,
    ready: Levels<1> = READY,
    database_connections: Levels<1> = DATABASE_CONNECTIONS,
    reloads: Counts<1> = RELOADS,
    start_time: Levels<0> = START_TIME,
    resident_bytes: Levels<0> = RESIDENT_BYTES,
    open_fds: Levels<0> = OPEN_FDS,
    max_fds: Levels<0> = MAX_FDS,
}
