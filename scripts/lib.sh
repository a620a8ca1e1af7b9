# Shell functions that the scripts share; sourced with $root set to the top of the repository.

# Where rustup puts its programs, for shells that have not read its profile.
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
export PATH

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "error: $*"
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# Whether version $1 is at least $2.
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

can_be_root() {
    [ "$(id -u)" = 0 ] || have sudo
}

# Runs a command as root, and says which.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        say "+ $*"
        "$@"
    elif have sudo; then
        say "+ sudo $*"
        sudo "$@"
    else
        die "this needs root and there is no sudo; run as root: $*"
    fi
}

# Installs Debian packages.
install_packages() {
    have apt-get || die "this is no Debian: please install what it calls $*, then run this again"
    can_be_root || die "this needs root and there is no sudo; run as root, then this again:" \
        "apt-get update && apt-get install -y --no-install-recommends $*"
    refresh_packages
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" </dev/null >&2
}

# Asks for the list of packages, once, if that is possible.
refresh_packages() {
    [ -n "${packages_are_fresh-}" ] || ! can_be_root || as_root apt-get update </dev/null >&2
    packages_are_fresh=yes
}

# The version of package $1 that would be installed, or nothing.
candidate() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9].*\)/\1/p'
}
