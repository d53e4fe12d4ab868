# make demo    train, score and inspect on data/demo
# make test    formatting, lints, all tests, docs: what CI runs
# make long    the simulations with 200 seeds of each kind (a minute)
# make docs    docs/commands.md anew
# make peers   docs/comparison.md anew: scikit-learn and boosting on ../shared/data (10 minutes)
# make bench   docs/speed.md anew: DuckDB, Polars, scikit-learn, glum and linfa-logistic on the same files (25 minutes, 10 GB of disk)
# make data    make data/demo, models/demo and notebooks-export/demo-0001 anew
# make pictures   the pictures of the report in docs/ anew, as chromium shows it

SHELL := /bin/bash
export CARGO_TARGET_DIR ?= $(HOME)/.cache/pql/target
export PQL_PYTHON ?= $(HOME)/.cache/pql/venv/bin/python
BENCH_PYTHON ?= $(HOME)/.cache/pql/bench-venv/bin/python
PQL := $(CARGO_TARGET_DIR)/release/pql
OUT := $(CARGO_TARGET_DIR)/demo
comma := ,
say = @printf '\n==> %s\n' '$(1)'

.PHONY: demo test long docs peers bench data pictures build python browser

build:
	$(call say,Building pql in $(CARGO_TARGET_DIR) (10 to 20 minutes the first time))
	cargo build --release --locked

demo: build
	$(call say,Training on data/demo: see data/demo/README.md)
	@rm -rf '$(OUT)' && mkdir -p '$(OUT)'
	'$(PQL)' train -c data/demo/pql.toml --name demo --models '$(OUT)/models'
	$(call say,Scoring the accounts that are open at the end of the log)
	'$(PQL)' score --model demo --models '$(OUT)/models' -c data/demo/pql.toml -o '$(OUT)/scores.csv' --quiet
	@head -n 6 '$(OUT)/scores.csv'
	$(call say,What the model has learned)
	'$(PQL)' inspect demo --models '$(OUT)/models'
	$(call say,Drawing it)
	'$(PQL)' report demo --models '$(OUT)/models' -c data/demo/pql.toml -o '$(OUT)/report.html' --quiet
	$(call say,Model$(comma) scores and report.html are in $(OUT))

python: $(dir $(PQL_PYTHON)).ready

$(dir $(PQL_PYTHON)).ready: tests/requirements.txt
	$(call say,Installing the Python packages that results are compared with)
	@test -x '$(PQL_PYTHON)' || python3 -m venv '$(dir $(PQL_PYTHON))..'
	@'$(PQL_PYTHON)' -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch '$@'

# Not a failure where it cannot be had: the test then says that it is skipped, and fails in CI.
browser:
	@if command -v chromedriver >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    printf '\n==> %s\n' 'Installing chromium, in which the report is tested'; \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver; } >/dev/null || true; \
	else \
	    printf '\n==> %s\n' 'No chromium (Debian: apt-get install chromium chromium-driver): the report is not tested in a browser'; \
	fi

test: build python browser
	$(call say,Formatting)
	cargo fmt --check
	$(call say,Lints)
	cargo clippy --release --locked --all-targets -- -D warnings
	$(call say,Tests)
	cargo test --release --locked
	$(call say,Documentation)
	RUSTDOCFLAGS='-D warnings' cargo doc --release --locked --no-deps --document-private-items

long:
	$(call say,Simulations with 200 seeds of each kind)
	PQL_LONG=1 cargo test --release --locked --test it -- simulation --nocapture

docs:
	$(call say,Writing docs/commands.md)
	PQL_DOCS=1 cargo test --release --locked --test it -- commands::

peers: build python
	$(call say,Comparing with scikit-learn: logistic regression and boosting on the same features)
	'$(PQL_PYTHON)' tests/compare/peers.py '$(PQL)' ../shared/data -o docs/comparison.md

$(dir $(BENCH_PYTHON)).ready: benches/requirements.txt
	$(call say,Installing the Python packages that pql is measured beside)
	@test -x '$(BENCH_PYTHON)' || python3 -m venv '$(dir $(BENCH_PYTHON))..'
	@'$(BENCH_PYTHON)' -m pip install --quiet --disable-pip-version-check -r benches/requirements.txt
	@touch '$@'

# BENCH='--only fit,path' measures some of it; without -o nothing is written.
bench: BENCH ?= -o docs/speed.md
bench: build $(dir $(BENCH_PYTHON)).ready
	$(call say,Building the kernels)
	cargo bench --locked --bench kernels --no-run
	$(call say,Measuring: leave the machine alone)
	'$(BENCH_PYTHON)' benches/bench.py '$(PQL)' $(BENCH) \
	    --kernels "$$(cargo bench --locked --bench kernels --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))$$/\1/p')"

pictures: demo browser
	$(call say,Taking pictures of the report)
	python3 tests/pictures.py '$(OUT)/report.html' docs

data: build
	$(call say,Making data/demo)
	'$(PQL)' simulate -o data/demo --accounts 2000 --seed 7
	$(call say,Training models/demo)
	@rm -rf models/demo
	'$(PQL)' train -c data/demo/pql.toml --name demo --models models
	$(call say,Exporting notebooks-export/demo-0001)
	'$(PQL)' export notebook demo --force
