# Everything runs from a bare clone on Debian 12 as root: each target installs what it needs first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV ?= .venv
PY := $(VENV)/bin/python
APT_PACKAGES := python3 python3-venv frr frr-pythontools iproute2 nftables procps util-linux
# Other routers to talk with; never started on this machine itself.
TEST_PACKAGES := bird2 gobgpd
# What builds the image, and its test (`make test-long` leaves it out without them).
IMAGE_PACKAGES := buildah debootstrap
STAMP := $(VENV)/.installed

.PHONY: image help lab lab-down apt-test test test-unit test-long test-frr10 lint bench crds schemas manifests lock apt clean

help: ## What there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

apt: ## Debian packages (only those missing; needs root)
	@./containers/install-packages $(APT_PACKAGES)

apt-test: apt
	@./containers/install-packages $(TEST_PACKAGES)

$(STAMP): requirements-dev.lock pyproject.toml
	@echo "== Python environment in $(VENV)"
	@test -x $(PY) || python3 -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lab: apt $(STAMP) ## A whole cluster on this machine: FRR, packets, a Kubernetes API
	@$(PY) -m lab up $(LAB_ARGS)

lab-down: $(STAMP) ## Remove the lab and everything it made
	@$(PY) -m lab down $(LAB_ARGS)

test: apt-test $(STAMP) ## All tests, with a summary
	@$(PY) -m tests.run $(TEST_ARGS)

test-unit: $(STAMP) ## The tests that need neither root nor FRR
	@$(PY) -m pytest -q tests/test_house.py tests/unit tests/cases tests/cycle

LONG ?= tests/unit tests/cycle tests/contract tests/live
test-long: apt-test $(STAMP) ## What takes minutes: long histories, memory over 100,000 Services
	@$(PY) -m pytest -q -m long $(LONG)

test-frr10: apt-test $(STAMP) ## The live BGP tests on FRR 10 (Debian trixie in .cache/trixie)
	@./containers/frr10-rootfs .cache/trixie
	@FRR_ROOT=$(CURDIR)/.cache/trixie $(PY) -m pytest -q -m "live and frr and not long" tests/live

lint: $(STAMP) ## Style, types, floors
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

bench: apt $(STAMP) ## Measure, and write docs/benchmarks.md
	@$(PY) -m tests.bench $(BENCH_ARGS)

image: ## Build the image with buildah, from Debian packages alone, and print its size
	@./containers/install-packages $(IMAGE_PACKAGES)
	@./containers/build .cache/image

crds: $(STAMP) ## Write the CRDs from the types
	@$(PY) -m cli crds --output charts/frr-adapter/files/crds

schemas: $(STAMP) ## Write the JSON schemas of what the command prints
	@$(PY) -m cli schema --output docs/schemas

manifests: $(STAMP) ## Write the plain manifests from the chart
	@$(PY) -m tests.manifests

lock: ## Resolve the lock files again
	@$(VENV)/bin/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url pyproject.toml -o requirements.lock
	@$(VENV)/bin/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url pyproject.toml --group lab --group test --group lint --group lock --group build \
	  -o requirements-dev.lock

clean: ## Remove caches and the environment
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build ./*.egg-info
