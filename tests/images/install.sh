#!/usr/bin/env bash
# Puts into .images what the images are built on where none can be pulled: a minimal Debian with Python, as a tar archive.
# Does nothing where it is there, or where only root could make it.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -f .images/base.tar ] || [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then exit 0; fi

echo "making a base image with debootstrap"
mkdir -p .images
scratch=$(mktemp -d .images/base.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
if ! debootstrap --variant=minbase --include=python3,python3-pip bookworm "$PWD/$scratch" >.images/debootstrap.log 2>&1; then
    tail .images/debootstrap.log >&2
    exit 1
fi
# Official slim images leave these out too.
rm -rf "$scratch"/var/{cache/apt,lib/apt/lists,log}/* "$scratch"/usr/share/{doc,info,locale,man}/*
tar --directory "$scratch" --create --file .images/base.tar.part .
mv .images/base.tar.part .images/base.tar
