# Sourced by the install.sh of the tests: what they build or download once, in a cache that every checkout on this machine uses.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/edgequant/built

# Prints a digest of its arguments and of the files on standard input.
digest() {
    { printf '%s\n' "$@"; cat; } | sha256sum | cut -c 1-16
}

# Prints a digest of a folder with a Go program and of the Go that builds it.
digest_of_go_source() {
    (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | digest "$(go version)"
}

# Makes the link $1 to the cache's entry of name $2 and key $3. Where there is none, the command in the other arguments makes it: it is
# given a path to write to, which becomes the entry when the command has succeeded, in one step.
cached() {
    local link=$1 name=$2 key=$3
    local entry=$cache/$name/$key part
    shift 3
    if [ ! -e "$entry" ]; then
        echo "building $name"
        mkdir -p "$cache/$name"
        part=$(mktemp -d "$cache/$name/.part.XXXXXX")
        if ! "$@" "$part/entry"; then
            rm -rf "$part"
            echo "$name could not be built" >&2
            return 1
        fi
        # A folder that another checkout has built meanwhile stays.
        mv --no-target-directory "$part/entry" "$entry" 2>/dev/null || [ -e "$entry" ]
        rm -rf "$part"
    fi
    mkdir -p "$(dirname "$link")"
    # Earlier versions built in the checkout, where a folder would take the link into itself.
    if [ ! -L "$link" ]; then rm -rf "$link"; fi
    ln -sfn "$entry" "$link"
}

# Ends with a sentence where Go is not installed.
need_go() {
    if ! command -v go >/dev/null; then
        echo "$1: Go is not installed, and this builds $2 from source; install Go 1.25 or later" >&2
        exit 1
    fi
}

# Builds the Go program in a folder; $2 are flags for the linker.
build_go() {
    (cd "$1" && go build -buildvcs=false -ldflags="-s -w $2" -o "$3" .)
}

# Builds the Go program of a module.
install_go() {
    GOBIN=$2.bin go install "$1" && mv "$2.bin"/* "$2"
}
