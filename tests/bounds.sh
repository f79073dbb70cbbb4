#!/bin/sh
# Run the tests of the core with the lowest and with the newest versions of the libraries that pyproject.toml allows, on
# each Python: `make bounds`.
#
#   sh tests/bounds.sh UV PYTHON...
#
# UV is the program uv; PYTHON is a version such as 3.12, or the path of a Python. An environment for each is made in a
# temporary folder.
set -eu

uv=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
environment=$work/environment

# Each library is used by some of these.
tests="tests/config/test_config.py tests/files tests/maps/test_language.py tests/protocol/modbus tests/protocol/registers
  tests/protocol/test_crc16.py tests/protocol/p1/test_decryption.py tests/protocol/p1/test_obis.py
  tests/protocol/p1/test_derived.py tests/lines/test_http.py tests/lines/test_lines.py tests/lines/test_mqtt.py
  tests/nodes/test_announcement.py tests/nodes/test_conformance.py tests/nodes/test_pymodbus_contract.py
  tests/nodes/status_page/test_overview.py tests/nodes/status_page/test_metrics.py
  tests/nodes/status_page/test_uvicorn_contract.py tests/cli/test_cli.py"

failed=
for python in "$@"; do
  for resolution in lowest-direct highest; do
    echo "== Python $python, $resolution"
    "$uv" venv --quiet --clear --python "$python" "$environment"
    "$uv" pip compile --quiet --python "$environment/bin/python" --resolution "$resolution" --extra mdns \
      --no-header --no-annotate --output-file "$environment/libraries.txt" pyproject.toml
    "$uv" pip install --quiet --python "$environment/bin/python" --requirement "$environment/libraries.txt" \
      "pytest>=8" "pytest-asyncio>=0.24" "pytest-xdist>=3.6" "hypothesis>=6.100" "jsonschema>=4.20"
    "$uv" pip install --quiet --python "$environment/bin/python" --no-deps --editable .
    # shellcheck disable=SC2086 # tests are several paths
    "$environment/bin/python" -m pytest -q $tests || failed="$failed $python with $resolution;"
    tr '\n' ' ' < "$environment/libraries.txt"
    echo
  done
done
if [ -n "$failed" ]; then
  echo "failed:$failed"
  exit 1
fi
