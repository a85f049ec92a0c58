# `make demo` and `make test` set up everything they need; a machine with Python 3.11 or newer and make is enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev
OUT ?= out/demo
STUDIES ?= table-1 figure-4 figure-5 figure-6 figure-7 figure-8 figures-9-10 figures-11-12 thrifty
STUDIES_OUT ?= out/studies
# A server that the tests label in; apart, since it wants other versions of what we use.
LABEL_STUDIO ?= $(VENV)-label-studio
LABEL_STUDIO_READY := $(LABEL_STUDIO)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test bench studies pictures fuzz faults check format clean

help: ## Show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "thrifty needs Python 3.11 or newer; run make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(READY): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[backbone]'
	@touch $@

$(DEV_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# By itself: it asks for a second OpenCV, which would overwrite the one that is here.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps ultralytics
	@touch $@

$(LABEL_STUDIO_READY):
	$(PYTHON) -m venv $(LABEL_STUDIO) || { rm -rf $(LABEL_STUDIO); exit 1; }
	$(LABEL_STUDIO)/bin/python -m pip install --quiet --disable-pip-version-check label-studio==1.23.2
	@touch $@

demo: $(READY) ## Run active learning on the rendered street and write its page (under 10 minutes)
	$(BIN)/thrifty run demo --out $(OUT)

test: $(DEV_READY) $(LABEL_STUDIO_READY) ## Run all tests
	LABEL_STUDIO_BIN=$(abspath $(LABEL_STUDIO))/bin/label-studio $(BIN)/python -m pytest -n 2 --dist worksteal

bench: $(DEV_READY) ## Measure what scoring costs and print the table (BENCH="--million" for all of it)
	$(BIN)/python -m benchmarks $(BENCH)

studies: $(DEV_READY) ## Run all tables and figures of the paper in their small form, with the data in THRIFTY_DATA
	for study in $(STUDIES); do $(BIN)/thrifty study $$study --out $(STUDIES_OUT) || exit 1; done

pictures: $(DEV_READY) ## Take the pictures of docs/tutorial.md anew, from the running pages
	$(BIN)/python -m tests.pages.pictures

fuzz: $(DEV_READY) ## Fuzz every reader with 100,000 inputs (FUZZ="coco --runs 1000" for less)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m fuzz $(FUZZ)

faults: $(DEV_READY) ## Kill random processes in 100 runs and compare what comes out (FAULTS="--runs 10 --only ray" for less)
	$(BIN)/python -m faults $(FAULTS)

check: $(DEV_READY) ## Run every static rule: format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV_READY) ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the virtual environment and everything made
	rm -rf $(VENV) $(LABEL_STUDIO) out build .mypy_cache .ruff_cache .pytest_cache .hypothesis
