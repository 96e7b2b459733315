# shellcheck shell=sh
# Sourced by ./parley and ./check: functions that create the virtual environment .venv and install
# into it. They need only Python >= 3.11 with venv, and change nothing outside .venv.

venv_fail() {
    echo "parley: $1" >&2
    exit 1
}

# Creates .venv in the current folder, unless a working one exists.
venv_make() {
    if [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null; then
        return
    fi
    python=${PYTHON:-python3}
    command -v "$python" >/dev/null 2>&1 ||
        venv_fail "Python 3.11 or newer is needed, and $python is not found (PYTHON=/path/to/python selects another)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        venv_fail "Python 3.11 or newer is needed, and $python is $("$python" -V 2>&1) (PYTHON=/path/to/python selects another)"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        venv_fail "$python has no venv; on Debian and Ubuntu: apt-get install python3-venv"
    rm -rf .venv
    "$python" -m venv .venv || venv_fail "cannot create a virtual environment in $(pwd)/.venv"
}

# venv_install STAMP WHAT FILE...: pip install WHAT, unless that was done for the same FILEs.
venv_install() {
    stamp=.venv/installed-$1
    what=$2
    shift 2
    state=$(.venv/bin/python scripts/fingerprint.py "$@")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
        return
    fi
    echo "parley: installing into $(pwd)/.venv ..." >&2
    rm -rf build # setuptools would package its leftovers again, including deleted files
    # shellcheck disable=SC2086
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input $what >&2 ||
        venv_fail "the installation failed; see pip's output above"
    echo "$state" >"$stamp"
}
