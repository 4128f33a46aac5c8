# The front door. `make` lists the targets; each installs what it needs, Debian's packages included.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# Where `binaries` puts each image's root file system, and `images` its archives.
DIST := $(TARGET_DIR)/dist
IMAGES := $(TARGET_DIR)/images
# Images of `deploy` and `generate`; the defaults are the names of the local build.
IMG ?= flacship.dev/operator:dev
CONVERTER_IMG ?= flacship.dev/converter:dev
# kubectl of `deploy` and `undeploy`: the user's; else the one that the local cluster brought.
KUBECTL = $(or $(shell command -v kubectl),$(LOCAL_STATE)bin/kubectl)

STEP := hack/step
CLUSTER := cargo run --quiet --package e2e --bin cluster --
LOCAL_KUBECTL := $(CLUSTER) exec -- kubectl
# For cargo: what `cargo run` puts into the environment would have it build ring and all above it anew.
IN_CLUSTER := $(TARGET_DIR)/debug/cluster exec --
# The local cluster's folder, where its kubeconfig lies, and in it the volume for the sample ConversionJob.
LOCAL_STATE = $(dir $(lastword $(subst =, ,$(shell $(CLUSTER) kubeconfig))))
LOCAL_VOLUME = $(LOCAL_STATE)volumes/recordings
HOST = $(shell rustc --version --verbose | sed -n 's/^host: //p')

##@ A converter on this machine

.PHONY: up
up: deps-cluster ## Start a local Kubernetes with the operator and a sample converter on it; prints the page's URL
	@$(STEP) "make up" $(MAKE) -s local-cluster images local-operator local-sample
	@$(MAKE) local-news

.PHONY: down
down: ## Remove the local Kubernetes and all that belongs to it
	@$(STEP) "make down" $(CLUSTER) down

.PHONY: url
url: ## Print the URL of the sample converter's page
	@$(CLUSTER) url

.PHONY: kubeconfig
kubeconfig: ## Print the line that lets kubectl use the local cluster: eval "$(make -s kubeconfig)"
	@$(CLUSTER) kubeconfig

.PHONY: status
status: ## Show what runs on the local cluster
	@$(CLUSTER) status
	@$(LOCAL_KUBECTL) get --all-namespaces acv,cvj,pods

##@ On your own cluster

.PHONY: deploy
deploy: ## Install the operator with kubectl's current context: make deploy IMG=… CONVERTER_IMG=…
	@$(if $(filter file,$(origin IMG) $(origin CONVERTER_IMG)),$(error give both images, by names that the cluster can pull: make deploy IMG=… CONVERTER_IMG=…))
	@KUBECTL="$(KUBECTL)" hack/deploy $(TARGET_DIR)/deploy "$(IMG)" "$(CONVERTER_IMG)"

.PHONY: undeploy
undeploy: ## Remove the operator, both resource kinds and every resource of theirs
	@KUBECTL="$(KUBECTL)" hack/undeploy

##@ Development

.PHONY: test
test: deps-test ## Run every test that needs no cluster
	@mkdir -p $(TARGET_DIR)
	@status=0; \
	$(STEP) "make test" cargo test --workspace --features e2e/scale --no-fail-fast 2>&1 | tee $(TARGET_DIR)/test.log || status=1; \
	hack/count-tests "make test" $(TARGET_DIR)/test.log || status=1; \
	exit $$status

.PHONY: e2e
e2e: deps-e2e up ## Run the end-to-end tests on the local cluster; screenshots and logs go to artifacts/
	@$(STEP) "build the end-to-end tests" $(E2E_TEST) --no-run
	@rm -rf artifacts && mkdir -p artifacts
	@status=0; \
	began=$$(date --utc +%Y-%m-%dT%H:%M:%S); \
	$(STEP) "make e2e, tests that share the cluster" \
	    $(E2E_RUN) --test-threads=$(E2E_THREADS) --skip=alone:: --skip=rights:: 2>&1 | tee $(TARGET_DIR)/e2e.log || status=1; \
	$(STEP) "make e2e, tests that need it for themselves" \
	    $(E2E_RUN) --test-threads=1 alone:: 2>&1 | tee --append $(TARGET_DIR)/e2e.log || status=1; \
	FLACSHIP_E2E_BEGAN=$$began $(STEP) "compare config/rbac with what the operator called" \
	    $(E2E_RUN) rights:: 2>&1 | tee --append $(TARGET_DIR)/e2e.log || status=1; \
	hack/count-tests "make e2e" $(TARGET_DIR)/e2e.log || status=1; \
	exit $$status
# They wait for the cluster most of the time; more at once than this, and they wait for each other's processor time.
E2E_THREADS := 3
E2E_TEST := cargo test --package e2e --features cluster --test e2e
E2E_RUN = $(IN_CLUSTER) $(E2E_TEST) --offline --

.PHONY: faults
faults: deps-e2e up ## Run the operator through each fault at each of its writes, and nights of a job: make faults [ROUNDS=5] [SEED=…] [OF=nights::]
	@$(STEP) "build the end-to-end tests" $(E2E_TEST) --no-run
	@rm -rf artifacts && mkdir -p artifacts
	@FLACSHIP_FAULT_ROUNDS="$(ROUNDS)" FLACSHIP_FAULT_SEED="$(SEED)" \
	    $(STEP) "make faults" $(E2E_RUN) --test-threads=1 --nocapture $(OF) 2>&1 | tee $(TARGET_DIR)/faults.log; \
	hack/count-tests "make faults" $(TARGET_DIR)/faults.log
ROUNDS := all
OF := faults:: leader:: nights::

.PHONY: upgrade
upgrade: deps-e2e up ## Go from the operator of an earlier commit to this one with streams running: make upgrade [FROM=commit]
	@$(STEP) "build the operator of $(FROM)" hack/upgrade-from $(FROM) "$(abspath $(TARGET_DIR))/upgrade"
	@$(STEP) "build the end-to-end tests" $(UPGRADE_TEST) --no-run
	@mkdir -p artifacts
	@FLACSHIP_UPGRADE_FROM="$(abspath $(TARGET_DIR))/upgrade" $(STEP) "make upgrade" \
	    $(IN_CLUSTER) $(UPGRADE_TEST) --offline -- upgrade::
UPGRADE_TEST := cargo test --package e2e --features upgrade --test e2e
# The last one before AudioConverters had all that the design asks for.
FROM := 1c51685

.PHONY: bench-job
bench-job: deps-e2e up ## Measure what the three stages of a ConversionJob cost on the local cluster, and its bar
	@$(STEP) "build the measurement" $(OVERHEAD_TEST) --no-run
	@mkdir -p artifacts
	@$(STEP) "make bench-job" $(IN_CLUSTER) $(OVERHEAD_TEST) --offline -- --nocapture jobs::overhead::
OVERHEAD_TEST := cargo test --package e2e --features overhead --test e2e

.PHONY: fuzz
fuzz: ## Run each fuzz target for a while, one minute unless told: make fuzz [SECONDS=600] [FUZZ=parser]
	@$(STEP) "make fuzz" hack/fuzz $(SECONDS) $(TARGET_DIR)/fuzz $(FUZZ)
SECONDS := 60

.PHONY: bench
bench: deps-bench ## Measure the converter against libFLAC, flac and ffmpeg, and its bars: make bench [BENCH_ARGS=--quick]
	@$(STEP) "build the release converter" cargo build --quiet --release --locked --package converter
	@$(STEP) "build libFLAC and the bench" cargo build --quiet --release --locked --package bench --features libflac
	@$(STEP) "make bench" $(TARGET_DIR)/release/bench encoding --converter $(TARGET_DIR)/release/converter \
	    --libflac $(TARGET_DIR)/release/libflac-peer --folder $(TARGET_DIR)/bench $(BENCH_ARGS)

.PHONY: bench-service
bench-service: deps-bench ## Measure the service against processes of flac and ffmpeg, and its bars: make bench-service [BENCH_ARGS=--quick]
	@$(STEP) "build the release converter" cargo build --quiet --release --locked --package converter
	@$(STEP) "build the bench" cargo build --quiet --release --locked --package bench
	@$(STEP) "make bench-service" $(TARGET_DIR)/release/bench service --converter $(TARGET_DIR)/release/converter \
	    --folder $(TARGET_DIR)/bench $(BENCH_ARGS)

.PHONY: bench-batch
bench-batch: deps-bench ## Measure batch runs against find, xargs and flac, and their bars: make bench-batch [BENCH_ARGS=--quick]
	@$(STEP) "build the release converter" cargo build --quiet --release --locked --package converter
	@$(STEP) "build the bench" cargo build --quiet --release --locked --package bench
	@$(STEP) "make bench-batch: a plan of a million files" $(TARGET_DIR)/release/bench batch-plan \
	    --converter $(TARGET_DIR)/release/converter --folder $(TARGET_DIR)/bench $(filter --quick,$(BENCH_ARGS))
	@$(STEP) "make bench-batch" $(TARGET_DIR)/release/bench batch --converter $(TARGET_DIR)/release/converter \
	    --folder $(TARGET_DIR)/bench $(BENCH_ARGS)

.PHONY: scale
scale: deps-cluster binaries ## Measure the operator over thousands of resources, and its bars: make scale [SCALE_ARGS="--count 1000"]
	@$(STEP) "build the scale run" $(STATIC_BUILD) --package e2e --bin cluster --bin scale --features e2e/scale
	@trap '$(STATIC)/cluster --name scale down >/dev/null' EXIT; \
	$(STEP) "make scale" $(STATIC)/scale --operator $(DIST)/operator/operator \
	    --cluster $(STATIC)/cluster --folder $(TARGET_DIR)/scale $(SCALE_ARGS)

.PHONY: lint
lint: ## Check format, lints and that the generated files are those that `make generate` writes
	@$(STEP) "cargo fmt" cargo fmt --all --check
	@$(STEP) "cargo fmt of the fuzz targets" cargo fmt --manifest-path fuzz/Cargo.toml --check
	@$(STEP) "cargo clippy" cargo clippy --quiet --workspace --exclude bench --all-targets --all-features -- -D warnings
	@$(STEP) "cargo clippy of the bench" cargo clippy --quiet --package bench --all-targets $(BENCH_FEATURES) -- -D warnings
	@$(STEP) "generated files" $(MAKE) check-generated

# libFLAC is built with cmake, which only the bench needs: without it the one file around libFLAC is not linted.
BENCH_FEATURES = $(if $(shell command -v cmake),--features libflac)

.PHONY: fmt
fmt: ## Format the code
	@cargo fmt --all
	@cargo fmt --manifest-path fuzz/Cargo.toml

.PHONY: generate
generate: ## Write config/crd and config/install.yaml: make generate [IMG=… CONVERTER_IMG=…]
	@cargo run --quiet --package crds --features crdgen --bin crdgen -- config/crd
	@mkdir -p $(TARGET_DIR)/generated
	@hack/install-yaml "$(IMG)" "$(CONVERTER_IMG)" > $(TARGET_DIR)/generated/install.yaml
	@mv $(TARGET_DIR)/generated/install.yaml config/install.yaml

.PHONY: check-generated
check-generated:
	@rm -rf $(TARGET_DIR)/generated && mkdir -p $(TARGET_DIR)/generated
	@cargo run --quiet --package crds --features crdgen --bin crdgen -- $(TARGET_DIR)/generated/crd
	@hack/install-yaml "$(IMG)" "$(CONVERTER_IMG)" > $(TARGET_DIR)/generated/install.yaml
	@diff --recursive --brief --exclude=kustomization.yaml config/crd $(TARGET_DIR)/generated/crd \
	    && diff --brief config/install.yaml $(TARGET_DIR)/generated/install.yaml \
	    || { echo "config/ is not what the code gives: run make generate" >&2; exit 1; }

.PHONY: binaries
binaries: ## Build the release binaries, static, as each image's root file system in target/dist
	@$(STEP) "build the release binaries" $(STATIC_BUILD) --package operator --package converter
	@for program in operator converter; do \
	    install -D --mode=755 $(STATIC)/$$program $(DIST)/$$program/$$program; \
	done
	@# The converter spools where no other folder is given.
	@install -d --mode=1777 $(DIST)/converter/tmp
# With an explicit target the flags reach our programs only, not build scripts and macros.
STATIC_BUILD = env RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet --release --locked --target $(HOST)
STATIC = $(TARGET_DIR)/$(HOST)/release

.PHONY: images
images: binaries ## Make both container images in target/images, and load them if the local cluster runs
	@cargo run --quiet --package e2e --bin images -- --dist $(DIST) --out $(IMAGES)
	@if $(LOCAL_KUBECTL) get --raw=/readyz >/dev/null 2>&1; then \
	    $(STEP) "load the images into the local cluster" $(CLUSTER) load $(IMAGES)/*.tar; \
	fi

# The parts of `up`.
.PHONY: local-cluster local-operator local-sample local-news
local-cluster:
	@$(STEP) "build the cluster program" cargo build --quiet --package e2e --bins
	@$(STEP) "start the cluster" $(CLUSTER) up --audit-policy tests/cluster/audit-policy.yaml

local-operator:
	@source $(IMAGES)/images.env; \
	KUBECTL="$(LOCAL_KUBECTL)" hack/deploy $(TARGET_DIR)/deploy "$$OPERATOR_IMAGE" "$$CONVERTER_IMAGE"

local-sample:
	@source $(IMAGES)/images.env; \
	export KUBECTL="$(LOCAL_KUBECTL)"; \
	$(STEP) "apply the sample AudioConverter" hack/apply-sample "$$CONVERTER_IMAGE"; \
	$(STEP) "make the volume of the sample ConversionJob" hack/local-volume "$(LOCAL_VOLUME)"
	@$(STEP) "wait for the page" hack/wait-for-page "$$($(CLUSTER) url)"

local-news:
	@hack/tell-user "$$($(CLUSTER) url)" "$$($(CLUSTER) kubeconfig)" "$(LOCAL_VOLUME)"

# Debian's packages, by what needs them.
.PHONY: deps-test deps-bench deps-cluster deps-e2e
deps-test:
	@hack/deps curl flac ffmpeg chromium chromium-driver python3-venv strace
	@hack/python-tool $(TARGET_DIR)/tools/schemathesis schemathesis==4.32.5
deps-bench:
	@hack/deps flac ffmpeg valgrind cmake fluidsynth
deps-cluster:
	@hack/deps containerd runc containernetworking-plugins iproute2 nftables iptables conntrack
deps-e2e:
	@hack/deps flac chromium chromium-driver

.PHONY: help
help:
	@awk -F ':.*## ' ' \
	    /^##@/ { printf "%s%s\n", separator, substr($$0, 5); separator = "\n" } \
	    /^[a-z0-9-]+:.*## / { sub(":.*", "", $$1); printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
