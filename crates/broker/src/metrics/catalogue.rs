//! Every metric there is: name, kind, labels, meaning. Registration, `docs/metrics.md` and the tests go by this table alone.

/// What a metric's numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Rises only. Its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations by size, in seconds.
    Histogram,
}

/// A label and what its values are. All values are words of ours: nothing that a stranger sends becomes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label {
    pub(crate) name: &'static str,
    pub(crate) values: &'static str,
}

/// A metric with `N` labels.
#[derive(Debug)]
pub(crate) struct Metric<const N: usize> {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: [Label; N],
    pub(crate) help: &'static str,
}

/// The same without the number of labels in its type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Description {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [Label],
    pub(crate) help: &'static str,
}

macro_rules! catalogue {
    ($($group:literal { $($id:ident: $kind:ident $name:literal [$($label:literal: $values:literal),*] $help:literal;)* })*) => {
        $($(
            pub(crate) static $id: Metric<{ <[&str]>::len(&[$($label),*]) }> = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: [$(Label { name: $label, values: $values }),*],
                help: $help,
            };
        )*)*
        /// All of them, in the order of the reference.
        pub(crate) static ALL: &[Description] = &[
            $($(Description { group: $group, name: $id.name, kind: $id.kind, labels: &$id.labels, help: $id.help },)*)*
        ];
    };
}

catalogue! {
    "HTTP" {
        HTTP_REQUESTS: Counter "fjmcp_http_requests_total"
            ["route": "the route as it is written in the program, such as `/mcp`, or `unmatched`", "method": "the method, or `other`", "status": "the status code, or `none` if the client left before there was an answer"]
            "Requests, counted when their answer begins";
        HTTP_DURATION: Histogram "fjmcp_http_request_duration_seconds"
            ["route": "as above"]
            "From the request's headers to the head of its answer; a stream counts until it begins";
    }
    "MCP" {
        MCP_REQUESTS: Counter "fjmcp_mcp_requests_total"
            ["era": "`legacy` (revisions with a handshake) or `modern` (2026-07-28)", "client": "family of the client by the name that it registered with: `claude`, `claude-code`, `chatgpt` and so on, `other`, or `unnamed`"]
            "POSTs to /mcp with a good token and a readable body";
        MCP_REFUSALS: Counter "fjmcp_mcp_refusals_total"
            ["reason": "a word for the reason, such as `unknown_session`, `start_failed` or `breaker_open`"]
            "Requests that the broker answered itself because it could not, or would not, ask a worker";
        BEARER_REFUSALS: Counter "fjmcp_bearer_refusals_total"
            ["reason": "`missing`, `malformed`, `unknown`, `expired`, `revoked`, `log_in_again`, `not_allowed`, `store` or `forgejo`"]
            "Requests to /mcp without a token that serves";
        CALL_DURATION: Histogram "fjmcp_call_duration_seconds"
            ["part": "`broker`: from the request to the worker's queue, the start of a worker included; `worker`: from there to its answer, the time at Forgejo included"]
            "How long calls to workers took, in two parts; Forgejo's part is fjmcp_forgejo_request_duration_seconds";
        CALLS: Gauge "fjmcp_calls" [] "Calls that wait for a worker's answer";
        STREAMS: Gauge "fjmcp_streams" [] "Event streams that clients read";
        MESSAGES_DROPPED: Counter "fjmcp_messages_dropped_total"
            ["reason": "`slow_client`, `no_stream` or `stale_progress`"]
            "Messages of workers that reached no client";
        LINES_SKIPPED: Counter "fjmcp_worker_lines_skipped_total"
            ["reason": "`too_long`, `not_a_message`, `unknown_id` or `late`"]
            "Lines of workers that meant nothing";
    }
    "Sessions and workers" {
        SESSIONS: Gauge "fjmcp_sessions"
            ["state": "`live`: with a running worker; `hibernated`: in the store only, or waiting in memory"]
            "Sessions of the era that has them";
        SESSION_EVENTS: Counter "fjmcp_session_events_total"
            ["event": "`created`, `hibernated` (the worker was stopped, the session stays), `revived` (it got a fresh worker) or `forgotten` (its connection or user had too many)"]
            "What happened to sessions";
        WORKERS: Gauge "fjmcp_workers" [] "Worker processes, those that are starting included";
        WORKER_STARTS: Counter "fjmcp_worker_starts_total"
            ["outcome": "`started` or `failed`"]
            "Starts of worker processes";
        WORKER_ENDS: Counter "fjmcp_worker_ends_total"
            ["cause": "`stopped` (by the broker), `exited` or `killed` (by a signal that the broker did not send)"]
            "Ends of worker processes";
        WORKER_EVENTS: Counter "fjmcp_worker_events_total"
            ["event": "`warm_used` (a worker that had been started ahead was given to somebody), `warm_lost` (it ended before), `overgrown` (too many threads or processes; ended for it), `killed` (did not end when asked to) or `orphan_killed` (something that a worker had left behind)"]
            "What else happened to workers";
        CAGE_RUNG: Gauge "fjmcp_cage_rung" [] "The rung of the cage that workers run on, 0 to 3";
        CAGE_REFUSALS: Counter "fjmcp_cage_refusals_total"
            ["attempt": "`foreign_peer`: a process that is no worker of ours came to the gateway; `wrong_capability`; `door`: a closed part of Forgejo's API; `read_only`: a write under a read-only grant; `grant_limits`: something that the grant does not include; `identity_field`: a form field that would take another identity; `foreign_redirect`: a redirect to a stranger"]
            "What workers tried at the gateway and were refused; what the kernel refuses them is not reported to anybody";
    }
    "Replicas" {
        REPLICAS: Gauge "fjmcp_replicas" [] "Brokers with a good lease at the database, this one included";
        HOPS: Counter "fjmcp_hops_total"
            ["outcome": "`answered`, `unavailable` (answered with 503), `not_mine` (the other one does not hold it any more), `unreachable`, or `lost` (the connection broke before the answer)"]
            "Requests passed on to the replica that holds their session or parked call";
        HOP_DURATION: Histogram "fjmcp_hop_duration_seconds" []
            "From passing a request on to the head of the other replica's answer";
        TAKEOVERS: Counter "fjmcp_takeovers_total" [] "Sessions taken over from a replica whose lease had run out";
        LEASES_LOST: Counter "fjmcp_leases_lost_total" [] "How often this replica has lost its lease and ended its sessions";
    }
    "Tokens and logins" {
        TOKENS_ISSUED: Counter "fjmcp_tokens_issued_total"
            ["grant_type": "`authorization_code`, `refresh_token`, or `replay` (the same pair again, within refresh-replay-window)"]
            "Pairs of tokens that were issued";
        TOKENS_REFUSED: Counter "fjmcp_tokens_refused_total"
            ["reason": "a word for the reason, such as `malformed`, `client`, `code`, `refresh_token`, `replayed`, `credential_dead`, `not_allowed`, `target`, `forgejo` or `store`"]
            "Token requests that were refused";
        AUDIT_EVENTS: Counter "fjmcp_audit_events_total"
            ["event": "the event as it stands in the audit log, such as `login_completed` or `grant_ended`"]
            "Events written to the audit log";
        AUDIT_LOST: Counter "fjmcp_audit_events_lost_total" [] "Events that are in the ordinary log only, because the store was too slow or away";
    }
    "Forgejo" {
        FORGEJO_DURATION: Histogram "fjmcp_forgejo_request_duration_seconds"
            ["class": "`read`, `write` or `download`"]
            "From sending a worker's request on to the head of Forgejo's answer";
        GATEWAY_REQUESTS: Counter "fjmcp_gateway_requests_total"
            ["class": "`read`, `write`, `download`, `probe` (answered by the broker itself), or `none` if it was refused before it had one", "outcome": "`2xx` to `5xx` of what the worker saw, `answered`, `refused`, `limited`, or `upstream_failed`"]
            "Requests of workers to Forgejo";
        FORGEJO_401: Counter "fjmcp_forgejo_unauthorized_total"
            ["retried": "`yes` or `no`"]
            "Answers 401 of Forgejo to a user's token";
        FORGEJO_REFRESHES: Counter "fjmcp_forgejo_refreshes_total"
            ["outcome": "`renewed`, `refused`, `client_rejected` (Forgejo does not accept our application) or `unreachable`"]
            "Refreshes of users' credentials at Forgejo";
        FORGEJO_CREDENTIALS: Counter "fjmcp_forgejo_credential_changes_total"
            ["change": "`died` (the user has to log in again) or `revived`"]
            "Changes in what users' credentials at Forgejo are good for";
    }
    "Limits" {
        LIMIT_HITS: Counter "fjmcp_limit_hits_total"
            ["limit": "the setting whose limit it was, such as `rate-limit-token` or `max-sessions`, or a name of a fixed one such as `worker_calls` or `gateway_requests`"]
            "How often a cap was hit";
    }
    "The broker itself" {
        BUILD_INFO: Gauge "fjmcp_build_info"
            ["version": "of the program", "revision": "of its source"]
            "Always 1";
        READY: Gauge "fjmcp_ready"
            ["part": "`store`, `key`, `forgejo`, `worker` or `replica` (its lease)"]
            "1 if the part was ready when /readyz or /metrics last looked, else 0";
        DATABASE_CONNECTIONS: Gauge "fjmcp_database_connections"
            ["state": "`used` or `idle`"]
            "Open connections to PostgreSQL, the one that listens not included; nothing with SQLite";
        DATABASE_WAITS: Counter "fjmcp_database_connection_requests_total" [] "How often a connection to PostgreSQL was asked for";
        DATABASE_WAIT_SECONDS: Counter "fjmcp_database_connection_wait_seconds_total" []
            "How long those who asked waited for it altogether; divided by the number of requests it tells whether database-connections is enough";
        RELOADS: Counter "fjmcp_reloads_total"
            ["outcome": "`applied` or `refused` (the configuration is broken; nothing was changed)"]
            "Reloads of the configuration by SIGHUP";
        START_TIME: Gauge "process_start_time_seconds" [] "When the process started, in seconds since the Unix epoch";
        CPU_SECONDS: Counter "process_cpu_seconds_total" [] "Processor time that the broker has used, its workers' not included";
        RESIDENT_BYTES: Gauge "process_resident_memory_bytes" [] "Resident memory of the broker, its workers' not included";
        OPEN_FDS: Gauge "process_open_fds" [] "Open descriptors";
        MAX_FDS: Gauge "process_max_fds" [] "Descriptors that may be open";
    }
}
