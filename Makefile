# The front door. `make` alone says what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo

.PHONY: help prepare children clients demo test postgres-test clients-table conformance lint fuzz schemathesis clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

prepare: ## install what this machine lacks (compiler, Node.js, Python), by its package manager
	@scripts/prepare.sh

children: prepare ## find or install the MCP servers that run as workers, into .children/
	@scripts/children.sh

clients: prepare ## install the MCP clients of the end-to-end tests, into .clients/
	@scripts/clients.sh

demo: children ## a broker, a Forgejo stand-in and a real MCP server; a client logs in and calls a tool (ONCE=1: then stop)
	@$(CARGO) build --quiet --bins
	@$(CARGO) run --quiet -p e2e --bin demo -- $(if $(filter 1,$(ONCE)),--once)

test: children clients ## everything: unit, property and end-to-end tests, and the public conformance suite
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace
	@scripts/conformance.sh --decide

# Tests of the file itself.
ABOUT_FILES := running::copies operation::health operation::start::a_file operation::start::the_store operation::commands::a_healthcheck \
	operation::configuration::everything_that_is_wrong

postgres-test: children clients ## the end-to-end tests once more, with every broker's state in PostgreSQL
	$(CARGO) build --workspace --bins
	E2E_DATABASE=postgres $(CARGO) test -p e2e --test e2e -- $(addprefix --skip ,$(ABOUT_FILES))

clients-table: clients ## what real clients do with the broker; writes it into docs/clients.md
	WRITE_CLIENTS_TABLE=1 $(CARGO) test -p e2e --test e2e clients::every_real_client_finds

.PHONY: browser
browser: prepare ## the pages in a real Chromium, with axe; screenshots in tests/browser/screenshots
	@scripts/browser.sh

conformance: prepare ## the public conformance suite through the broker; writes docs/conformance.md
	@scripts/conformance.sh --write

.PHONY: chaos leak figures
figures: children ## what a session costs: time to its first answer with and without a warm worker, memory awake and asleep
	$(CARGO) build --quiet --bins
	@$(CARGO) run --quiet -p e2e --bin figures

chaos: ## kill workers, broker and stand-in at random under load (CHAOS_SECONDS=180, SEED=1)
	$(CARGO) build --quiet --bins
	@$(CARGO) run --quiet -p e2e --bin chaos -- --seconds $(or $(CHAOS_SECONDS),180) --seed $(or $(SEED),1)

.PHONY: replicas
replicas: ## three brokers on a PostgreSQL behind nginx: conformance, races, figures, faults (REPLICAS_SECONDS=180, SEED=1; NETNS=1: with partitions)
	@PREPARE_PROXIES=1 scripts/prepare.sh
	@scripts/conformance.sh --decide --replicas
	$(CARGO) build --quiet --workspace --bins
	@$(if $(filter 1,$(NETNS)),scripts/netns.sh) $${CARGO_TARGET_DIR:-target}/debug/replicas \
		--seconds $(or $(REPLICAS_SECONDS),180) --seed $(or $(SEED),1) $(if $(filter 1,$(NETNS)),--partitions)

leak: ## 5,000 sessions that come and go, and what is left of them (SESSIONS=5000)
	$(CARGO) build --quiet --bins
	LEAK_SESSIONS=$(or $(SESSIONS),5000) $(CARGO) test -p e2e --test e2e leaks -- --nocapture

.PHONY: bench soak performance instructions
bench: prepare ## what a call costs, beside other bridges, and all our own figures (BENCH_QUICK=1: three minutes; see docs/performance.md)
	@scripts/rivals.sh
	@scripts/bench.sh run

soak: prepare ## mixed load for a while, and whether anything grows (SOAK_SECONDS=600)
	@SOAK_SECONDS=$(or $(SOAK_SECONDS),600) scripts/bench.sh soak

performance: ## write docs/performance.md from the results of bench and soak
	@scripts/bench.sh report

instructions: prepare ## count the instructions of the hot path under valgrind and hold them against bench/instructions.txt (WRITE=1: write it)
	@scripts/instructions.sh $(if $(filter 1,$(WRITE)),--write)

lint: prepare ## format, clippy, dependency rules
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path tests/clients/rmcp/Cargo.toml --check
	$(CARGO) fmt --manifest-path bench/pieces/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@scripts/deny.sh

fuzz: prepare ## every fuzz target for a minute (SECONDS_EACH=600: longer; TARGET=frame: one)
	@scripts/fuzz.sh $(or $(SECONDS_EACH),60) $(TARGET)

schemathesis: prepare ## generated requests against the OAuth endpoints
	@scripts/schemathesis.sh

clean: ## remove what was built and installed here
	$(CARGO) clean
	rm -rf .children .clients .bench tests/clients/node_modules tests/browser/node_modules tests/browser/screenshots

.PHONY: image image-run image-test
image: ## the container image, by podman (ENGINE=docker: by docker)
	@scripts/image.sh

image-run: ## run the image with the settings in fjmcp-broker.env
	@scripts/image-run.sh

image-test: ## the whole container path in a machine of its own: build, unit, volume, upgrade, backup (as root; takes a while)
	@scripts/image-test.sh

.PHONY: dist
dist: prepare ## a release in target/dist: static binary, .deb, SBOM, checksums
	@scripts/dist.sh
