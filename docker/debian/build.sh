#!/bin/sh
# Builds a Debian package of the gateway with a Python environment of its own, for this machine's architecture and
# this machine's version of Python.
#   build.sh FOLDER [WHEELS]
# WHEELS is a folder that wheels.sh has filled; without it they are built.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(dirname "$(dirname "$here")")
mkdir -p "$1"
folder=$(cd "$1" && pwd)
# The environment is tied to Debian's own Python, whatever else is installed.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 022
# One date for all files, the one that hatchling gives those of the wheel, so that two builds give the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1580601600}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
root=$work/root
environment=/usr/lib/dsmr-gateway
mkdir -p "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/etc/dsmr-gateway" \
  "$root/usr/share/doc/dsmr-gateway" "$root/DEBIAN"

wheels=${2:-$work/wheels}
[ "$#" -gt 1 ] || sh "$here/../wheels.sh" "$source" "$wheels"
# What is compiled here would name this place.
PIP_NO_COMPILE=1 sh "$here/../environment.sh" "$root$environment" "$wheels"
# From where it was made to where it will be.
grep -rlI "$root" "$root$environment/bin" "$root$environment/pyvenv.cfg" | xargs sed -i "s#$root##g"
python3 -m compileall -q -f -j 0 -s "$root" -p / --invalidation-mode unchecked-hash "$root$environment/lib"

ln -s "../lib/dsmr-gateway/bin/dsmr-gateway" "$root/usr/bin/dsmr-gateway"
cp "$source/gateway/service/dsmr-gateway.service" "$root/usr/lib/systemd/system/"
cp "$here/gateway.yaml" "$root/etc/dsmr-gateway/"
cp "$source/LICENSE" "$root/usr/share/doc/dsmr-gateway/copyright"
cp -r "$source/CHANGELOG.md" "$source"/docs/* "$root/usr/share/doc/dsmr-gateway/"
echo /etc/dsmr-gateway/gateway.yaml > "$root/DEBIAN/conffiles"
cp "$here/postinst" "$here/prerm" "$here/postrm" "$root/DEBIAN/"

# The umask of the checkout and the kind of file system are not part of the package: modes as Debian has them, and the
# size as dpkg-gencontrol computes it.
find "$root" -type d -exec chmod 755 {} +
find "$root" -type f -exec chmod 644 {} +
find "$root$environment/bin" "$root/DEBIAN" -type f ! -name conffiles -exec chmod 755 {} +
size=$(find "$root" -path "$root/DEBIAN" -prune -o -printf '%y %s\n' |
  awk '{ size += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print size }')

# As Debian orders them, 1.0~rc1 is before 1.0.
version=$(basename "$wheels"/dsmr_modbus_gateway-*.whl | cut -d- -f2 | sed -E 's/(a|b|rc|\.dev)[0-9]/~&/')
architecture=$(dpkg --print-architecture)
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "$PRETTY_NAME")
python=$(python3 -c 'import sys; print("Python {}.{}".format(*sys.version_info))')
cat > "$root/DEBIAN/control" <<END
Package: dsmr-gateway
Version: $version
Architecture: $architecture
Maintainer: The DSMR Modbus gateway project <dsmr-gateway@localhost>
Installed-Size: $size
Depends: $(python3 -c 'import sys; v = sys.version_info; print(f"python3 (>= {v[0]}.{v[1]}), python3 (<< {v[0]}.{v[1] + 1}~)")'), libc6 (>= 2.28)
Section: net
Priority: optional
Description: gateway from the P1 port of a smart meter to Modbus
 Reads the telegrams of a smart meter (DSMR and ESMR) from a cable or from a
 ser2net, and serves its readings as Modbus registers to PLCs, inverters,
 chargers and energy managers.
 .
 Built for $release with $python. On another release, build it again there.
END
# xz would make a smaller package and take most of the time. Each dpkg with a Python that is new enough reads zstd.
dpkg-deb -Zzstd -z10 --build --root-owner-group "$root" "$folder/dsmr-gateway_${version}_${architecture}.deb"
