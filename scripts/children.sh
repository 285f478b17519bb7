#!/usr/bin/env bash
# Finds or installs the programs that the broker starts as workers, into .children (ignored by git).
#
#   scripts/children.sh               find, install what is missing
#   scripts/children.sh --no-install  find only
#
# Prints one line per program: which one, which version, and why that one, or why it is skipped. Writes the same to
# .children/children.json for the tests and the demo:
#   {"children":[{"name","profile","version","path","arguments","allowed_paths","why"}],"skipped":[{"name","reason"}]}
# `name` is unique, `profile` is the broker's worker profile, the order is that of preference; `allowed_paths` is what the program
# reads besides its own file.
#
# A missing program is no failure, a setting that cannot be followed is (exit 1).
#
# FORGEJO_MCP_BINARY    paths of forgejo-mcp programs, separated by colons; all of them are taken
# FORGEJO_MCP_VERSION   version to install where no program is found (2.18.0)
# FORGEJO_MCP_RS_BINARY path of a forgejo-mcp-rs
# FIXTURE_CHILD_BINARY  path of a built fixture-child (otherwise cargo builds it)
set -euo pipefail
cd "$(dirname "$0")/.."

go_version="${FORGEJO_MCP_VERSION:-2.18.0}" go_version="${go_version#v}"
readonly go_version
readonly rs_version=0.27.0
readonly dir="$PWD/.children"
# Seconds: to ask a module proxy about a version; to fetch and build the Go program; to fetch and build the Rust one.
readonly ask_seconds=30 go_seconds=600 rs_seconds=1500
# And for what comes ready from npm or PyPI.
readonly package_seconds=300

install=yes
case "${1:-}" in
    '') ;;
    --no-install) install=no ;;
    *)
        echo "usage: scripts/children.sh [--no-install]" >&2
        exit 2
        ;;
esac

mkdir -p "$dir"
exec 9>"$dir/lock"
if command -v flock >/dev/null; then flock 9; fi

children='' skipped=''
# What the next program that is taken may read besides its own file.
allowed_paths=()

# json TEXT: the text as a JSON string. Paths and messages only; control characters become spaces.
json() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//[[:cntrl:]]/ }"
}

# take NAME PROFILE VERSION PATH WHY [ARGUMENT...]
take() {
    local name=$1 profile=$2 version=$3 path=$4 why=$5 arguments='' allowed='' word
    shift 5
    for word in "$@"; do arguments+="${arguments:+,}$(json "$word")"; done
    for word in ${allowed_paths[@]+"${allowed_paths[@]}"}; do allowed+="${allowed:+,}$(json "$word")"; done
    allowed_paths=()
    echo "$name: $path ($why)"
    children+="${children:+,
    }{\"name\":$(json "$name"),\"profile\":$(json "$profile"),\"version\":$(json "$version"),\"path\":$(json "$path"),\"arguments\":[$arguments],\"allowed_paths\":[$allowed],\"why\":$(json "$why")}"
}

# skip NAME REASON
skip() {
    echo "$1: skipped: $2"
    skipped+="${skipped:+,
    }{\"name\":$(json "$1"),\"reason\":$(json "$2")}"
}

fail() {
    echo "scripts/children.sh: $1" >&2
    exit 1
}

# version_of PATH: what `forgejo-mcp version` says, without the v; "unknown" if it says nothing usable
version_of() {
    local said
    said=$(timeout 10 "$1" version </dev/null 2>/dev/null) || said=''
    said=${said##* }
    said=${said#v}
    if [[ $said =~ ^[0-9]+\.[0-9]+\.[0-9] ]]; then echo "$said"; else echo unknown; fi
}

# take_go PATH WHY: a forgejo-mcp by its own account of its version
take_go() {
    local version
    version=$(version_of "$1")
    local name="forgejo-mcp $version"
    # Two programs of one version would share a name.
    if [[ $children == *"$(json "$name")"* ]]; then name+=" ($1)"; fi
    take "$name" forgejo-mcp "$version" "$1" "$2"
}

# module VERSION: the module path changed with 2.32.1
module() {
    local newest
    newest=$(printf '%s\n' "$1" 2.32.1 | sort -V | tail -n 1)
    if [[ $newest == "$1" ]]; then
        echo git.b4mad.industries/agentic-forges/forgejo-mcp/v2
    else
        echo codeberg.org/goern/forgejo-mcp/v2
    fi
}

# reason STATUS SECONDS LOG: why a command failed: its last line that says something, or that its time was up
reason() {
    local said
    if [[ $1 == 124 ]]; then
        echo "not done after $2 seconds"
    else
        said=$(grep -v '^[[:space:]]*$' "$3" | tail -n 1 | sed 's/^[[:space:]]*//' | cut -c 1-300 || true)
        echo "${said:-status $1}"
    fi
}

install_go() {
    local name="forgejo-mcp $go_version" root="$dir/forgejo-mcp-$go_version" log="$dir/forgejo-mcp.log" module
    module=$(module "$go_version")
    if [[ -x $root/forgejo-mcp ]]; then
        take_go "$root/forgejo-mcp" "installed earlier"
        return
    fi
    if [[ $install == no ]]; then
        skip "$name" "FORGEJO_MCP_BINARY is unset, none on PATH, and nothing is to be installed"
        return
    fi
    if ! command -v go >/dev/null; then
        skip "$name" "FORGEJO_MCP_BINARY is unset, none on PATH, and there is no go to install it"
        return
    fi
    # Asking first costs one request and finds out at once whether the proxy serves the module at all.
    local -x GIT_TERMINAL_PROMPT=0 GOFLAGS=-mod=mod
    local status=0
    (cd "$dir" && timeout "$ask_seconds" go list -m "$module@v$go_version") >"$log" 2>&1 </dev/null || status=$?
    if [[ $status != 0 ]]; then
        skip "$name" "go cannot get $module@v$go_version: $(reason "$status" "$ask_seconds" "$log")"
        return
    fi
    echo "forgejo-mcp $go_version: building $module with $(go env GOVERSION)" >&2
    (cd "$dir" && CGO_ENABLED=0 GOBIN="$root" timeout "$go_seconds" go install -ldflags '-s -w' "$module@v$go_version") \
        >"$log" 2>&1 </dev/null || status=$?
    if [[ $status == 0 ]]; then
        take_go "$root/forgejo-mcp" "FORGEJO_MCP_BINARY is unset, none on PATH, so go installed it"
    else
        skip "$name" "go install $module@v$go_version failed: $(reason "$status" "$go_seconds" "$log")"
    fi
}

forgejo_mcp() {
    local path paths
    if [[ -n ${FORGEJO_MCP_BINARY:-} ]]; then
        IFS=: read -r -a paths <<<"$FORGEJO_MCP_BINARY"
        for path in "${paths[@]}"; do
            [[ -n $path ]] || continue
            [[ -f $path && -x $path ]] || fail "FORGEJO_MCP_BINARY names $path, which is no program"
            take_go "$(realpath "$path")" "named by FORGEJO_MCP_BINARY"
        done
    elif path=$(command -v forgejo-mcp); then
        take_go "$path" "found on PATH"
    else
        install_go
    fi
}

forgejo_mcp_rs() {
    local name="forgejo-mcp-rs $rs_version" root="$dir/forgejo-mcp-rs-$rs_version" log="$dir/forgejo-mcp-rs.log"
    local path="$root/bin/forgejo-mcp-rs"
    if [[ -n ${FORGEJO_MCP_RS_BINARY:-} ]]; then
        [[ -f $FORGEJO_MCP_RS_BINARY && -x $FORGEJO_MCP_RS_BINARY ]] || fail "FORGEJO_MCP_RS_BINARY names $FORGEJO_MCP_RS_BINARY, which is no program"
        # The program cannot tell its version.
        take forgejo-mcp-rs forgejo-mcp-rs unknown "$(realpath "$FORGEJO_MCP_RS_BINARY")" "named by FORGEJO_MCP_RS_BINARY"
        return
    fi
    if [[ -x $path ]] && grep -q "\"forgejo-mcp-rs $rs_version " "$root/.crates.toml"; then
        take "$name" forgejo-mcp-rs "$rs_version" "$path" "installed earlier"
        return
    fi
    if [[ $install == no ]]; then
        skip "$name" "not installed, and nothing is to be installed"
        return
    fi
    if ! command -v cargo >/dev/null; then
        skip "$name" "there is no cargo to install it"
        return
    fi
    echo "forgejo-mcp-rs $rs_version: building, which takes some minutes" >&2
    # Unlocked: the lock file that 0.27.0 ships does not resolve. Without debug information it builds in half the time.
    local status=0
    CARGO_PROFILE_DEV_DEBUG=false CARGO_NET_RETRY=3 CARGO_HTTP_TIMEOUT=30 CARGO_TARGET_DIR="$dir/build" \
        timeout "$rs_seconds" cargo install --quiet --debug --version "$rs_version" --root "$root" forgejo-mcp-rs \
        >"$log" 2>&1 </dev/null || status=$?
    if [[ $status == 0 ]]; then
        rm -rf "$dir/build"
        take "$name" forgejo-mcp-rs "$rs_version" "$path" "cargo installed it"
    else
        skip "$name" "cargo install failed: $(reason "$status" "$rs_seconds" "$log")"
    fi
}

fixture() {
    local path=${FIXTURE_CHILD_BINARY:-} why="named by FIXTURE_CHILD_BINARY" habits log="$dir/fixture-child.log"
    if [[ -n $path ]]; then
        [[ -f $path && -x $path ]] || fail "FIXTURE_CHILD_BINARY names $path, which is no program"
        path=$(realpath "$path")
    else
        path="$(realpath -m "${CARGO_TARGET_DIR:-target}")/debug/fixture-child"
        why="built here"
        if [[ $install == yes ]] && command -v cargo >/dev/null && ! cargo build --quiet -p fixture-child >"$log" 2>&1 </dev/null; then
            cat "$log" >&2
            fail "cargo build -p fixture-child failed"
        fi
        if [[ ! -x $path ]]; then
            skip fixture-child "not built"
            return
        fi
    fi
    for habits in 2.18.0 2.34.1; do
        take "fixture-child as $habits" forgejo-mcp "$habits" "$path" "$why" --habits "$habits"
    done
}

# --- MCP servers of npm and PyPI, pinned in tests/children

problem=''
# logged LOG COMMAND...: runs it with its stderr kept; on failure `problem` is the last thing it said
logged() {
    local log="$dir/$1.log" status=0
    shift
    "$@" 2>"$log" </dev/null || status=$?
    if [[ $status == 0 ]]; then return 0; fi
    problem=$(reason "$status" "$package_seconds" "$log")
    return 1
}

# version_in FILE NAME: the version that package.json or a requirements file pins
version_in() { sed -nE "s~^ *\"?$2\"?(==|: \")([^\",]+).*~\2~p" "$1" | head -n 1; }

npm_children() {
    local everything=@modelcontextprotocol/server-everything package name node root="$dir/npm"
    local sources="$PWD/tests/children" profile
    for package in gitea-mcp "$everything"; do
        name="$package $(version_in "$sources/package.json" "$package") (npm)"
        if [[ $package == gitea-mcp ]]; then profile=gitea-mcp-npm; else profile=custom; fi
        if ! cmp -s "$sources/package-lock.json" "$root/installed.json"; then
            if [[ $install == no ]]; then
                skip "$name" "not installed, and nothing is to be installed"
                continue
            fi
            mkdir -p "$root"
            cp "$sources/package.json" "$sources/package-lock.json" "$sources/.npmrc" "$root/"
            if ! logged npm timeout "$package_seconds" npm ci --prefix "$root" --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null; then
                skip "$name" "npm ci failed: $problem"
                continue
            fi
            cp "$sources/package-lock.json" "$root/installed.json"
        fi
        if ! logged node scripts/node.sh 9>&- >"$dir/node.path"; then
            skip "$name" "$problem"
            continue
        fi
        node=$(<"$dir/node.path")
        allowed_paths=("$root")
        if [[ $package == gitea-mcp ]]; then
            take "$name" "$profile" "$(version_in "$sources/package.json" "$package")" "$node" "npm installed it" "$root/node_modules/gitea-mcp/dist/stdio.js"
        else
            take "$name" "$profile" "$(version_in "$sources/package.json" "$package")" "$node" "npm installed it" "$root/node_modules/$package/dist/index.js"
        fi
    done
}

python_child() {
    local package=$1 profile=$2 requirements="$PWD/tests/children/$1.txt" root="$dir/$1" name python
    name="$package $(version_in "$requirements" "$package") (PyPI)"
    if [[ $install == no ]] && ! cmp -s "$requirements" "$root/installed.txt"; then
        skip "$name" "not installed, and nothing is to be installed"
        return
    fi
    if ! logged "$package" scripts/python.sh "$root" "$requirements" 9>&- >"$dir/python.path"; then
        skip "$name" "$problem"
        return
    fi
    python=$(<"$dir/python.path")
    # The standard library is that of the interpreter from which the environment was made.
    mapfile -t allowed_paths < <("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib")); print(sysconfig.get_config_var("LIBDIR"))')
    allowed_paths+=("$root")
    take "$name" "$profile" "$(version_in "$requirements" "$package")" "$root/bin/$package" "pip installed it"
}

forgejo_mcp
forgejo_mcp_rs
npm_children
python_child gitea-mcp gitea-mcp-python
python_child gitea-toolkit-mcp gitea-toolkit-mcp
fixture

cat >"$dir/children.json.new" <<JSON
{
  "children": [
    $children
  ],
  "skipped": [
    $skipped
  ]
}
JSON
mv "$dir/children.json.new" "$dir/children.json"
