# `make demo`: the whole way, from a spec to a trained network in ONNX Runtime.  `make test`: everything that CI runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-zoo lint format docs bench clean

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

# Made anew when what is to be installed changes; torch first, so that the CPU build is taken; torchvision, timm and
# tritonclient, which the tests compare with, without their dependencies, so that it stays.
$(STAMP): pyproject.toml constraints.txt hatch_build.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps torchvision timm tritonclient
	$(BIN)/python -m compileall -q cnndsl
	@touch $@

demo: $(STAMP) ## lint, compile, train, export and run a network on handwritten digits
	$(BIN)/python -m cnndsl.demo

lint: $(STAMP) ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint ## everything that CI runs
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term

test-long: $(STAMP) ## the property tests with thousands of cases
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -n 2 -m "not zoo"

test-zoo: $(STAMP) ## every architecture against its reference, weight for weight: minutes
	$(BIN)/python -m pytest -n 2 tests/test_zoo.py tests/test_transplant.py -m ""

bench: $(STAMP) ## the benchmarks' tables
	$(BIN)/python -m benchmarks

docs: $(STAMP) ## write docs/rules.md from the pages of the rules
	$(BIN)/python -m cnndsl rule --all > docs/rules.md.new
	mv docs/rules.md.new docs/rules.md

format: $(STAMP) ## rewrite the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was made
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
