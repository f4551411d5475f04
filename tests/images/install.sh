#!/usr/bin/env bash
# Puts into .images what the images are built on where none can be pulled: a minimal Debian with Python, as a tar archive. It is
# kept in ~/.cache/edgequant/images (XDG_CACHE_HOME), as it does not depend on this package: other checkouts use it, too.
# Does nothing where it is there, or where only root could make it.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/edgequant/images
# Another script makes another archive.
archive=$cache/base-$(sha256sum <"tests/images/$(basename "$0")" | cut -c1-16).tar

if [ ! -f "$archive" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then exit 0; fi
    echo "making a base image with debootstrap"
    mkdir -p "$cache"
    scratch=$(mktemp -d "$cache/base.XXXXXX")
    trap 'rm -rf "$scratch" "$scratch.tar" "$scratch.log"' EXIT
    if ! debootstrap --variant=minbase --include=python3,python3-pip bookworm "$scratch" >"$scratch.log" 2>&1; then
        tail "$scratch.log" >&2
        exit 1
    fi
    # Official slim images leave these out too.
    rm -rf "$scratch"/var/{cache/apt,lib/apt/lists,log}/* "$scratch"/usr/share/{doc,info,locale,man}/*
    tar --directory "$scratch" --create --file "$scratch.tar" .
    mv "$scratch.tar" "$archive"
fi
mkdir -p .images
ln -sfn "$archive" .images/base.tar
