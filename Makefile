# Two commands: `make demo` and `make test`. Both set up what they need: .venv, PostgreSQL builds, S3 server.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage check bench clean lock

help: ## show the commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

$(VENV)/ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.txt \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q deployments flows tasks expectations
	touch $@

setup: $(VENV)/ready ## environment in .venv, and the backup tools that tests run for real
	@$(BIN)/python -m tests.real_tools

demo: $(VENV)/ready ## the main job: sample databases backed up, sabotaged, drilled, reported
	$(BIN)/restore-drill demo

test: setup ## all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

coverage: setup ## all tests, and the lines that none of them runs; takes a third longer
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --cov --cov-report=term:skip-covered

check: $(VENV)/ready ## format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/ready ## measure: whole drills against bare pg_restore, as ratios
	$(BIN)/python -m bench

clean: ## remove the environment and what tools leave
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage *.egg-info

lock: $(VENV)/ready ## pin anew: exact versions with hashes, no index named
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --extra dev pyproject.toml -o requirements.txt
	echo "uv" | $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet - -o requirements-uv.txt
	printf 'barman==3.19.1\npsycopg2-binary\n' | $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-deps --no-emit-index-url --no-header --no-annotate --quiet - -o tests/requirements-barman.txt
