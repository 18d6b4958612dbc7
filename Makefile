# Every everyday act is one word. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help demo run test bench bench-growth bench-copy bench-lists profile e2e e2e-n8n chaos fuzz schemathesis sbom check

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# What ships. Building it takes minutes, so only what runs it for long or measures it does.
RELEASE := $(TARGET)/release/server
# What tests run.
DEV := $(TARGET)/debug/server

# First of all, since what it installs decides what follows.
ifneq ($(filter-out help,$(MAKECMDGOALS)),)
ifneq ($(shell scripts/needs >&2 && echo met),met)
$(error this machine lacks something)
endif
endif

# libpq and reqwest share one OpenSSL: the system's where its headers are, else one compiled along, which takes minutes.
ifeq ($(shell pkg-config --exists openssl 2>/dev/null && echo yes),yes)
export OPENSSL_NO_VENDOR := 1
endif

# A developer may change a dependency; a build server may not.
LOCKED := $(if $(CI),--locked)

# A test of the binary, with the features that `make test` gives to every crate: what that compiled is not compiled again.
TEST := cargo test $(LOCKED) --workspace
# The server, built so too: cargo builds it along with the tests of its crate.
BUILD_DEV := $(TEST) --no-run --test swapping_adapters

help: ## list what can be done
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

demo: ## the whole loop to look at and play with: a website, a phone, and the real server between them
	cargo build --release $(LOCKED) -p demo
	@$(TARGET)/release/demo

run: ## build the server and run it on this machine, with secrets made once into .env
	cargo build --release $(LOCKED) -p server
	@scripts/run-locally $(RELEASE)

# cargo builds the server along with the tests of its crate. Most tests wait for something, so more of them run at the same
# time than there are processors.
test: ## every test, on SQLite and on a throw-away Postgres; SERVER_BINARY=… tests another build of the server
	@scripts/needs tests
	scripts/with-postgres scripts/test --workspace $(LOCKED)

bench: ## how fast it is, beside pgbench on the same server; writes docs/performance.md (15 minutes)
	cargo build --release $(LOCKED) -p server
	oha=$$(scripts/load-generator) && OHA=$$oha SERVER_BINARY=$(RELEASE) scripts/with-postgres --durable \
		cargo bench $(LOCKED) -p black-box --features bench --bench load
	SERVER_BINARY=$(RELEASE) scripts/with-postgres cargo bench $(LOCKED) -p black-box --features bench --bench live --bench slow_readers

bench-growth: ## creation, reading, replies, claims with 5,000,000 tickets beside 10,000 (a quarter of an hour, 15 GB; BENCH_TICKETS=…)
	cargo build --release $(LOCKED) -p server
	SERVER_BINARY=$(RELEASE) scripts/with-postgres --durable cargo bench $(LOCKED) -p black-box --features bench --bench growth

profile: ## where the server's time goes while tickets are opened: a flame graph for each store, in target/profile/profiling
	RUSTFLAGS="-C force-frame-pointers=yes" CFLAGS="-fno-omit-frame-pointer" \
		cargo build --profile profiling --target-dir $(TARGET)/profile $(LOCKED) -p server
	oha=$$(scripts/load-generator) && \
		scripts/with-postgres --durable scripts/profile $(TARGET)/profile/profiling/server $$oha

bench-copy: ## how many tickets a second go from SQLite to Postgres; writes docs/performance.md (200,000; 2 GB)
	cargo build --release $(LOCKED) -p server
	SERVER_BINARY=$(RELEASE) scripts/with-postgres --durable cargo bench $(LOCKED) -p black-box --features bench --bench copy

bench-lists: ## the inbox's list and search with a million tickets beside ten thousand (a quarter of an hour, 6 GB of disk)
	cargo build --release $(LOCKED) -p server
	SERVER_BINARY=$(RELEASE) scripts/with-postgres cargo bench $(LOCKED) -p black-box --features bench --bench growth -- lists

e2e: ## the pages in a real browser, on both stores (Chromium and axe-core are fetched where they are missing)
	$(BUILD_DEV)
	SERVER_BINARY=$(DEV) scripts/with-postgres scripts/with-browser $(TEST) --features black-box/browser-e2e --test browser

e2e-n8n: ## the whole loop with a real n8n, installed once from npm (10 minutes, 3 GB), a Twilio and a mailbox of this machine
	@scripts/needs mailbox
	$(BUILD_DEV)
	SERVER_BINARY=$(DEV) scripts/with-n8n $(TEST) --features black-box/n8n-e2e --test n8n_e2e

chaos: ## what happens when things break: kills, full disks, outages; writes docs/reliability.md (20 minutes; ONLY=…, PART=ci)
	$(if $(PART),$(BUILD_DEV),cargo build --release $(LOCKED) -p server)
	SERVER_BINARY=$(if $(PART),$(DEV),$(RELEASE)) scripts/with-postgres $(TEST) --features black-box/chaos --test chaos \
		-- $(ONLY) $(if $(PART),part=$(PART))

fuzz: ## what outsiders reach, fed with what breaks it for a minute (SECONDS=…, and one FUZZ_TARGET=…)
	@scripts/fuzz $(or $(SECONDS),60) $(FUZZ_TARGET)

schemathesis: ## the server checked against its OpenAPI document for a minute (SECONDS=…)
	$(BUILD_DEV)
	@SERVER_BINARY=$(DEV) scripts/schemathesis $(or $(SECONDS),60)

sbom: ## what the server is made of, as CycloneDX, in target/sbom/server.cdx.json
	@scripts/sbom

check: ## format, lints, documentation, licences, layering, scripts
	@scripts/needs lints tests
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	@# The fuzz targets have a lock file of their own, which goes stale unseen.
	cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	cargo clippy --workspace --all-targets --features black-box/bench,black-box/n8n-e2e,black-box/browser-e2e,black-box/chaos $(LOCKED) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps $(LOCKED)
	scripts/check-dependencies
	$(TEST) --test tree
	scripts/check-scripts
