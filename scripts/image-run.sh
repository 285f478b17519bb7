#!/usr/bin/env bash
# Runs the image in the foreground, confined as the Quadlet unit does it. Ctrl-C ends it; the state stays in the volume.
#
# ENGINE    podman (default) or docker
# IMAGE     image to run (localhost/fjmcp-broker:latest)
# ENV_FILE  settings, as deploy/podman/fjmcp-broker.env.example (fjmcp-broker.env)
# PUBLISH   address and port of this machine (127.0.0.1:8080)
# VOLUME    volume of the state (fjmcp-state)
set -euo pipefail

engine=${ENGINE:-podman}
settings=${ENV_FILE:-fjmcp-broker.env}
if [ ! -e "$settings" ]; then
    echo "scripts/image-run.sh: there is no $settings; copy deploy/podman/fjmcp-broker.env.example and fill it in, or name another with ENV_FILE=" >&2
    exit 1
fi
# The unit's network: that of trusted-proxies in the example, from which a Forgejo on this very machine is reached by the machine's own address.
network=()
if [ "$engine" = podman ] && [ "$(id -u)" != 0 ]; then network=(--network pasta:-a,10.89.77.2,-n,24,-g,10.89.77.1); fi
exec "$engine" run "${network[@]}" --rm --name fjmcp-broker-run --env-file "$settings" --publish "${PUBLISH:-127.0.0.1:8080}:8080" \
    --volume "${VOLUME:-fjmcp-state}:/data" --read-only --tmpfs /tmp:rw,size=16m,noexec,nosuid,nodev \
    --cap-drop ALL --security-opt no-new-privileges --stop-timeout 20 "$@" "${IMAGE:-localhost/fjmcp-broker:latest}"
