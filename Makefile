# Everything a person types. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run test check bench page clean

LISTEN ?= 127.0.0.1:4000
# What the page is built from.
PAGE_SOURCES := $(shell find ui/src ui/public -type f 2>/dev/null) \
	$(wildcard ui/*.ts ui/*.json ui/index.html)

help: ## this list
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: page ## builds everything and starts the demo on http://127.0.0.1:4000 (LISTEN=host:port)
	cargo build --locked --profile quick --package switchhook
	exec "$${CARGO_TARGET_DIR:-target}/quick/switchhook" demo --listen $(LISTEN)

test: ## installs what the tests need and runs all of them
	@scripts/test.sh

check: page ## the house rules without the tests: formatting, lints, licences, documentation
	@cargo xtask check

bench: ## the benchmarks of single crates; the server's own: switchhook bench
	cargo bench --locked --workspace

page: ui/dist/index.html ## builds the page, when its sources have changed

clean: ## removes everything that was built
	cargo clean
	rm -rf ui/dist ui/node_modules ui/test-results

ui/node_modules/.package-lock.json: ui/package.json ui/package-lock.json
	npm --prefix ui ci
	@touch $@

ui/dist/index.html: ui/node_modules/.package-lock.json $(PAGE_SOURCES)
	npm --prefix ui run build
	@touch $@
