# `make` lists what one can do. Everything installed goes to .cache/ and node_modules/, both ignored by git.

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
# Nothing but Python's own library is in it.
PYTHON_TESTS := PYTHONPATH=tests python3

# Recorded exchanges, kept beside the repository and read where they lie.
CORPUS := $(realpath ../shared/corpus)
ifneq ($(CORPUS),)
export OUTRIGGER_CORPUS ?= $(CORPUS)
endif

# etcd and Kubernetes' daemons as one binary, kept beside the repository, so that nobody waits for their build.
CONTROLPLANE := $(realpath ../shared/controlplane)
ifneq ($(CONTROLPLANE),)
export OUTRIGGER_CONTROLPLANE ?= $(CONTROLPLANE)
endif

# What the tests across processes start.
export OUTRIGGER_BIN ?= $(TARGET)/debug/outrigger
export OUTRIGGER_OPERATOR ?= $(TARGET)/debug/outrigger-operator
export OUTRIGGER_SIDECAR ?= $(TARGET)/debug/outrigger-sidecar

.PHONY: help check test test-browser test-counts counts build-counts test-clients test-hostile test-model test-examples test-chart test-cluster cluster cluster-down demo run dist images size version changes bench bench-operator fuzz clean crds kustomize docs wrap catalogue deny \
        room corpus fmt-check clippy doc unit catalogue-check build build-cluster test-in-cluster control-plane install-clients install-browser install-cluster install-model

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: corpus fmt-check clippy doc catalogue-check unit ## format, lints, generated files, unit tests

test: room check test-hostile test-clients test-examples test-browser test-chart test-counts test-cluster test-model ## everything: check, then the tests that cross processes

test-clients: build install-clients ## the SDKs, unchanged, against the gateway: each client on each provider dialect
	$(PYTEST) -q tests/clients

test-hostile: build ## what no peer should send: broken HTTP, floods, hostile upstreams, answers cut at every byte
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	$(PYTEST) -q tests/hostile

test-examples: build install-clients ## the examples, end to end
	$(PYTEST) -q tests/examples

test-browser: build install-browser ## web pages in Chromium: others' are kept out, an application's own works when it is allowed
	$(PYTEST) -q tests/browser

test-chart: ## the Helm chart: what it renders and refuses, and what a real API server says of it
	@scripts/venv.sh chart tests/chart/requirements.txt
	$(PYTEST_CHART) -q tests/chart

# Without a control plane, and unless one is named, what needs none is run and the rest is told in a line.
test-cluster: build-cluster ## the operator and its gateways in a real Kubernetes, on this machine alone
	@if $(PYTHON_TESTS) tests/cluster/cluster.py has-control-plane; then \
	    $(MAKE) test-in-cluster; \
	else \
	    scripts/venv.sh pytest tests/clients/requirements-pytest.txt; $(PYTEST) -q tests/cluster; \
	fi

# A session for each file: what one does to its cluster is nothing to the next.
test-in-cluster: install-cluster
	@for file in tests/cluster/test_*.py; do echo "$$file"; $(PYTEST) -q "$$file"; done

test-model: build install-model ## a real small model behind the gateway
	$(PYTEST) -q tests/model

# Tools with the features of the whole workspace: so nothing that the unit tests have built is built again.
build-counts: build-cluster
	@scripts/valgrind.sh
	$(CARGO) build -q --locked --workspace --bin upstream --bin load

test-counts: build-counts ## what a request costs, in instructions and allocations, against bench/counts.tsv
	bench/check-counts.sh

counts: build-counts ## write bench/counts.tsv anew
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

# Each by itself: built together they would share features that only one of them asked for.
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
	    case $$name in \
	        *sidecar) env=(--env MALLOC_ARENA_MAX=1 --env MALLOC_MMAP_THRESHOLD_=131072 --env MALLOC_TRIM_THRESHOLD_=131072);; \
	        *) env=();; \
	    esac; \
	    archive=$(TARGET)/images/$$name-$(VERSION).tar; \
	    scripts/image.py --name $$name:$(VERSION) --output $$archive --file $(TARGET)/dist/$$name:/$$name --libraries \
	        --entrypoint /$$name "$${env[@]}"; \
	    gzip -f $$archive; \
	done

version: ## the version that is built here
	@echo $(VERSION)

changes: ## what this version changes, from CHANGELOG.md
	@awk -v head='## [$(VERSION)]' 'index($$0, "## ") == 1 { on = index($$0, head) == 1; next } on' CHANGELOG.md

crds: ## write the CustomResourceDefinitions in crds/yaml and in the chart anew, and the cases for a real API server
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-crds --test definitions --test chart --test exported

kustomize: ## write deploy/kustomize/operator.yaml anew, from the chart
	@scripts/venv.sh chart tests/chart/requirements.txt
	UPDATE=1 $(PYTEST_CHART) -q tests/chart/test_kustomize.py -k the_base

docs: ## write the documents in docs/ that come from tables in the code anew
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-core --test refusal_docs
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-llm --test translation_docs --test operation_docs
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-crds --test api_docs
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-policy --test rules_docs --test headers
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-sidecar --test docs
	UPDATE=1 $(CARGO) test -q --locked -p outrigger-operator --test annotation_docs --test condition_docs --test metrics_docs

# Pages that are generated are wrapped where they are written.
wrap: ## wrap the pages that nobody generates at 100 columns
	@scripts/wrap.py $$(grep -L 'do not edit it by hand\|edit it by hand\.$$' *.md docs/*.md)

catalogue: .cache/catalogue.json ## write the built-in model catalogue anew
	scripts/catalogue.py $<

deny: ## licences, advisories and sources of every crate (needs cargo-deny)
	@command -v cargo-deny > /dev/null || { echo "cargo-deny is not installed: cargo install --locked cargo-deny"; exit 1; }
	$(CARGO) deny --workspace check

bench: ## measure what ships, on loopback: the tables of docs/performance.md (three minutes)
	bench/run.sh

# Without link-time optimisation: its code is hardly another, and is built in minutes.
bench-operator: ## measure the operator before 1,000 gateways and 1,000 objects (ten minutes; QUICK=1: two)
	$(CARGO) build -q --profile profiling --locked -p outrigger-operator
	$(CARGO) build -q --profile profiling --locked -p outrigger-bench --bin fleet
	@OUTRIGGER_OPERATOR=$(TARGET)/profiling/outrigger-operator $(PYTHON_TESTS) bench/operator.py $(if $(QUICK),--quick)

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

# Among them the tests that crds/yaml and docs/ are what the code gives.
unit:
	@scripts/postgres.sh
	$(CARGO) test -q --workspace --locked

catalogue-check: .cache/catalogue.json
	scripts/catalogue.py $< --check

# The price table alone, out of the wheel; the package is not installed.
.cache/catalogue.json: scripts/requirements-catalogue.txt
	@rm -rf .cache/catalogue && mkdir -p .cache/catalogue
	@python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d .cache/catalogue -r $<
	@python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("litellm/model_prices_and_context_window_backup.json"))' .cache/catalogue/*.whl > $@.new
	@rm -rf .cache/catalogue && mv $@.new $@

build:
	$(CARGO) build -q --locked -p outrigger-cli

build-cluster: build
	$(CARGO) build -q --locked --bins -p outrigger-operator
	$(CARGO) build -q --locked --bins -p outrigger-sidecar

install-clients:
	@for name in openai anthropic google langchain; do \
	    scripts/venv.sh $$name tests/clients/requirements-$$name.txt; \
	done
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	@scripts/node.sh tests/clients/node

# The node's programs, and the SDK of the application that runs on it.
install-cluster:
	@scripts/node-packages.sh
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	@scripts/venv.sh openai tests/clients/requirements-openai.txt

install-browser:
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	@scripts/node.sh tests/clients/node
	@scripts/chromium.sh

install-model:
	@scripts/venv.sh pytest tests/clients/requirements-pytest.txt
	@scripts/venv.sh model tests/model/requirements.txt
