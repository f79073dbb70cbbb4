# make run      a simulated household, or with CONFIG=gateway.yaml a real meter
# make test     everything that proves it, set-up included
# make check    types and style
# make setup    only the set-up, in .venv

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up

.PHONY: setup run test check peers format pages wheel clean

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

test: setup peers check
	$(BIN)/pytest

# What is generated from the register maps and their model.
pages: setup
	$(BIN)/dsmr-gateway schema map > register_maps/map.schema.json
	$(BIN)/dsmr-gateway maps --pages docs/registers

wheel: setup
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) dist build *.egg-info
