# One command for each thing to do; `make` alone lists them.
# PYTHON=/path/to/python chooses the interpreter, otherwise the first that is new enough is taken.

CANDIDATES := $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3 python)
BIN := .venv/bin

.PHONY: help quickstart test tests test-live lint types notebooks bench soak pythons lowest sdks sync fix clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: .venv/.quickstart ## build a knowledge base and ask it (DOCS=folder, QUESTION="…")
	@$(BIN)/python tools/quickstart.py

test: lint ## everything that must hold: lint, types, tests, documentation, notebooks
	@$(MAKE) --no-print-directory --jobs=2 types tests

# Tests start many processes of their own, each of which would compile our modules if nobody kept them.
tests: .venv/.dev
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-live: .venv/.dev ## the scenarios on your server (RAGFLOW_BASE_URL=… RAGFLOW_API_KEY=…), cleaned up afterwards
	@test -n "$$RAGFLOW_BASE_URL" -a -n "$$RAGFLOW_API_KEY" || { echo "make test-live RAGFLOW_BASE_URL=… RAGFLOW_API_KEY=…" >&2; exit 1; }
	@RAGFLOW_TEST_LIVE=1 $(BIN)/python -m pytest tests/live

lint: .venv/.dev ## style, format, and whether the sync twins are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/unasync.py --check
	$(BIN)/python tools/methods.py --check
	$(BIN)/python tools/commands.py --check

types: .venv/.dev ## mypy (strict) on the packages, pyright on the public API
	$(BIN)/mypy
	$(BIN)/pyright

notebooks: .venv/.dev ## execute the notebooks and keep their outputs
	$(BIN)/python tools/notebooks.py

bench: .venv/.dev ## measure against the official SDK and raw httpx, write benchmarks/RESULTS.md (SHORT=1: a minute)
	$(BIN)/python -m benchmarks $(if $(SHORT),--short)

soak: .venv/.dev ## hours of trouble for the local engine: kills, load, full disks, nonsense (TRIALS="kills --rounds 20")
	$(BIN)/python -m tests.soak $(TRIALS)

pythons: .venv/.pip ## the example and the client's tests on each Python there is, 3.11 to 3.14 (VERSIONS="3.13")
	nice $(BIN)/python tools/pythons.py $(VERSIONS)

lowest: .venv/.pip ## the adapters' tests with the oldest frameworks that are supported (TESTS=tests/langchain)
	nice $(BIN)/python -m tools.lowest $(TESTS)

sdks: .venv/.dev ## every method of the official SDKs 0.22 to 0.27 on the local engine, each in an environment of its own
	nice $(BIN)/python -m tools.sdks

sync: .venv/.dev ## write what is generated: the sync twins of the async client, the table of methods, the commands' help
	$(BIN)/python tools/unasync.py
	$(BIN)/python tools/methods.py
	$(BIN)/python tools/commands.py

fix: .venv/.dev ## repair what can be repaired by a machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python tools/unasync.py

clean: ## remove what these commands have made
	rm -rf .venv .venv-3.* .venv-lowest .venv-sdk-* .quickstart .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info

# The stamps make a second run instant; a changed pyproject.toml installs again.
.venv/.dev: .venv/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch .venv/.quickstart $@

.venv/.quickstart: .venv/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[local,langchain,llamaindex]' 'tqdm>=4.66'
	@touch $@

.venv/.pip:
	@for python in $(CANDIDATES); do \
	  if $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$python -m venv .venv  # $$($$python --version)"; \
	    $$python -m venv .venv && exec $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'; \
	  fi; \
	  found="$$found\n  $$python: $$($$python --version 2>&1)"; \
	done; \
	printf "Python 3.11 or newer with the venv module is needed (Debian: python3-venv). Found:$$found\n" >&2; \
	printf 'If it is elsewhere: make PYTHON=/path/to/python …\n' >&2; exit 1
	@touch $@
