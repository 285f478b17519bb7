#!/usr/bin/env bash
# Runs a command in a network namespace of its own, which has nothing but its loopback and ends with it. There nft drops the packets of all
# ports in the set `cut` of the table `farm`, so that the command can partition whatever listens. Needs root, iproute2 and nftables.
set -euo pipefail
for program in ip nft unshare; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || { echo "$program is missing (apt-get install iproute2 nftables util-linux)" >&2; exit 1; }
done
export PATH="$PATH:/usr/sbin:/sbin"
# shellcheck disable=SC2016
exec unshare --net bash -c '
    set -euo pipefail
    ip link set lo up
    nft -f - <<<"table inet farm {
        set cut { type inet_service; }
        chain packets { type filter hook input priority 0; tcp dport @cut drop; tcp sport @cut drop; }
    }"
    exec "$@"' netns "$@"
