#!/bin/sh
# Builds, for every architecture alike, the wheel of the gateway and those of libraries that come as source only.
#   wheels.sh SOURCE FOLDER
set -eu
source=$1
wheels=$2
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
# shellcheck source=docker/pinned.sh
. "$here/pinned.sh"

python3 -m venv "$work/builder"
pip() { "$work/builder/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install --quiet --require-hashes --only-binary :all: --requirement "$here/requirements-build.txt"
pinned only "$SOURCE_ONLY" > "$work/requirements.txt"
pip wheel --quiet --no-deps --no-build-isolation --require-hashes --wheel-dir "$wheels" -r "$work/requirements.txt"
"$work/builder/bin/python" -m build --no-isolation --wheel --outdir "$wheels" "$source" >&2
