#!/bin/sh
# A Chromium for the browser tests: Debian's, which gets its security fixes from Debian.
# It is installed where that is possible without asking (root, apt-get). Where it is
# not, that is an error in CI, and a line elsewhere: the browser tests then skip.
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
echo "check: there is no Chromium, which the browser tests need; on Debian: apt-get install chromium" >&2
[ "${CI:-}" != true ]
