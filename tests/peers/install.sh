#!/bin/sh
# Installs the foreign programs that the tests talk to, where that is possible, and names what is missing.
set -u
missing=""
# Each as the package, or as the program and the package where they differ.
for entry in apparmor_parser:apparmor avahi-daemon chromium docker-compose fish haproxy ip:iproute2 mbpoll mosquitto npm pipx promtool:prometheus ser2net \
  shellcheck socat strace systemd-analyze:systemd unshare:util-linux zsh; do
  PATH="$PATH:/usr/sbin" command -v "${entry%%:*}" >/dev/null 2>&1 || missing="$missing ${entry##*:}"
done
# The packages are built with the system's own Python.
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  # shellcheck disable=SC2086 # one word a package
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  exit $?
fi
echo "Not installed:$missing. Their tests are skipped; install them with: sudo apt install$missing"
