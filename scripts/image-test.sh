#!/usr/bin/env bash
# The whole container path, in a Debian of its own that is booted for it and thrown away: the image from stand-ins of its base images (no
# registry is asked), the Quadlet unit under a real `systemctl --user` with rootless podman, a login and a tool call, and then what happens to a
# deployment: restart, crash, upgrade, roll back, backup, restore, a volume that moves, a reboot. Ends with 0 only if every step held.
#
# As root, on Debian 12 or newer with this project's build tools; installs mmdebstrap and systemd-container. About 3 GB below WORK.
#
# WORK     where to work (a new folder below /var/tmp). What is already there of an earlier run is used, and stays.
# BROKER   a built fjmcp-broker, linked statically, to put into the image: the broker's stage is not run then
# PROFILE  `release` builds the broker as it is shipped; the default leaves out what only makes it faster, which saves most of the time
# FJMCP    a forgejo-mcp, linked statically, to put into the image (FORGEJO_MCP_BINARY, else the tests' own fixture child)
set -euo pipefail
cd "$(dirname "$0")/.."
readonly source=$PWD

readonly public=127.0.0.1:8080 sim_port=23900
readonly url=http://$public
# The ordinary user of the machine; a number that nobody has outside.
readonly uid=54321

say() { printf '\n== %s\n' "$*"; }
die() {
    echo "scripts/image-test.sh: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || die "run as root: it boots a machine of its own"
if curl -s -o /dev/null -m 2 "$url/"; then die "something listens on $public already"; fi

if [ -n "${WORK:-}" ]; then
    mkdir -p "$WORK"
    work=$(realpath "$WORK") keep=yes
else
    work=$(mktemp -d /var/tmp/fjmcp-image-test.XXXXXX) keep=no
fi
readonly work keep

machine='' sim=''
clean_up() {
    local status=$?
    if [ -n "$sim" ]; then kill "$sim" 2>/dev/null || true; fi
    if [ -n "$machine" ]; then
        kill -TERM "$machine" 2>/dev/null || true
        wait "$machine" 2>/dev/null || true
    fi
    if [ "$keep" = no ]; then rm -rf --one-file-system "$work"; fi
    if [ "$status" != 0 ]; then echo "scripts/image-test.sh: failed" >&2; fi
}
trap clean_up EXIT

# inside COMMAND...: as the machine's root
inside() { nsenter -t "$leader" -m -p -u -i -C env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"; }

# user SCRIPT: as the machine's ordinary user, in his home
user() {
    inside setpriv --reuid "$uid" --regid "$uid" --init-groups env HOME=/home/keeper USER=keeper XDG_RUNTIME_DIR=/run/user/$uid \
        DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus bash -euo pipefail -c "cd; $1"
}

boot() {
    # Each option has its reason: cgroups of version 2 only, /proc/sys writable for rootless podman, keyrings and Landlock for containers.
    SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -q -D "$work/box" --register=no --keep-unit \
        --capability=all --bind="$work/tun:/dev/net/tun" --bind-ro="$work/share:/mnt/share" --bind-ro="$(rustc --print sysroot):/mnt/rust" \
        --system-call-filter='add_key keyctl bpf landlock_create_ruleset landlock_add_rule landlock_restrict_self' \
        -b </dev/null >"$work/console.log" 2>&1 &
    machine=$!
    for _ in $(seq 600); do
        leader=$(pgrep -P "$machine" | head -n 1 || true)
        if [ -n "$leader" ] && inside test -S /run/user/$uid/bus 2>/dev/null; then return; fi
        sleep 0.1
    done
    tail -n 20 "$work/console.log" >&2
    die "the machine did not boot"
}

power_off() {
    inside systemctl poweroff
    wait "$machine" || true
    machine=''
}

# healthy [URL]
healthy() {
    for _ in $(seq 300); do
        if curl -sf -m 2 "${1:-$url}/healthz" >"$work/health.json"; then
            grep -q '"store":"ok"' "$work/health.json" || die "the store is not ok: $(cat "$work/health.json")"
            return
        fi
        sleep 0.2
    done
    user 'journalctl --user -u fjmcp-broker -o cat --no-pager -n 30' >&2 || true
    die "the broker did not become healthy"
}

# client login|again [URL]
client() { python3 "$source/tests/deploy/client.py" "$1" "${2:-$url}" "$work/client.json"; }

# password: of the stand-in's administrator
password() { python3 -c 'import json, sys; print(next(a["password"] for a in json.load(open(sys.argv[1]))["accounts"] if a["login"] == "root"))' "$work/sim.json"; }

say "the machine and the stand-ins of the base images"
missing=()
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
if [ "${#missing[@]}" -gt 0 ]; then
    apt-get -qq -o DPkg::Lock::Timeout=600 update
    apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${missing[@]}" >/dev/null
fi
mkdir -p "$work/share"
# shellcheck disable=SC2016 # apt's own placeholders
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -v security | head -n 1)
bootstrap() { mmdebstrap -q --variant=apt --include="$1" trixie "$2" "deb $mirror trixie main"; }
if [ ! -e "$work/box/usr/bin/kill" ]; then
    rm -rf "$work/box"
    bootstrap ca-certificates,systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,podman,crun,netavark,aardvark-dns,passt,uidmap,catatonit,procps,podman-compose,nftables,curl "$work/box"
fi
if [ ! -s "$work/share/tools.tar" ]; then bootstrap ca-certificates,gcc,libc6-dev,musl-tools,make,golang-go,caddy,curl "$work/share/tools.tar"; fi
if [ ! -e "$work/box/home/keeper" ]; then
    units=$work/box/etc/systemd/system
    for unit in systemd-udevd systemd-networkd systemd-networkd-wait-online systemd-resolved systemd-timesyncd console-getty getty@tty1 systemd-modules-load; do
        ln -sf /dev/null "$units/$unit.service"
    done
    for timer in apt-daily apt-daily-upgrade; do ln -sf /dev/null "$units/$timer.timer"; done
    mkdir -p "$units/multi-user.target.wants" "$work/box/var/lib/systemd/linger"
    ln -sf /usr/lib/systemd/system/network-online.target "$units/multi-user.target.wants/"
    : >"$work/box/etc/machine-id"
    chroot "$work/box" useradd -m -u "$uid" -s /bin/bash keeper
    touch "$work/box/var/lib/systemd/linger/keeper"
fi
home=$work/box/home/keeper
mkdir -p "$home/.config/containers" "$home/crates/registry" "$home/objects"
# This machine's own limits, not the deployment's: no pids controller, and hard limits that cannot be raised.
printf '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\npids_limit = 0\n' >"$home/.config/containers/containers.conf"

# distroless/static: certificates, users, folders.
runtime=$work/runtime
rm -rf "$runtime"
mkdir -p "$runtime/etc/ssl/certs" "$runtime/home/nonroot" "$runtime/tmp"
cp /etc/ssl/certs/ca-certificates.crt "$runtime/etc/ssl/certs/"
printf 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$runtime/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$runtime/etc/group"
chmod 1777 "$runtime/tmp"
chown 65532:65532 "$runtime/home/nonroot"
tar -C "$runtime" -cf "$work/share/runtime.tar" .

say "the sources, the crates and a worker program"
rm -rf "$work/share/src" "$work/share/child"
mkdir -p "$work/share/src" "$work/share/child/out/licences"
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - --ignore-failed-read | tar -C "$work/share/src" -xf -
cargo fetch --locked --quiet
# buildah gives every file the same old time, by which cargo does not see that sources have changed since an earlier run.
for crate in crates/*/; do
    find "$home/objects" -path "*/.fingerprint/$(basename "$crate")-*" -prune -exec rm -rf {} +
done
# Packed, because some crates unpack to files that only their owner can read.
for part in cache index; do cp -r "${CARGO_HOME:-$HOME/.cargo}/registry/$part" "$home/crates/registry/"; done
chroot "$work/box" chown -R keeper: /home/keeper/crates /home/keeper/objects /home/keeper/.config
child=${FJMCP:-${FORGEJO_MCP_BINARY:-}}
child=${child%%:*}
if [ -z "$child" ]; then
    RUSTFLAGS='-C target-feature=+crt-static' cargo build --quiet -p fixture-child --target "$(uname -m)-unknown-linux-gnu"
    child=${CARGO_TARGET_DIR:-target}/$(uname -m)-unknown-linux-gnu/debug/fixture-child
fi
install -m 755 "$child" "$work/share/child/out/forgejo-mcp"
echo "a stand-in" >"$work/share/child/out/licences/INVENTORY"
for module in codeberg.org/goern/forgejo-mcp/v2@v2.18.0 git.b4mad.industries/agentic-forges/forgejo-mcp/v2@v2.34.1; do
    python3 tests/deploy/goproxy.py "$work/share/goproxy" "${module%@*}" "${module#*@}"
done
if rustc --print target-libdir --target "$(uname -m)-unknown-linux-musl" 2>/dev/null | xargs test -d; then libc=musl; else libc=gnu; fi
target=$(uname -m)-unknown-linux-$libc
flags=''
if [ "$libc" = gnu ]; then flags='-C target-feature=+crt-static'; fi
echo "worker $child, target $target"

say "boot"
[ -e "$work/tun" ] || mknod "$work/tun" c 10 200
chmod 666 "$work/tun"
# An earlier run's unit would start with the machine, and its state belongs to another stand-in.
rm -rf "$home/.config/containers/systemd" "$home/.config/fjmcp-broker"
boot
user 'podman rm -af >/dev/null; podman volume rm -af >/dev/null'

say "base images"
user 'podman import -q -c "ENV PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" -c "ENV CARGO_HOME=/usr/local/cargo" \
        /mnt/share/tools.tar docker.io/library/rust:1.95-alpine >/dev/null
    podman tag docker.io/library/rust:1.95-alpine docker.io/library/golang:1.26-alpine
    podman import -q -c "USER 65532:65532" /mnt/share/runtime.tar gcr.io/distroless/static-debian12:nonroot >/dev/null
    rm -rf src && cp -r /mnt/share/src src'

say "the Go stage, with a module of our own under both paths"
for version in 2.18.0 2.34.1; do
    user "podman build -q --pull=never --network=none -v /mnt/share/goproxy:/goproxy:ro --build-arg GOPROXY=file:///goproxy \
            --build-arg GONOSUMDB='*' --build-arg FORGEJO_MCP_VERSION=$version --target fjmcp -t localhost/go-stage src >/dev/null
        podman run --rm --network=none localhost/go-stage /out/forgejo-mcp" | tee "$work/stage.txt"
    grep -qx "forgejo-mcp version v$version" "$work/stage.txt" || die "the Go stage made something else"
done

contexts='--build-context fjmcp=/mnt/share/child'
revision='revision: abcdef012345'
if [ -n "${BROKER:-}" ]; then
    mkdir -p "$work/share/broker/out/data" "$work/share/broker/out/licences"
    install -m 755 "$BROKER" "$work/share/broker/out/fjmcp-broker"
    echo "a stand-in" >"$work/share/broker/out/licences/INVENTORY"
    contexts+=' --build-context broker=/mnt/share/broker'
    revision='revision: '
fi

# Objects of an earlier run in the same WORK are used again.
inputs="-v /mnt/rust:/opt/rust:ro -v /home/keeper/crates/registry:/usr/local/cargo/registry:rw -v /home/keeper/objects:/target:rw"
profile=''
if [ "${PROFILE:-quick}" != release ]; then
    for setting in LTO=off CODEGEN_UNITS=16 OPT_LEVEL=1 DEBUG=false; do profile+=" --build-arg CARGO_PROFILE_RELEASE_$setting"; done
fi

# build VERSION
build() {
    user "cd src && IMAGE=${image:-localhost/fjmcp-broker} VERSION=$1 REVISION=abcdef012345 SOURCE_DATE_EPOCH=1767225600 scripts/image.sh --pull=never --network=none $contexts \
        $inputs $profile --build-arg CARGO_NET_OFFLINE=true --build-arg CARGO_TARGET=$target --build-arg RUSTFLAGS='$flags' --layers" >"$work/build.log" 2>&1 || {
        tail -n 30 "$work/build.log" >&2
        die "the image did not build"
    }
}
say "the image"
build 1
# The next version, as an operator gets it by `git pull` and `make image`: under its own name only, until it is his turn.
build 2
# shellcheck disable=SC2016 # for the machine's shell
user 'podman tag localhost/fjmcp-broker:1 localhost/fjmcp-broker:latest
    podman run --rm --network=none localhost/fjmcp-broker:latest version
    podman image inspect localhost/fjmcp-broker:latest --format "{{.Size}} bytes, user {{.User}}, labels {{.Labels}}"
    if podman run --rm --network=none --entrypoint /bin/sh localhost/fjmcp-broker:latest -c true 2>/dev/null; then echo "there is a shell"; exit 1; fi
    id=$(podman create localhost/fjmcp-broker:latest); podman export $id | tar -tvf - >files.txt; podman rm $id >/dev/null
    grep -E "^---x--x--x +0/0 .* usr/local/bin/forgejo-mcp$" files.txt
    grep -qE "usr/share/licenses/fjmcp-broker/INVENTORY$" files.txt
    grep -E "^d.* 65532/65532 .* data/$" files.txt' | tee "$work/image.txt"
grep -q "^$revision" "$work/image.txt" && grep -q '^built: 20' "$work/image.txt" || die "the program is not stamped"

say "Forgejo's stand-in, and the settings"
address=$(ip -4 route get 198.51.100.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p' | head -n 1)
[ -n "$address" ] || die "this machine has no address besides loopback, so no container can reach Forgejo's stand-in"
RUSTFLAGS='-C target-feature=+crt-static' cargo build --quiet -p forgejo-sim --bin forgejo-sim --target "$(uname -m)-unknown-linux-gnu"
standin=${CARGO_TARGET_DIR:-target}/$(uname -m)-unknown-linux-gnu/debug/forgejo-sim
rm -f "$work/sim.json"
"$standin" --listen "0.0.0.0:$sim_port" --root-url "http://$address:$sim_port" \
    --json >"$work/sim.json" 2>/dev/null &
sim=$!
for _ in $(seq 600); do
    if [ -s "$work/sim.json" ]; then break; fi
    sleep 0.1
done
[ -s "$work/sim.json" ] || die "Forgejo's stand-in did not start"
# As docs/deploy-podman.md says, but with a password, which the stand-in has and tells.
rm -f "$home/.config/fjmcp-broker/env"
user 'mkdir -p ~/.config/fjmcp-broker ~/.config/containers/systemd'
password |
    user "podman run --rm -i --userns=keep-id:uid=65532,gid=65532 -v ~/.config/fjmcp-broker:/settings --network=pasta:-a,10.89.77.2,-n,24,-g,10.89.77.1 localhost/fjmcp-broker:latest \
        forgejo-app create --env-file /settings/env --user root --password-file - --public-url $url --forgejo-url http://$address:$sim_port"
[ "$(stat -c '%a %u' "$home/.config/fjmcp-broker/env")" = "600 $uid" ] || die "the file of settings is not private, or not the user's"
setting() { sed -n "s/^FJMCP_BROKER_$1=//p" "$home/.config/fjmcp-broker/env"; }
cp deploy/podman/fjmcp-broker.container deploy/podman/fjmcp-state.volume "$home/.config/containers/systemd/"
chroot "$work/box" chown -R keeper: /home/keeper/.config

say "the unit"
user '/usr/libexec/podman/quadlet -dryrun -user >/dev/null
    mkdir -p generated && /usr/libexec/podman/quadlet -user generated
    systemd-analyze --user --man=no --recursive-errors=no verify generated/fjmcp-broker.service
    systemctl --user daemon-reload; systemctl --user start fjmcp-broker; systemctl --user is-active fjmcp-broker'
healthy
cat "$work/health.json"
echo
user 'podman exec fjmcp-broker /usr/local/bin/fjmcp-broker healthcheck >/dev/null
    podman inspect fjmcp-broker --format "health {{.State.Health.Status}}"
    podman top fjmcp-broker user huser pid args capeff seccomp' | tee "$work/top.txt"
grep -qx 'health healthy' "$work/top.txt" || die "podman does not think it is healthy"
grep -Eq "^nonroot +$uid +.*none +filter" "$work/top.txt" || die "the process has another user, or more rights than it should"

say "a login, a session, a tool call"
client login
user 'journalctl --user -u fjmcp-broker -o cat --no-pager' >"$work/journal.txt"
grep -o '"message":"workers will run on rung.*' "$work/journal.txt" | tail -n 1
grep -Eq '"worker.rung":[23]' "$work/journal.txt" || die "workers are not caged inside the container"
grep -q '"client.ip":"10\.89\.77\.' "$work/journal.txt" || die "requests do not come from the network that the example trusts"

say "the doctor, inside"
user 'podman exec fjmcp-broker /usr/local/bin/fjmcp-broker doctor' | tee "$work/doctor.txt"

say "a secret in the log, or where everybody can look?"
user 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" " " || true' >"$work/ps.txt"
user 'cat .config/containers/systemd/fjmcp-broker.container; systemctl --user cat fjmcp-broker' >"$work/unit.txt"
for secret in "$(setting FORGEJO_OAUTH_CLIENT_SECRET)" "$(setting ENCRYPTION_KEYS)" "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["refresh_token"])' "$work/client.json")"; do
    for place in journal doctor ps unit; do
        [ -s "$work/$place.txt" ] || die "$work/$place.txt is empty"
        if grep -qF -- "$secret" "$work/$place.txt"; then die "a secret is in $work/$place.txt"; fi
    done
done

say "restart"
user 'systemctl --user restart fjmcp-broker'
healthy
client again

say "a crash"
user 'podman kill -s KILL fjmcp-broker >/dev/null'
healthy
client again

say "upgrade by auto-update, and roll back"
running() { user 'podman inspect fjmcp-broker --format "{{index .Config.Labels \"org.opencontainers.image.version\"}}"'; }
[ "$(running)" = 1 ] || die "version $(running) runs, not 1"
user 'podman tag localhost/fjmcp-broker:2 localhost/fjmcp-broker:latest; podman auto-update --dry-run; podman auto-update'
healthy
[ "$(running)" = 2 ] || die "version $(running) runs, not 2"
client again
user 'podman tag localhost/fjmcp-broker:1 localhost/fjmcp-broker:latest; systemctl --user restart fjmcp-broker'
healthy
[ "$(running)" = 1 ] || die "version $(running) runs, not 1"
client again

say "backup and restore"
# shellcheck disable=SC2016 # for the machine's shell
user 'rm -rf fjmcp-backups; mkdir -p ~/fjmcp-backups; file=broker-$(date +%F).db
    run="podman run --rm --network=none --userns=keep-id:uid=65532,gid=65532 -v fjmcp-state:/data -v $HOME/fjmcp-backups:/backups"
    $run localhost/fjmcp-broker:latest backup /backups/$file
    [ "$(stat -c %a-%U fjmcp-backups/$file)" = 600-keeper ]
    if $run localhost/fjmcp-broker:latest restore /backups/$file 2>restore.txt; then echo "it restored under a running broker"; exit 1; fi
    grep "stop it first" restore.txt
    systemctl --user stop fjmcp-broker
    $run:ro localhost/fjmcp-broker:latest restore /backups/$file
    systemctl --user start fjmcp-broker'
healthy
client again
user 'podman exec fjmcp-broker fjmcp-broker keys list; podman exec fjmcp-broker fjmcp-broker admin stats'

say "a volume that moves"
user 'systemctl --user stop fjmcp-broker
    podman volume export fjmcp-state --output fjmcp-state.tar
    podman volume rm fjmcp-state >/dev/null; podman volume create fjmcp-state >/dev/null
    podman volume import fjmcp-state fjmcp-state.tar
    systemctl --user restart fjmcp-state-volume fjmcp-broker'
healthy
client again

say "a missing env file is told"
user 'systemctl --user stop fjmcp-broker; mv .config/fjmcp-broker/env env.away
    if systemctl --user start fjmcp-broker 2>/dev/null; then echo "it started without settings"; exit 1; fi
    mv env.away .config/fjmcp-broker/env; systemctl --user reset-failed fjmcp-broker'

say "power off and boot"
power_off
if curl -s -m 1 -o /dev/null "$url/healthz"; then die "it still answers"; fi
boot
healthy
client again

say "make image-run"
user 'systemctl --user stop fjmcp-broker; cd src
    ENV_FILE=~/.config/fjmcp-broker/env PUBLISH=127.0.0.1:8080 VOLUME=fjmcp-run scripts/image-run.sh --detach >/dev/null'
healthy
client login
user 'podman top fjmcp-broker-run user huser capeff; podman stop fjmcp-broker-run >/dev/null; podman volume rm fjmcp-run >/dev/null'

say "the other target, with a program in the place of forgejo-mcp-rs"
mkdir -p "$work/share/child-rs/out/bin"
install -m 755 "$child" "$work/share/child-rs/out/bin/forgejo-mcp-rs"
contexts+=' --build-context fjmcp-rs=/mnt/share/child-rs --target with-rs' image=localhost/fjmcp-broker-rs build 1
user 'podman run --rm --network=none --entrypoint /usr/local/bin/forgejo-mcp-rs localhost/fjmcp-broker-rs:1 --version || true
    podman image inspect localhost/fjmcp-broker-rs:1 --format "{{.Config.Env}}" | grep FJMCP_BROKER_WORKER_PROFILE=forgejo-mcp-rs'

say "a first try with compose: stand-ins of Forgejo and Caddy's image, the broker, a user"
mkdir -p "$work/share/try"
install -m 755 "$standin" "$work/share/try/forgejo-sim"
cp tests/deploy/forgejo "$work/share/try/"
# shellcheck disable=SC2016 # for the machine's shell
user 'mkdir -p try; cp /mnt/share/try/* try/; cd try
    printf "FROM docker.io/library/rust:1.95-alpine\nCOPY forgejo-sim forgejo /usr/local/bin/\nENTRYPOINT [\"forgejo-sim\",\"--listen\",\"0.0.0.0:3000\",\"--root-url\",\"http://localhost:3000\"]\n" |
        podman build -q --pull=never -t localhost/forgejo-standin -f - . >/dev/null
    printf "FROM docker.io/library/rust:1.95-alpine\nCMD [\"caddy\",\"run\",\"--config\",\"/etc/caddy/Caddyfile\",\"--adapter\",\"caddyfile\"]\n" |
        podman build -q --pull=never -t localhost/caddy-standin -f - . >/dev/null
    cd ~/src/deploy/compose
    export FORGEJO_IMAGE=localhost/forgejo-standin CADDY_IMAGE=localhost/caddy-standin
    podman-compose config >/dev/null
    rm -f broker.env; ./set-up; [ "$(stat -c %a broker.env)" = 600 ]
    podman-compose up -d >/dev/null 2>&1'
healthy http://localhost:8080
client login http://localhost:8080
user 'podman exec compose_broker_1 /usr/local/bin/fjmcp-broker doctor; podman logs compose_broker_1 2>&1' >"$work/compose.txt"
grep -q '"client.ip":"10\.89\.78\.' "$work/compose.txt" || die "requests do not come from the network that the example trusts"
user 'cd src/deploy/compose; podman-compose down -v >/dev/null 2>&1'

say "the bare program under systemd"
readonly bare=http://127.0.0.1:18081
# shellcheck disable=SC2016 # for the machine's shell
user 'id=$(podman create localhost/fjmcp-broker:1); podman cp "$id:/usr/local/bin/fjmcp-broker" bare-broker; podman rm "$id" >/dev/null'
install -m 755 "$home/bare-broker" "$work/box/usr/local/bin/fjmcp-broker"
install -m 111 "$child" "$work/box/usr/local/bin/forgejo-mcp"
cp deploy/systemd/fjmcp-broker.service "$work/box/etc/systemd/system/"
rm -rf "$work/box/etc/fjmcp-broker" "$work/box/var/lib/private/fjmcp-broker"
password | inside bash -euc "umask 077; mkdir /etc/fjmcp-broker; cd /etc/fjmcp-broker
    /usr/local/bin/fjmcp-broker forgejo-app create --env-file all --user root --password-file - --public-url $bare --forgejo-url http://$address:$sim_port
    sed -n s/^FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_SECRET=//p all >client-secret; sed -n s/^FJMCP_BROKER_ENCRYPTION_KEYS=//p all >encryption-keys
    grep -v -e _CLIENT_SECRET= -e _ENCRYPTION_KEYS= all >env; rm all; echo FJMCP_BROKER_LISTEN=${bare#http://} >>env
    systemctl daemon-reload; systemctl start fjmcp-broker
    systemd-analyze verify /etc/systemd/system/fjmcp-broker.service
    systemd-analyze security --threshold=20 fjmcp-broker | tail -n 1"
healthy "$bare"
client login "$bare"
inside journalctl -u fjmcp-broker -o cat --no-pager | grep -Eo '"worker.rung":[23]' | tail -n 1 || die "workers are not caged under the unit"
inside systemctl restart fjmcp-broker
healthy "$bare"
client again "$bare"
inside systemctl stop fjmcp-broker

power_off
say "every step held"
