# Sourced by scripts: `need PROGRAM:PACKAGE...` installs the Debian packages whose programs are missing.
need() {
    local missing=() pair
    PATH="$PATH:/usr/sbin:/sbin"
    export PATH
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    local sudo=
    if [ "$(id -u)" -ne 0 ]; then
        sudo=sudo
        if ! command -v sudo >/dev/null; then
            echo "these packages are missing; install them as root, and run this again: ${missing[*]}" >&2
            return 1
        fi
    fi
    echo "installing: ${missing[*]}" >&2
    # A package must not start its service here: policy-rc.d answers 101, "not allowed", meanwhile.
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
        $sudo chmod +x "$policy"
        made=1
    fi
    local status=0
    { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo -E apt-get install -y -qq "${missing[@]}" >/dev/null; } || status=$?
    if [ -n "$made" ]; then $sudo rm -f "$policy"; fi
    return "$status"
}
