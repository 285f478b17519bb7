#!/usr/bin/env bash
# Builds the image from this tree and stamps it with what it was built from. More arguments go to the build: image.sh --target with-rs
#
# ENGINE               podman (default) or docker
# IMAGE                name without tag (localhost/fjmcp-broker); tagged with the version and with `latest`
# FORGEJO_MCP_VERSION  version of forgejo-mcp inside (2.18.0); FORGEJO_MCP_MODULE, GOPROXY, RUST_IMAGE, GO_IMAGE and
#                      RUNTIME_IMAGE go through to the Containerfile, too
# VERSION, REVISION, SOURCE_DATE_EPOCH   what is stamped, where there is no git to ask
set -euo pipefail
cd "$(dirname "$0")/.."

engine=${ENGINE:-podman}
image=${IMAGE:-localhost/fjmcp-broker}
command -v "$engine" >/dev/null || {
    echo "scripts/image.sh: there is no $engine; install it, or name another with ENGINE=" >&2
    exit 1
}

version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
revision=${REVISION:-$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)}
epoch=${SOURCE_DATE_EPOCH:-$(git show --no-patch --format=%ct HEAD 2>/dev/null || date +%s)}
child=${FORGEJO_MCP_VERSION:-2.18.0}
# forgejo-mcp is MIT up to 2.28 and GPL-3.0 from 2.29.0 on.
licences='MIT'
if [ "$(printf '%s\n' "${child#v}" 2.29.0 | sort -V | tail -n 1)" = "${child#v}" ]; then licences='MIT AND GPL-3.0-only'; fi

arguments=(
    --tag "$image:$version" --tag "$image:latest"
    --build-arg "REVISION=$revision"
    --build-arg "SOURCE_DATE_EPOCH=$epoch"
    --build-arg "FORGEJO_MCP_VERSION=$child"
    --label "org.opencontainers.image.version=$version"
    --label "org.opencontainers.image.revision=$revision"
    --label "org.opencontainers.image.created=$(date --utc --date "@$epoch" +%Y-%m-%dT%H:%M:%SZ)"
    --label "org.opencontainers.image.licenses=$licences"
)
for name in FORGEJO_MCP_MODULE GOPROXY RUST_IMAGE GO_IMAGE RUNTIME_IMAGE; do
    if [ -n "${!name:-}" ]; then arguments+=(--build-arg "$name=${!name}"); fi
done
# The same tree gives the same image.
if [ "$engine" = podman ]; then arguments+=(--timestamp "$epoch"); fi

"$engine" build --file Containerfile "${arguments[@]}" "$@" .
echo "$image:$version"
