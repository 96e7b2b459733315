#!/bin/sh
# Installs Chromium for the browser tests, from Debian, which provides its security fixes.
# This needs root and apt-get. Without them, a missing Chromium is an error in CI and a
# warning elsewhere: the browser tests are then skipped.
set -eu

found() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

found >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "check: installing Chromium ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium; } >/dev/null || true
fi
found >/dev/null 2>&1 && exit 0
echo "check: Chromium is missing; the browser tests need it. On Debian: apt-get install chromium" >&2
[ "${CI:-}" != true ]
