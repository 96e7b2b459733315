#!/bin/sh
# Runs npm ci in the folder $1, unless that was done for the same lock file.
set -eu
cd "$1"
stamp=node_modules/.installed
if [ -f "$stamp" ] && cmp -s package-lock.json "$stamp"; then
    exit 0
fi
npm ci --no-audit --no-fund --ignore-scripts
cp package-lock.json "$stamp"
