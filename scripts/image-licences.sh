#!/bin/sh
# Collects the licence texts of what went into a program, for the image. Runs in the build stages, so it is plain sh.
#
#   image-licences.sh cargo PACKAGE FOLDER   of a workspace package and the crates it is built from
#   image-licences.sh go PROGRAM FOLDER      of a Go program and the modules it is built from
#
# FOLDER gets one folder per component, and INVENTORY: a line per component with its version (and licence, where it is declared).
set -eu

kind=$1 of=$2 folder=$3
mkdir -p "$folder"

# texts FROM TO: copies what is named like a licence
texts() {
    mkdir -p "$2"
    for text in "$1"/LICEN[CS]E* "$1"/COPYING* "$1"/NOTICE* "$1"/UNLICENSE* "$1"/licenses "$1"/LICENSES; do
        if [ -e "$text" ]; then cp -R "$text" "$2/"; fi
    done
    rmdir "$2" 2>/dev/null || true
}

case $kind in
    cargo)
        if [ -e LICENSE ]; then cp LICENSE "$folder/"; fi
        cargo tree --locked --package "$of" --edges normal --prefix none --no-dedupe --format '{p} {l}' \
            | sed 's/ (proc-macro)//' | sort -u | grep -v ' (/' >"$folder/INVENTORY"
        while read -r name version _; do
            for source in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$name-${version#v}"; do
                if [ -d "$source" ]; then texts "$source" "$folder/$name-${version#v}"; fi
            done
        done <"$folder/INVENTORY"
        ;;
    go)
        go version -m "$of" | awk '$1 == "mod" || $1 == "dep" { print $2, $3 }' >"$folder/INVENTORY"
        cache=$(go env GOMODCACHE)
        while read -r module version; do
            # The module cache writes a capital letter as ! and the small one.
            escaped=$(printf '%s@%s' "$module" "$version" | sed 's/[A-Z]/!&/g' | tr '[:upper:]' '[:lower:]')
            if [ -d "$cache/$escaped" ]; then texts "$cache/$escaped" "$folder/$(printf '%s' "$module" | tr / _)-$version"; fi
        done <"$folder/INVENTORY"
        ;;
    *)
        echo "usage: image-licences.sh cargo|go WHAT FOLDER" >&2
        exit 2
        ;;
esac
test -s "$folder/INVENTORY"
