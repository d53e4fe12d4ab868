SHELL := /bin/bash
.DEFAULT_GOAL := help

CARGO_TARGET_DIR ?= target
export PQL_PYTHON ?= $(HOME)/.cache/pql/venv/bin/python
export PQL_ENGINES_PYTHON ?= $(HOME)/.cache/pql/engines-venv/bin/python
ENGINES := duckdb postgres spark bigquery snowflake
BENCH_PYTHON ?= $(HOME)/.cache/pql/bench-venv/bin/python
PQL := $(abspath $(CARGO_TARGET_DIR))/debug/pql
OUT := $(abspath $(CARGO_TARGET_DIR))/demo
EXAMPLES := $(basename $(notdir $(wildcard examples/*.rs)))
say = @printf '\n==> %s\n' "$(1)"

.PHONY: help build install demo check test long monitoring mutants fuzz reliability coverage mutation docs golden notices supply peers bench bench-warehouse data pictures python browser servers engines seeds

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 17

build: ## Build pql and pql-score in target/debug (10 to 20 minutes the first time)
	$(call say,Building pql: 10 to 20 minutes the first time)
	cargo build --locked

install: ## Install pql and pql-score in ~/.cargo/bin
	$(call say,Installing pql and pql-score in ~/.cargo/bin)
	cargo install --path . --profile dev --locked

demo: build ## Train a model on data/demo, score accounts and write an HTML report
	$(call say,Training on data/demo: see data/demo/README.md)
	@rm -rf '$(OUT)' && mkdir -p '$(OUT)'
	'$(PQL)' train -c data/demo/pql.toml --name demo --models '$(OUT)/models'
	$(call say,Scoring the accounts that can still convert in the predicted time)
	'$(PQL)' score demo --models '$(OUT)/models' -c data/demo/pql.toml -o '$(OUT)/scores.csv'
	$(call say,The five accounts with the highest probability)
	@head -n 6 '$(OUT)/scores.csv' | cut -d, -f1,3,7 | tr , '\t' | expand -t 14,36
	$(call say,Explaining the first of them)
	'$(PQL)' explain demo "$$(sed -n 2p '$(OUT)/scores.csv' | cut -d, -f1)" --models '$(OUT)/models' -c data/demo/pql.toml --quiet
	$(call say,Generating an HTML report)
	'$(PQL)' report demo --models '$(OUT)/models' -c data/demo/pql.toml -o '$(OUT)/report.html' --quiet
	@printf '\n==> %s\n' 'Model, scores and report.html are in $(OUT)'

check: ## Check formatting, lints and unit tests (needs only Rust; under 2 minutes once built)
	$(call say,Formatting)
	cargo fmt --all --check
	$(call say,Lints)
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(call say,Unit tests)
	cargo test --workspace --lib --locked

# A missing tool fails in CI. Tests of real data are skipped if ../shared/data is missing.
test: python browser servers $(dir $(PQL_ENGINES_PYTHON)).ready ## Run everything that CI runs: check, all tests, examples, documentation
	$(call say,Formatting)
	cargo fmt --all --check
	$(call say,Lints)
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(call say,Tests)
	@skip=(); \
	if [ ! -d ../shared/data ]; then \
	    echo 'Skipping tests of real data: ../shared/data is missing'; skip+=(--skip=shared_data::); \
	fi; \
	if [ "$$CI" != true ] && ! command -v chromedriver >/dev/null; then \
	    echo 'Skipping tests in a browser: chromedriver is missing'; skip+=(--skip=browser::); \
	fi; \
	engines='$(ENGINES)'; [ "$$CI" = true ] || engines=$$('$(PQL_ENGINES_PYTHON)' tests/engines/run.py --available); \
	echo "Engines of the tests of exported SQL:" $$engines; \
	set -x; PQL_ENGINES="$$engines" cargo test --workspace --locked -- --include-ignored "$${skip[@]}"
	$(call say,Examples)
	@for example in $(EXAMPLES); do (set -x; cargo run --quiet --locked --example "$$example" >/dev/null) || exit 1; done
	$(call say,Documentation)
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --locked --no-deps --document-private-items

long: ## Run the simulations with 200 seeds of each kind (1 minute)
	$(call say,Running simulations with 200 seeds of each kind)
	PQL_LONG=1 cargo test --locked --test it -- simulation --nocapture

# FAULT_SEEDS are the seeds of simulated logs; `tests/real/ds365.toml` is added if its data exist.
FAULT_SEEDS ?= 1 2 3 4
monitoring: build ## Measure false alarms and found faults of `pql monitor` on clean and changed logs (10 minutes)
	$(call say,Simulating logs and measuring alarms on every night)
	@logs=''; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	for seed in $(FAULT_SEEDS); do \
		$(PQL) simulate -q -o "$$dir/$$seed" --accounts 2500 --seed "$$seed" && logs="$$logs $$dir/$$seed/pql.toml"; \
	done; \
	[ ! -d ../shared/data/ds365 ] || logs="$$logs $(CURDIR)/tests/real/ds365.toml"; \
	PQL_LOGS="$$logs" cargo test --locked --lib -- --ignored --nocapture log::faults::rates

# PQL_PROGRAM names another build of pql.
mutants: ## Read 20,000 damaged files of each format, most in a process of their own (an hour)
	$(call say,Reading 20,000 damaged files of each format)
	PQL_LONG=1 cargo test --locked --test it -- mutants:: --nocapture

# TARGETS='csv model', SECONDS=3600 and ROUNDS=2 choose what runs, for how long, and how often.
fuzz: TARGETS ?= timestamp config definition model csv ndjson parquet arrow score-writer html
fuzz: SECONDS ?= 3600
fuzz: ROUNDS ?= 1
fuzz: ## Search for inputs that break pql (an hour for each target; needs a C++ compiler)
	$(call say,Building the fuzzer)
	RUSTC_WORKSPACE_WRAPPER='$(CURDIR)/crates/pql-fuzz/instrument.sh' cargo build --locked -p pql-fuzz --features libfuzzer
	crates/pql-fuzz/run.sh '$(dir $(PQL))pql-fuzz' '$(abspath $(CARGO_TARGET_DIR))/fuzz' $(SECONDS) $(ROUNDS) $(TARGETS)

reliability: build python ## Kill pql, run it many times at once, and give it hostile files (30 minutes; strace)
	$(call say,Killing pql and running it many times at once)
	'$(PQL_PYTHON)' tests/reliability/kills.py '$(PQL)'
	$(call say,Reading hostile files of 64 MiB)
	'$(PQL_PYTHON)' tests/reliability/hostile.py '$(PQL)' --large

coverage: ## Measure the line coverage of pql-stats, the encoder and the model file (at least 90%)
	$(call say,Measuring line coverage)
	python3 tests/coverage/coverage.py --workspace

# EVERY='1 1' tests all mutants.
mutation: EVERY ?= 30 10
mutation: ## Check that tests catch changed code in pql-stats, the encoder and the model file (2 hours)
	$(call say,Changing the code: every mutant of $(EVERY))
	tests/mutation.sh $(EVERY)

docs: ## Write the generated pages of docs/reference: commands.md, configuration.md
	$(call say,Writing the generated pages of docs/reference)
	PQL_DOCS=1 cargo test --locked --test it -- commands:: schema::

golden: ## Write tests/golden/models/current.*, the model of a new format that `pql selftest` reads
	$(call say,Training and scoring the model of the newest format)
	PQL_GOLDEN=1 cargo test --locked --test it -- golden_models::

notices: ## Write THIRD-PARTY-NOTICES.txt, the licenses of the dependencies
	$(call say,Collecting the licenses of the dependencies)
	python3 tests/notices.py

supply: ## Check dependencies with cargo-deny and cargo-auditable (network; installs both, 20 minutes the first time)
	$(call say,Checking advisories, licenses, notices and the crates of a build)
	tests/supply.sh

peers: build python ## Write docs/benchmarks/comparison.md: scikit-learn and boosting on ../shared/data (10 minutes)
	$(call say,Comparing with logistic regression and boosting of scikit-learn on the same features)
	'$(PQL_PYTHON)' tests/compare/peers.py '$(PQL)' ../shared/data -o docs/benchmarks/comparison.md

# BENCH='--only fit,path' prints some tables; without -o nothing is written.
bench: BENCH ?= -o docs/benchmarks/speed.md
bench: build $(dir $(BENCH_PYTHON)).ready ## Write docs/benchmarks/speed.md: time and memory of pql, DuckDB, Polars and others (25 minutes, 10 GB)
	$(call say,Building the kernels)
	cargo bench --profile dev --locked --bench kernels --no-run
	$(call say,Measuring: keep the machine idle)
	'$(BENCH_PYTHON)' benches/bench.py '$(PQL)' $(BENCH) \
	    --kernels "$$(cargo bench --profile dev --locked --bench kernels --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))$$/\1/p')"

# SIZES='--duckdb 1,10 --postgres 1 --spark 1' chooses millions of events.
bench-warehouse: SIZES ?=
bench-warehouse: build servers $(dir $(PQL_ENGINES_PYTHON)).ready ## Write docs/benchmarks/warehouse.md: exported SQL in DuckDB, PostgreSQL and Spark (12 minutes, 3 GB)
	$(call say,Measuring exported SQL beside pql score)
	'$(PQL_ENGINES_PYTHON)' benches/warehouse.py '$(PQL)' $(SIZES) -o docs/benchmarks/warehouse.md

data: build ## Write data/demo, models/demo and notebooks-export/demo-0001
	$(call say,Simulating data/demo)
	'$(PQL)' simulate -o data/demo --seed 1
	$(call say,Training models/demo)
	@rm -rf models/demo
	'$(PQL)' train -c data/demo/pql.toml --name demo --models models
	$(call say,Exporting notebooks-export/demo-0001)
	'$(PQL)' export notebook demo --force

seeds: build ## Repeat the choice of the seed of data/demo (2 minutes)
	$(call say,Simulating and training with 20 seeds)
	python3 data/demo/seeds.py '$(PQL)'

engines: servers $(dir $(PQL_ENGINES_PYTHON)).ready ## Run exported SQL in DuckDB, PostgreSQL, Spark and, by sqlglot, as of BigQuery and Snowflake
	$(call say,Versions of the engines)
	'$(PQL_ENGINES_PYTHON)' tests/engines/run.py --available
	$(call say,Running exported SQL in all of them)
	PQL_ENGINES='$(ENGINES)' cargo test --locked --lib --test it -- engines:: export::sql::tests:: model_exports:: --include-ignored

pictures: demo browser ## Take the pictures in docs/images with chromium
	$(call say,Taking pictures of the report)
	python3 tests/pictures.py '$(OUT)/report.html' docs/images

python: $(dir $(PQL_PYTHON)).ready ## Install the Python packages of the tests (PQL_PYTHON: another Python)

$(dir $(PQL_PYTHON)).ready: tests/requirements.txt
	$(call say,Installing the packages of tests/requirements.txt for $(PQL_PYTHON))
	@test -x '$(PQL_PYTHON)' || python3 -m venv '$(dir $(PQL_PYTHON))..'
	@'$(PQL_PYTHON)' -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch '$@'

$(dir $(BENCH_PYTHON)).ready: benches/requirements.txt
	$(call say,Installing the packages of benches/requirements.txt for $(BENCH_PYTHON))
	@test -x '$(BENCH_PYTHON)' || python3 -m venv '$(dir $(BENCH_PYTHON))..'
	@'$(BENCH_PYTHON)' -m pip install --quiet --disable-pip-version-check -r benches/requirements.txt
	@touch '$@'

$(dir $(PQL_ENGINES_PYTHON)).ready: tests/engines-requirements.txt
	$(call say,Installing the packages of tests/engines-requirements.txt (500 MB) for $(PQL_ENGINES_PYTHON))
	@test -x '$(PQL_ENGINES_PYTHON)' || python3 -m venv '$(dir $(PQL_ENGINES_PYTHON))..'
	@'$(PQL_ENGINES_PYTHON)' -m pip install --quiet --disable-pip-version-check -r tests/engines-requirements.txt
	@touch '$@'

servers: ## Install PostgreSQL and Java for the tests of exported SQL (Debian, as root)
	@missing=(); \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing+=(postgresql); \
	command -v java >/dev/null || missing+=(default-jre-headless); \
	if [ "$${#missing[@]}" = 0 ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    printf '\n==> %s\n' "Installing $${missing[*]}"; \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$${missing[@]}"; } >/dev/null || true; \
	else \
	    printf '\n==> %s\n' "Missing for the tests of exported SQL (Debian: apt-get install $${missing[*]})"; \
	fi

browser: ## Install chromium for the tests of the report (Debian, as root)
	@if command -v chromedriver >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    printf '\n==> %s\n' 'Installing chromium and chromium-driver'; \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver; } >/dev/null || true; \
	else \
	    printf '\n==> %s\n' 'chromedriver is missing (Debian: apt-get install chromium chromium-driver)'; \
	fi
