# The verbs of New eID. What is more than a line of shell lives in scripts/, xtask/ and conformance/.
.DEFAULT_GOAL := help
FUZZ := sessions security_object data_group cv_certificate security_infos
SECONDS ?= 3600
.PHONY: help setup run demo test check bench fuzz conformance
PROFILE := ci
DIR ?= data
TARGET := $(or $(CARGO_TARGET_DIR),target)
NEWEID := $(TARGET)/$(PROFILE)/neweid

help: ## list the verbs
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing on this machine (as root; otherwise prints the line that does)
	@scripts/setup.sh test

run: build ## start the country in ./data (DIR=... for another place) and print its addresses
	@$(NEWEID) up --dir $(DIR)

demo: build ## one journey from application to revocation, checked by foreign programs at each step
	@$(NEWEID) demo --dir $(DIR)

test: ## everything: setup, check, all tests, the foreign judges
	@scripts/test.sh

check: ## formatting, lints, dependency edges, requirement traces, links
	@scripts/check.sh

conformance: build ## the foreign judges alone; ONLY="openssl zbar" picks some
	@conformance/run $(NEWEID) $(ONLY)

bench: ## figures beside limits and peers; FULL=1: status services at full size, rounds on every curve; ARGS="rounds --every-curve" for a part and its options
	@scripts/setup.sh test
	@cargo build --release -p neweid -p bench
	@$(TARGET)/release/bench $(or $(ARGS),$(if $(FULL),all --full))

fuzz: ## libFuzzer on what a stranger can send first; SECONDS=3600 for each target, ONLY="mrz csr" picks others
	@fuzz/run $(SECONDS) $(or $(ONLY),$(FUZZ))

.PHONY: build
build:
	@scripts/setup.sh run
	@cargo build --profile $(PROFILE) -p neweid
