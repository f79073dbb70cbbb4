# What wheels.sh and environment.sh know of the pinned libraries. They read this file in, with $here as its folder.
# shellcheck disable=SC2034,SC2154

# On PyPI as source alone, of pure Python.
SOURCE_ONLY="tailer"

# Without wheels for arm/v7 on PyPI; Debian has them compiled for its own Python.
NOT_FOR_ARMHF="cffi|pyyaml"

# pinned only|but NAMES: the lines of requirements.txt that are, or are not, about these.
pinned() {
  awk -v names="^($2)==" -v only="$1" '/^[^ #]/ { is_named = $0 ~ names } is_named == (only == "only")' \
    "$here/requirements.txt"
}
