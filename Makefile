# make setup    create .venv with the pinned libraries
# make run      run with a simulated household, or with CONFIG=gateway.yaml with a real meter
# make check    check types and style
# make test     set up, check, and run every test
# make prove    run the whole gateway in simulated time under faults; SEEDS and SECONDS set the length
# make prove-all   run the long proofs, and write their figures into docs/reliability.md
# make coverage   run the core's tests, and fail if they miss a line or a branch of the core
# make coverage-all   run every test of the checkout, and fail if they miss more than 5 % of the lines and branches of the gateway
# make mutants   run the core's tests against NUMBER changed copies of the core; MUTANTS=--again only the survivors
# make fuzz     fuzz TARGETS, or all of them, for SECONDS each; atheris is installed at the first use
# make bounds   run the core's tests with the lowest and the newest allowed libraries, on each of PYTHONS
# make format   format the code, and fix the style errors that ruff can fix
# make pages    generate the register pages and the map schema from the register maps
# make pictures   make the pictures of the documentation again, with Chromium
# make pins     write the pinned libraries with hashes; UPGRADE=1 takes the newest and shows what changed, and
#               MOVE="library==version" moves only these
# make images   pin the newest base image of the Dockerfiles by its digest
# make deb      build a Debian package for this machine, in dist/
# make home-assistant   build the folder of the Home Assistant app, in dist/
# make sbom     write the bill of materials of the packages, in dist/
# make advisory ID=CVE-... LIBRARY=... FIXED=...   move a library to a fixed version, check, and document it
# make audit    look up known vulnerabilities of the pinned libraries

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# More than the two cores that tests are meant for: many tests wait for programs.
JOBS ?= 4
SEEDS ?= 20
SECONDS ?= 600
PYTHONS ?= 3.11 3.12 3.13
NUMBER ?= 1500
STAMP := $(VENV)/.set-up
MUTMUT := $(VENV)/.mutmut
ATHERIS := $(VENV)/.atheris

# Each tool has an environment of its own, made at its first use.
TOOLS := $(VENV)/tools
DIST := dist
APP = $(DIST)/home-assistant/dsmr_gateway
ENVIRONMENT := build/environment
# The folder that docker/wheels.sh has filled, if it has run already.
WHEELS :=

.PHONY: setup run test prove prove-all fuzz coverage coverage-all mutants bounds check peers format pages pictures wheel deb home-assistant pins images sbom audit advisory clean

setup: $(STAMP)

# Without build isolation, so that what builds a library is pinned too.
INSTALL = $(BIN)/pip install --disable-pip-version-check
PINNED = --require-hashes --no-build-isolation --requirement
# Counts the libraries instead of the hundreds of lines of pip, and ends as pip ended.
SHOW = awk '/^Collecting/ { printf "\r%4d libraries", ++n } /^Installing/ { printf ", installing them" } { fflush() } \
  /^ERROR/ { is_bad = 1 } is_bad; END { printf "\n"; exit is_bad }'

$(STAMP): pyproject.toml requirements-dev.txt docker/requirements-build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	@echo "Installing the libraries into $(VENV); this takes a minute"
	$(PYTHON) -m venv $(VENV)
	@{ $(INSTALL) $(PINNED) docker/requirements-build.txt 2>&1 || echo ERROR; } | $(SHOW)
	@{ $(INSTALL) $(PINNED) requirements-dev.txt 2>&1 || echo ERROR; } | $(SHOW)
	@$(INSTALL) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: setup
ifdef CONFIG
	$(BIN)/dsmr-gateway run $(CONFIG)
else
	$(BIN)/dsmr-gateway run --demo
endif

peers:
	@sh tests/peers/install.sh

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# One worker runs all tests of a file, because they share fixtures that take long to make. The order of the files is
# that of tests/conftest.py; pytest-xdist itself would begin with the files that have the most tests.
# Hundreds of tests start the gateway, and each start would compile it if nothing could write what is compiled.
PARALLEL = PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

test: setup peers check
	$(PARALLEL)

# Each run of a seed is the same; the first violation ends it, with the seed and the faults of that run.
prove: setup
	$(BIN)/python -m tests.simulation.prove --seeds $(SEEDS) --seconds $(SECONDS)
	$(BIN)/python -m tests.simulation.prove --fleet --seeds $(SEEDS) --seconds $(SECONDS)

# PROOFS names some of them. Without atheris, all but the fuzzing works.
prove-all: setup $(MUTMUT)
	-@$(MAKE) --no-print-directory $(ATHERIS)
	$(BIN)/python -m benchmarks.prove_all $(PROOFS)

coverage: setup
	$(PARALLEL) tests/protocol --cov=gateway/protocol --cov-fail-under=100

# The other tests run copies of the gateway that they install elsewhere, which are not measured. They take longest: they
# build packages and images, with deadlines that a slower Python misses.
# Programs that a test starts without root rights, or in a copy of this folder, write what they have covered too.
coverage-all: setup peers
	data=$$(mktemp -d) && trap 'rm -r "$$data"' EXIT && chmod a+rwx "$$data" && \
	COVERAGE_FILE=$$data/coverage $(PARALLEL) -m "not installed" --cov=gateway --cov-fail-under=95

# Only those who run them install mutmut, which has many libraries, and atheris.
$(MUTMUT): $(STAMP)
	$(INSTALL) --quiet 'mutmut>=3.8.1,<3.9'
	@touch $@

$(ATHERIS): $(STAMP) fuzz/requirements.txt
	$(INSTALL) --quiet --require-hashes --requirement fuzz/requirements.txt
	@touch $@

mutants: setup $(MUTMUT)
	nice -n 19 $(BIN)/python -m benchmarks.mutants --number $(NUMBER) $(MUTANTS)

# Inputs that break what a target checks are kept as TARGET-crash-..., and named.
fuzz: SECONDS = 60
fuzz: setup $(ATHERIS)
	$(BIN)/python -m fuzz.campaign --seconds $(SECONDS) $(TARGETS)

bounds: $(TOOLS)/uv
	sh tests/bounds.sh $(TOOLS)/uv/bin/uv $(PYTHONS)

pages: setup
	$(BIN)/dsmr-gateway schema map > register_maps/map.schema.json
	$(BIN)/dsmr-gateway maps --pages docs/registers
	$(BIN)/dsmr-gateway clients --page docs/clients/README.md

pictures: setup
	$(BIN)/python -m tests.peers.pictures

wheel: setup
	$(BIN)/python -m build --no-isolation --outdir $(DIST)

$(TOOLS)/%:
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --upgrade "$*" || { rm -rf $@; exit 1; }

PIN = $(TOOLS)/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-annotate $(if $(UPGRADE),--upgrade) $(MOVE:%=--upgrade-package %)

PINS = docker/requirements.txt docker/requirements-build.txt requirements-dev.txt
VERSIONS = grep --only-matching '^[^ ]*==[^ ]*' $(PINS)

# Versions stay as long as they fit. Tests run with the versions that go into packages.
pins: $(TOOLS)/uv
	@before=$$(mktemp) && after=$$(mktemp) && trap 'rm -f "$$before" "$$after"' EXIT && $(VERSIONS) > "$$before" && \
	$(PIN) --extra mdns pyproject.toml --output-file docker/requirements.txt && \
	$(PIN) docker/requirements-build.in --output-file docker/requirements-build.txt && \
	$(PIN) --extra mdns --group dev --constraint docker/requirements.txt --constraint docker/requirements-build.txt \
	  pyproject.toml --output-file requirements-dev.txt && \
	$(VERSIONS) > "$$after" && \
	{ diff -U0 "$$before" "$$after" | grep '^[-+][^-+]' || echo "No version changed."; }

images:
	$(PYTHON) docker/images.py

deb:
	sh docker/debian/build.sh $(DIST) $(WHEELS)

home-assistant:
	rm -rf $(APP)
	mkdir -p $(APP)
	cp -r docker/home-assistant/. docker/environment.sh docker/pinned.sh docker/requirements.txt CHANGELOG.md $(APP)
	$(if $(WHEELS),cp -r $(WHEELS),sh docker/wheels.sh .) $(APP)/wheels

# The environment of the image and the Debian package: its metadata names licences and dependencies.
$(ENVIRONMENT): pyproject.toml docker/requirements.txt
	rm -rf $@
	work=$$(mktemp -d) && trap 'rm -r "$$work"' EXIT && sh docker/wheels.sh . "$$work" && sh docker/environment.sh $@ "$$work"

sbom: $(TOOLS)/cyclonedx-bom $(ENVIRONMENT)
	mkdir -p $(DIST)
	$</bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-file $(DIST)/dsmr-gateway.cdx.json $(ENVIRONMENT)/bin/python
	$(PYTHON) docker/hashes.py docker/requirements.txt $(DIST)/dsmr-gateway.cdx.json

# --strict fails for a library that the service does not know.
audit: $(TOOLS)/pip-audit
	$</bin/pip-audit --strict --disable-pip --require-hashes --requirement docker/requirements.txt

advisory:
	$(PYTHON) docker/advisory.py $(ID) $(LIBRARY) $(FIXED)

clean:
	rm -rf $(VENV) dist build *.egg-info
