#!/bin/sh
# venv.sh PYTHON DIRECTORY: a virtual environment with pip, by the first Python that is new enough. One clear line if
# there is none. Debian keeps ensurepip in a package of its own; root gets it installed.
set -eu
wanted=$1 directory=$2

fail() {
    echo "make: $1" >&2
    exit 1
}

new_enough() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in "$wanted" python3 python3.14 python3.13 python3.12 python3.11; do
    if new_enough "$candidate"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or newer is needed ($wanted is older or missing); PYTHON=/path/to/python names one"

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    package=python$version-venv
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "$python has no ensurepip; install the package $package (or python3-venv) first"
    fi
    echo "installing $package (apt-get) ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$package"; } \
        >/dev/null 2>&1 || fail "apt-get could not install $package"
fi

echo "making $directory with $("$python" --version 2>&1) ..."
rm -rf "$directory"
"$python" -m venv "$directory" || fail "$python -m venv $directory failed"
