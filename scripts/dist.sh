#!/usr/bin/env bash
# A release: a static binary in a tarball, a .deb, an SBOM, checksums; all of it in target/dist.
#
# DIST_TARGET   the compiler's target; default: musl if this toolchain has it, else the host's, linked statically (crt-static)
# DIST_PROFILE  release (default), or another profile of Cargo.toml
# DIST_BINARY   a static binary that is built already (in the image, say), instead of building one
# DIST_SKIP     words of: deb sbom (their tools are installed into .children/tools otherwise)
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_DEB=3.8.0
CARGO_CYCLONEDX=0.5.9
tools=$PWD/.children/tools
out=target/dist
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
arch=$(uname -m)
profile=${DIST_PROFILE:-release}
folder=$profile
if [ "$profile" = dev ]; then folder=debug; fi

host=$(rustc -vV | sed -n 's/^host: //p')
musl=$arch-unknown-linux-musl
if [ -n "${DIST_TARGET:-}" ]; then
    target=$DIST_TARGET
elif [ -d "$(rustc --print target-libdir --target "$musl" 2>/dev/null)" ] && command -v musl-gcc >/dev/null; then
    target=$musl
else
    target=$host
    echo "dist: this toolchain has no $musl; linking glibc statically instead" >&2
fi

# The same tree gives the same bytes: no path of this machine, the date of the commit.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git show --no-patch --format=%ct HEAD 2>/dev/null || date +%s)}
export RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo -C target-feature=+crt-static ${RUSTFLAGS:-}"
export CARGO_PROFILE_RELEASE_STRIP=${CARGO_PROFILE_RELEASE_STRIP:-symbols}
# With --target the flags are not those of build scripts and macros, which cannot be static.
binary=${DIST_BINARY:-target/$target/$folder/fjmcp-broker}
if [ -z "${DIST_BINARY:-}" ]; then
    cargo build --locked --profile "$profile" --package broker --bin fjmcp-broker --target "$target"
fi
if ldd "$binary" 2>&1 | grep -q '=>'; then
    echo "dist: $binary is not static:" >&2
    ldd "$binary" >&2
    exit 1
fi

rm -rf "$out"
stage=$out/stage
mkdir -p "$stage/man1" "$stage/completions"
install -m 755 "$binary" "$stage/fjmcp-broker"
"$binary" reference man "$stage/man1"
gzip -n9 "$stage"/man1/*.1
for shell in bash zsh fish; do
    "$binary" reference completions "$shell" >"$stage/completions/fjmcp-broker.$shell"
done

# === tarball ===
name=fjmcp-broker-$version-$arch-linux
mkdir -p "$out/$name"
cp -r "$stage/fjmcp-broker" "$stage/man1" "$stage/completions" LICENSE README.md CHANGELOG.md docs deploy "$out/$name/"
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$out" -cf - "$name" | gzip -n9 >"$out/$name.tar.gz"
rm -rf "${out:?}/$name"

tool() { # COMMAND CRATE VERSION
    if ! PATH="$tools/bin:$PATH" command -v "$1" >/dev/null; then
        echo "installing: $2 $3" >&2
        RUSTFLAGS='' CARGO_TARGET_DIR=$tools/target cargo install "$2" --version "$3" --locked --debug --quiet --root "$tools"
        rm -rf "$tools/target"
    fi
}

# === .deb ===
case " ${DIST_SKIP:-} " in *" deb "*) ;; *)
    tool cargo-deb cargo-deb "$CARGO_DEB"
    PATH="$tools/bin:$PATH" cargo deb --no-build --no-strip --package broker --target "$target" --output "$out/" ;;
esac

# === SBOM (CycloneDX) ===
case " ${DIST_SKIP:-} " in *" sbom "*) ;; *)
    tool cargo-cyclonedx cargo-cyclonedx "$CARGO_CYCLONEDX"
    PATH="$tools/bin:$PATH" cargo cyclonedx --manifest-path crates/broker/Cargo.toml --format json --target "$target" --override-filename sbom --quiet
    # References by path would tell where it was built.
    sed -i "s#path+file://$PWD/#path+file:///src/#g" crates/broker/sbom.json
    mv crates/broker/sbom.json "$out/fjmcp-broker-$version.cdx.json"
    find crates tests bench -name sbom.json -delete ;;
esac

rm -rf "$stage"
(cd "$out" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
