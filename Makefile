# Everything a developer runs. `make help` lists the targets.
#
# PYTHON: the Python (3.10 or newer) that makes the virtual environment.
# TWINTAP_VENV: use this virtual environment instead of .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := $(or $(TWINTAP_VENV),.venv)
export TWINTAP_VENV := $(abspath $(VENV))

WASM := --target wasm32-wasip1 --profile wasm
# The modules that run in Envoy; everything else is native.
WASM_PACKAGES := -p twintap-filter -p twintap-noop -p twintap-trap
NATIVE := --workspace --exclude twintap-noop --exclude twintap-trap
# Live capture links libpcap. Without it everything else is built and tested.
LIBPCAP := $(filter /%,$(shell cc -print-file-name=libpcap.so 2>/dev/null))
LIVE := $(if $(LIBPCAP),--features twintap-capture/live-capture)
DENY_VERSION := 0.20.2
DENY := $(or $(shell command -v cargo-deny),target/tools/bin/cargo-deny)
SBOM_VERSION := 0.5.9
# Of this version, whatever else is installed: two versions write two lists.
SBOM := target/tools/bin/cargo-cyclonedx

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.made-from ## Makes the virtual environment (Envoy, grpcio, DuckDB) and the wasm target
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 2; }
	@! command -v rustup >/dev/null || rustup target add wasm32-wasip1

$(VENV)/.made-from: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "Python 3.10 or newer is needed: make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv module is missing: on Debian, apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@cp requirements.txt $@

.PHONY: setup-tests
setup-tests: setup $(VENV)/.made-for-tests ## Adds what the tests need besides (pyarrow and others; Python 3.11)

$(VENV)/.made-for-tests: $(VENV)/.made-from tests/requirements.txt
	@$(VENV)/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "The tests need Python 3.11 or newer: remove $(VENV), then make PYTHON=..." >&2; exit 2; }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
	@cp tests/requirements.txt $@

.PHONY: wasm
wasm: ## Builds the filter module: target/wasm32-wasip1/wasm/twintap_filter.wasm
	cargo build --locked $(WASM) -p twintap-filter

.PHONY: build
build: wasm libpcap ## Builds the module, the collector, twintap-capture and the demo's new service
	cargo build --locked -p twintap -p twintap-demo-candidate -p twintap-capture $(LIVE)

.PHONY: libpcap
libpcap:
	@[ -n "$(LIBPCAP)" ] || echo "*** libpcap is missing: twintap-capture, which live capture needs, is not" \
		"built and not tested. On Debian: apt-get install libpcap-dev" >&2

.PHONY: demo
demo: setup ## Mirrors a service through real Envoy and reports what differs (under a minute once built)
	@$(PYTHON) demo/run.py $(DEMO_ARGS)

.PHONY: lint
lint: ## Format and clippy, for the host and for wasm
	cargo fmt --all --check
	cargo clippy --locked $(NATIVE) $(LIVE) --all-targets -- -D warnings
	cargo clippy --locked $(WASM) $(WASM_PACKAGES) -- -D warnings

.PHONY: deny
deny: $(DENY) ## Licences, sources and duplicate versions of the dependencies
	$(DENY) --log-level error check licenses bans sources

$(DENY):
	cargo install --locked --debug --root target/tools --version $(DENY_VERSION) cargo-deny

.PHONY: test
test: setup-tests libpcap lint deny ## Everything: lints, unit, property and end-to-end tests with real Envoy
	cargo test --locked $(NATIVE) $(LIVE) --no-fail-fast

# The collector is alone in its image: linked statically, with the C library of this machine.
STATIC = $(shell rustc -vV | sed -n 's/^host: //p')
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# Cargo says where it has things in all that it builds. With these names instead, the same source and tools
# give the same bytes in every folder and home: `make check-reproducible`. Of two that fit the last one counts.
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
HOME_OF_CARGO = $(realpath $(or $(CARGO_HOME),$(HOME)/.cargo))
PATHS = $(CURDIR)=/twintap $(TARGET_DIR)=/twintap/target $(HOME_OF_CARGO)=/cargo

.PHONY: images
images: wasm ## The collector's image and the filter's as OCI layouts, without Docker: target/images
	RUSTFLAGS="-C target-feature=+crt-static $(addprefix --remap-path-prefix=,$(PATHS))" \
		CFLAGS="$(addprefix -ffile-prefix-map=,$(PATHS))" \
		cargo build --locked --release -p twintap --target $(STATIC)
	$(PYTHON) istio/release/images.py --version $(VERSION) --out target/images \
		--wasm $(TARGET_DIR)/wasm32-wasip1/wasm/twintap_filter.wasm --collector $(TARGET_DIR)/$(STATIC)/release/twintap

.PHONY: check-reproducible
check-reproducible: images ## Builds them again, in another folder with another home: the digests must be equal
	@git diff --quiet HEAD || { echo "commit first: what is built again is the last commit" >&2; exit 2; }
	@other=$$(mktemp -d); trap 'rm -rf "$$other"' EXIT; \
	git clone --quiet . "$$other/source"; \
	mkdir -p "$$other/cargo/registry"; \
	for part in config.toml registry/index registry/cache; do \
		[ ! -e "$(HOME_OF_CARGO)/$$part" ] || cp -r "$(HOME_OF_CARGO)/$$part" "$$other/cargo/$$part"; done; \
	CARGO_HOME="$$other/cargo" CARGO_TARGET_DIR="$$other/built" $(MAKE) -C "$$other/source" images; \
	echo "here, and built again elsewhere:"; \
	cat target/images/digests.json; diff target/images/digests.json "$$other/source/target/images/digests.json"; \
	echo "equal"

.PHONY: sbom
sbom: $(SBOM) ## What is in both images, as CycloneDX: target/images/*.cdx.json
	$(PYTHON) istio/release/sbom.py --tool $(SBOM) --out target/images

$(SBOM):
	cargo install --locked --debug --root target/tools --version $(SBOM_VERSION) cargo-cyclonedx

.PHONY: release-manifests
release-manifests: ## istio/ with digests of target/images, for REGISTRY=host/path: target/istio
	@[ -n "$(REGISTRY)" ] || { echo "say where the images are: make release-manifests REGISTRY=host/path" >&2; exit 2; }
	@[ -f target/images/digests.json ] || { echo "make images first" >&2; exit 2; }
	$(PYTHON) istio/release/manifests.py --digests target/images/digests.json --registry $(REGISTRY) --out target/istio

.PHONY: test-faults
test-faults: setup-tests ## Fails the collector and its disk in every way, under traffic too; writes docs/reliability.md
	@rm -f target/reliability.json
	cargo test --locked -p twintap-e2e --test faults --test traffic --no-run
	@# Beside each other, as far as their tests may run so: they wait more than they work. Those of latency last
	@# and alone.
	export TWINTAP_FULL=1 RUST_TEST_THREADS=4; run() { cargo test --locked -p twintap-e2e "$$@" --nocapture; }; \
	run --test faults -- & faults=$$!; failed=; \
	run --test traffic -- --skip modes:: || failed=1; \
	wait $$faults || failed=1; \
	run --test traffic -- modes:: && [ -z "$$failed" ]
	@$(VENV)/bin/python tests/python/reliability.py target/reliability.json docs/reliability.md
	@cat docs/reliability.md

MINUTES ?= 60
RATE ?= 500

.PHONY: soak
soak: setup-tests ## Mirrored calls with faults in between, for long (MINUTES=60 RATE=500); writes target/soak.json
	TWINTAP_SOAK_MINUTES=$(MINUTES) TWINTAP_SOAK_RATE=$(RATE) \
		cargo test --locked -p twintap-e2e --test soak -- --nocapture

.PHONY: bench-filter
bench-filter: setup ## CPU that the filter costs, against no filter, a no-op module and Envoy's tap
	cargo run --locked --release -p twintap-e2e --bin bench-filter

.PHONY: bench-ingest
bench-ingest: ## Records per second from POST to Parquet
	cargo bench --locked -p twintap --bench ingest

.PHONY: bench-compare
bench-compare: ## Pairs compared per second, next to a hand-made script (CALLS=N for memory and growth)
	cargo bench --locked -p twintap --bench compare

# Captures with known truth: a folder, or one with an expand.sh that makes one.
CAPTURES ?= $(wildcard ../shared/captures)

.PHONY: bench-pcap
bench-pcap: ## Captures to calls: speed, and completeness against known truth (CAPTURES=DIR)
	@set -- "$(CAPTURES)"; captures=$$1; \
	if [ -x "$$captures/expand.sh" ]; then \
		"$$captures/expand.sh" target/captures; captures=target/captures; fi; \
	TWINTAP_CAPTURES="$${captures:+$$(realpath "$$captures")}" \
		cargo bench --locked -p twintap --bench pcap
