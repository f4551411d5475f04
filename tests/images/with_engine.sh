#!/usr/bin/env bash
# Runs a command beside a container engine: the one that `docker` reaches, else one of its own, which ends with the command.
# The command finds in its environment DOCKER_HOST, DOCKER (a client that builds with BuildKit) and BUILD_OPTIONS. The engine of its
# own keeps what it builds in ~/.cache/edgequant/engine (XDG_CACHE_HOME), for other checkouts too, one at a time; it needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Since version 23 a client builds with BuildKit only where it has the plugin buildx.
builds() {
    "$1" buildx version >/dev/null 2>&1 || [[ $("$1" --version 2>/dev/null) =~ version\ (1[89]|2[0-2])\. ]]
}
export DOCKER=${DOCKER:-docker}
for client in "$DOCKER" /usr/bin/docker; do
    if builds "$client"; then
        DOCKER=$client
        break
    fi
done

scratch=$(mktemp -d /tmp/edgequant-engine.XXXXXX)
engine=
finish() {
    if [ -n "$engine" ]; then
        # What an image of the same name has replaced, and what no build has used for a week.
        "$DOCKER" image prune --force >/dev/null 2>&1 || true
        "$DOCKER" builder prune --force --filter until=168h >/dev/null 2>&1 || true
        kill "$engine" && wait "$engine" || true
    fi
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 143' INT TERM

# What pip needs on this machine, it needs in a build.
options=()
if [ -n "${PIP_INDEX_URL:-}" ]; then
    (umask 077 && printf '[global]\nindex-url = %s\n' "$PIP_INDEX_URL" >"$scratch/pip.conf")
    options+=(--secret "id=pip,src=$scratch/pip.conf")
else
    for file in "${PIP_CONFIG_FILE:-}" "$HOME/.config/pip/pip.conf" /etc/pip.conf; do
        if [ -f "$file" ]; then options+=(--secret "id=pip,src=$file") && break; fi
    done
fi
if [ -f "${PIP_CERT:-}" ]; then options+=(--secret "id=ca,src=$PIP_CERT"); fi

if ! "$DOCKER" info >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v dockerd >/dev/null; then
    data=${XDG_CACHE_HOME:-$HOME/.cache}/edgequant/engine
    mkdir -p .images "$data"
    # No two engines may share the folder; neither this one nor the command holds the lock longer than this script.
    exec 9>"$data.lock"
    flock 9
    # Without a bridge it needs no firewall rules; builds use the machine's network.
    dockerd --data-root "$data" --exec-root "$scratch/exec" --pidfile "$scratch/pid" \
        --host "unix://$scratch/docker.sock" --bridge=none --iptables=false --ip6tables=false \
        --default-ulimit nofile=20000:20000 >.images/dockerd.log 2>&1 9>&- &
    engine=$!
    export DOCKER_HOST=unix://$scratch/docker.sock
    options+=(--network host)
    for _ in $(seq 60); do
        if "$DOCKER" info >/dev/null 2>&1; then break; fi
        kill -0 "$engine" || { tail .images/dockerd.log >&2 && engine= && exit 1; }
        sleep 1
    done
fi

export BUILD_OPTIONS=${BUILD_OPTIONS:-${options[*]}}
"$@" 9>&-
