# Everything runs in .venv, which the targets make and fill by themselves. What they say of that goes
# to stderr: stdout is the command's own.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
LIVE ?=
MYPY_PACKAGES := -p schemas -p connectors -p agents -p api -p echoarb -p bench -p grafana

.DEFAULT_GOAL := help
.PHONY: help up test check fmt cover fuzz bench boards chart rules image compose lock site clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'
	@echo '  ARGS="..." passes options on, for example: make up ARGS="--for 60 --summary json"'

up: $(VENV)/run.stamp ## Run the pipeline on the local stack, with simulated venues; LIVE=1 for the real ones
	@$(BIN)/echoarb up $(if $(filter-out 0 false no,$(LIVE)),--live) $(ARGS)

test: $(VENV)/dev.stamp ## Run the tests (ARGS="-k sink -x" to choose)
	$(BIN)/python -m pytest -n 4 --dist loadgroup --no-loadscope-reorder $(ARGS)

check: $(VENV)/dev.stamp ## Lint, format check and strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(MYPY_PACKAGES)

fmt: $(VENV)/dev.stamp ## Format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

cover: $(VENV)/dev.stamp ## Run all but the kill tests with coverage of our packages, child processes included
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not kill" --timeout 400 --cov --cov-report=term:skip-covered --cov-fail-under=90 $(ARGS)

fuzz: $(VENV)/dev.stamp ## Let schemathesis try a thousand examples of each API operation
	ECHOARB_FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest -q tests/api/test_openapi_fuzz.py --timeout 7200 $(ARGS)

bench: $(VENV)/dev.stamp ## Measure the sink against stock Faust and the limits (ARGS="--json")
	@$(BIN)/python -m bench $(ARGS)

image: $(VENV)/dev.stamp ## Build the image without Docker and run what is in it (STRICT=1: all of it, or fail)
	@scripts/tools/images.sh --standins || [ "$$STRICT" != 1 ]
	$(BIN)/python -m pytest -q tests/deploy/test_image.py $(ARGS)

compose: $(VENV)/dev.stamp ## Bring docker-compose.kafka.yml and the chart's pods up on podman (STRICT=1 as above)
	@scripts/tools/images.sh --standins || [ "$$STRICT" != 1 ]
	$(BIN)/python -m pytest -q tests/deploy/test_compose.py tests/deploy/test_compose_users.py tests/deploy/test_play_kube.py $(ARGS)

site: $(VENV)/dev.stamp ## Build the documents as a site, site/index.html; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

boards: $(VENV)/dev.stamp ## Make the Grafana boards anew from grafana/*.py, and run their checks
	$(BIN)/python -m grafana.build
	$(BIN)/python scripts/chart_files.py
	$(BIN)/python -m pytest -q tests/deploy/test_boards*.py $(ARGS)
	$(BIN)/python -m pytest -q tests/flow/test_faults.py -k every_board

rules: $(VENV)/dev.stamp ## Check the alert rules by promtool, and every PromQL expression on a real Prometheus
	@scripts/tools/prometheus.sh || [ "$$STRICT" != 1 ]
	$(BIN)/python -m pytest -q tests/deploy/test_rules.py tests/deploy/test_promql.py tests/deploy/test_runbook_queries.py $(ARGS)

chart: $(VENV)/dev.stamp ## Make the Helm chart's copies and table anew, and check it with Helm 3 and 4; STRICT=1 demands the tools
	$(BIN)/python scripts/chart_files.py
	@for tool in helm kube_schemas; do scripts/tools/$$tool.sh || [ "$$STRICT" != 1 ] || exit 1; done
	$(BIN)/python -m pytest -q tests/deploy/test_chart*.py $(ARGS)

# Not the stamp where uv is there already: with a new requirement it can only be made after the lock.
lock: $(if $(wildcard $(BIN)/uv),,$(VENV)/dev.stamp) ## Make requirements/*.txt anew from pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --extra local --group build -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --extra local --group build --group dev -c requirements/run.txt -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml -c requirements/run.txt -o requirements/service.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --group build -c requirements/run.txt -o requirements/build.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --group install -o requirements/uv.txt

clean: ## Remove .venv, caches and local data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis data site

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "EchoArb needs Python 3.11 or newer: set PYTHON=/path/to/python"; exit 1; }
	@echo "making $(VENV) with $(PYTHON)" >&2
	@$(PYTHON) -m venv $(VENV)

# uv does in seconds what takes pip a minute. Where it can't (an index that only pip's configuration
# names, say), pip does it.
# --no-deps: the lock is the whole closure. Left to resolve, pip takes a requirement with extras
# (coverage[toml]) to the newest release, past the locked one, and then misses its hash; `pip check`
# says whether the closure is whole.
# --no-build-isolation: the build backend is locked too, and comes with run.txt.
PIP := $(BIN)/python -m pip --disable-pip-version-check
define install
	@echo "installing $< (half a minute or less)" >&2
	@$(PIP) install -q --no-deps --require-hashes -r requirements/uv.txt >&2
	@$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --no-deps --require-hashes -r $< >&2 || \
		$(PIP) install -q --no-deps --require-hashes -r $< >&2
	@$(PIP) install -q --no-deps --no-build-isolation -e . >&2
	@$(PIP) check >&2
endef

$(VENV)/run.stamp: requirements/run.txt requirements/uv.txt pyproject.toml | $(BIN)/python
	$(install)
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt requirements/uv.txt pyproject.toml | $(BIN)/python
	$(install)
	@touch $@ $(VENV)/run.stamp
