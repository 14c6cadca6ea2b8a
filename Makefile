# Entry points for people. The build itself is CMakeLists.txt; CONTRIBUTING.md says how to use it
# directly. Everything that these targets make lies in build/ (and node_modules in tests).

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Caches of the tools stay in the tree as well, unless the environment says otherwise.
export CCACHE_DIR ?= $(CURDIR)/build/ccache
# What was compiled in another clone of the tree is the same.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
export npm_config_cache ?= $(CURDIR)/build/npm
export PYTHONDONTWRITEBYTECODE := 1
# Where packaging/install-deps.sh puts prometheus and promtool if the machine has none.
export PATH := $(CURDIR)/build/tools/bin:$(PATH)

RELEASE := build/release
BIN := $(RELEASE)/bin
CONFIG ?= etc/spanmeter.toml
# Where a run keeps what remote write has not sent yet.
DATA ?= build/data
JOBS ?= $(shell nproc)

# Declares no tests, so that run and demo do without the test libraries; a directory that has been
# configured, perhaps with tests, is taken as it is.
configure_if_new = test -f $(RELEASE)/build.ninja || cmake --preset release -DSPANMETER_TESTS=OFF

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run:  ## Install what is missing, build, and start spanmeter with etc/spanmeter.toml
	packaging/install-deps.sh run
	$(configure_if_new)
	cmake --build $(RELEASE) --parallel $(JOBS) --target spanmeter
	@exec $(BIN)/spanmeter --config.file=$(CONFIG) --storage.path=$(DATA)

.PHONY: demo
demo:  ## The same, with the traffic of a small shop sent to it until Ctrl-C
	packaging/install-deps.sh run
	$(configure_if_new)
	cmake --build $(RELEASE) --parallel $(JOBS) --target spanmeter spanmeter-loadgen
	@exec packaging/demo.sh $(BIN) $(CONFIG) $(DATA)

.PHONY: test
test: build-tests  ## Install what the tests need, build everything, and run all tests
	ctest --preset release --parallel $$(($(JOBS) + 1))  # many tests wait more than they compute

.PHONY: build-tests
build-tests:
	packaging/install-deps.sh test
	cmake --preset release -DSPANMETER_TESTS=ON
	cmake --build $(RELEASE) --parallel $(JOBS)

.PHONY: package
package:  ## Build the Debian and the RPM package into build/packages
	packaging/install-deps.sh package
	$(configure_if_new)
	rm -rf build/packages
	cmake --build $(RELEASE) --parallel $(JOBS) --target packages

.PHONY: bench
bench: build-tests  ## Run the benchmarks (tests/bench/README.md explains the figures)
	.ci/bench

.PHONY: fuzz
fuzz:  ## Run each fuzz target for a while: make fuzz SECONDS_EACH=60
	packaging/install-deps.sh lint
	.ci/fuzz $(or $(SECONDS_EACH),60)

.PHONY: soak
soak: build-tests  ## Watch memory under load and churn: make soak MINUTES=60
	packaging/install-deps.sh lint
	SPANMETER=$(BIN)/spanmeter SPANMETER_LOADGEN=$(BIN)/spanmeter-loadgen SPANMETER_SOURCE_DIR=. \
	  /usr/bin/python3 tests/soak/soak.py --minutes $(or $(MINUTES),60)

.PHONY: lint
lint:  ## Check the format of all sources and run clang-tidy over them
	packaging/install-deps.sh lint
	.ci/lint

.PHONY: format
format:  ## Lay out all C++ sources with clang-format
	packaging/install-deps.sh lint
	git ls-files -z '*.cc' '*.h' | xargs -0 clang-format -i

.PHONY: clean
clean:  ## Remove everything that was built or downloaded
	rm -rf build tests/e2e/sdk/node_modules tests/browser/node_modules tests/dashboards/grafana/node_modules
