# make run      a simulated household, or with CONFIG=gateway.yaml a real meter
# make test     everything that proves it, set-up included
# make check    types and style
# make setup    only the set-up, in .venv
# make deb      a Debian package for this machine, in dist/
# make home-assistant   the folder of the Home Assistant app, in dist/
# make pins     writes which libraries go into packages, with hashes; UPGRADE=1 takes the newest
# make sbom     the bill of materials of what goes into packages, in dist/
# make audit    whether any of it has a known vulnerability

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
STAMP := $(VENV)/.set-up

# Each in an environment of its own, made when it is first wanted.
TOOLS := $(VENV)/tools
DIST := dist
APP = $(DIST)/home-assistant/dsmr_gateway
ENVIRONMENT := build/environment
# Of docker/wheels.sh, where they are there already.
WHEELS :=

.PHONY: setup run test check peers format pages wheel deb home-assistant pins sbom audit clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable . --group dev
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

# Whole files at a time, as tests of one file share what takes long to make.
test: setup peers check
	$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile

# What is generated from the register maps and their model.
pages: setup
	$(BIN)/dsmr-gateway schema map > register_maps/map.schema.json
	$(BIN)/dsmr-gateway maps --pages docs/registers

wheel: setup
	$(BIN)/python -m build --outdir $(DIST)

$(TOOLS)/%:
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --upgrade "$*" || { rm -rf $@; exit 1; }

PIN = $(TOOLS)/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-annotate $(if $(UPGRADE),--upgrade)

# The lines of before stay as long as they fit.
pins: $(TOOLS)/uv
	$(PIN) --extra mdns pyproject.toml --output-file docker/requirements.txt
	$(PIN) docker/requirements-build.in --output-file docker/requirements-build.txt

deb:
	sh docker/debian/build.sh $(DIST) $(WHEELS)

home-assistant:
	rm -rf $(APP)
	mkdir -p $(APP)
	cp -r docker/home-assistant/. docker/environment.sh docker/pinned.sh docker/requirements.txt CHANGELOG.md $(APP)
	$(if $(WHEELS),cp -r $(WHEELS),sh docker/wheels.sh .) $(APP)/wheels

# What the image and the Debian package hold, as that tells licences and what needs what.
$(ENVIRONMENT): pyproject.toml docker/requirements.txt
	rm -rf $@
	work=$$(mktemp -d) && trap 'rm -r "$$work"' EXIT && sh docker/wheels.sh . "$$work" && sh docker/environment.sh $@ "$$work"

sbom: $(TOOLS)/cyclonedx-bom $(ENVIRONMENT)
	mkdir -p $(DIST)
	$</bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-file $(DIST)/dsmr-gateway.cdx.json $(ENVIRONMENT)/bin/python

# Strictly: a library about which the service knows nothing is no good news.
audit: $(TOOLS)/pip-audit
	$</bin/pip-audit --strict --disable-pip --require-hashes --requirement docker/requirements.txt

clean:
	rm -rf $(VENV) dist build *.egg-info
