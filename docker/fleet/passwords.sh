#!/bin/sh
# Make the passwords of the example in a folder: sh passwords.sh FOLDER
set -eu
umask 077
mkdir -p "$1"
cd "$1"
for user in site-12 serving page; do
    [ -e "$user.password" ] || od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$user.password"
done
: >passwords
mosquitto_passwd -b passwords site-12 "$(cat site-12.password)"
for user in serving-1 serving-2; do
    mosquitto_passwd -b passwords "$user" "$(cat serving.password)"
done
# The containers run as these users; only root can give them the files.
chmod 0755 .
if [ "$(id -u)" = 0 ]; then
    chown 10001 ./*.password
    chown 1883 passwords
else
    chmod 0644 ./*.password passwords
fi
