#!/bin/sh
# Makes a Python environment with the gateway and its pinned libraries; nothing is compiled.
#   environment.sh FOLDER WHEELS
# WHEELS is a folder that wheels.sh has filled. The image and the Debian package are made with it.
set -eu
folder=$1
wheels=$2
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
# shellcheck source=docker/pinned.sh
. "$here/pinned.sh"

python3 -m venv "$folder"
pip() { "$folder/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }

elsewhere=$SOURCE_ONLY
if command -v dpkg >/dev/null && [ "$(dpkg --print-architecture)" = armhf ]; then
  # They fit as long as this Python is of the same minor version as Debian's own.
  elsewhere="$elsewhere|$NOT_FOR_ARMHF"
  apt-get update -qq
  (cd "$work" && apt-get download -qq python3-cffi-backend python3-yaml)
  for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/debian"; done
  cd "$work/debian/usr/lib/python3/dist-packages"
  cp -r _cffi_backend.* yaml "$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')"
  cd - >/dev/null
fi

# --no-deps, as every one of them is listed.
pinned but "$elsewhere" > "$work/requirements.txt"
pip install --no-deps --require-hashes --only-binary :all: --requirement "$work/requirements.txt"
pip install --no-deps --no-index "$wheels"/*.whl
# Where the wheels lay when they were installed is no one's business later.
for named in "$folder"/lib/python3*/site-packages/*.dist-info/direct_url.json; do
  sed -i '/direct_url\.json,/d' "$(dirname "$named")/RECORD"
  rm "$named"
done
pip uninstall --yes setuptools pip
find "$folder/bin" -type f ! -name dsmr-gateway -delete
# The hashes of commands depend on where they were installed.
sed -i -e 's#^\(\.\./\.\./\.\./bin/dsmr-gateway\),.*#\1,,#' -e '/^\.\.\/\.\.\/\.\.\/bin\/.*,sha256/d' \
  "$folder"/lib/python3*/site-packages/*.dist-info/RECORD
"$folder/bin/dsmr-gateway" --version
