# make demo   set up .venv and run the main job: train, break, adapt, replay; then open demo/index.html
# make test   set up .venv and what the tests need from the system; lint, types and tests
# The rest: make demo-quick | pictures | slow | bench | lint | format | ci | clean

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON := $(shell for p in python3.11 python3 python3.12 python3.13; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
# Repeated in the pip line: a plain `torch` would bring gigabytes of CUDA.
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation -c constraints.txt $(TORCH)
SETTINGS := pyproject.toml constraints.txt
PYTEST := $(BIN)/pytest
# mypy sees the package under its own name through this link (the folder may be called anything).
TYPES := $(VENV)/types

# A shell function that installs Debian packages where that is possible without a password.
DEFINE_APT := apt_install() { \
	local sudo=(); \
	[[ $$(id -u) == 0 ]] || sudo=(sudo -n); \
	if ! command -v apt-get >/dev/null || ! "$${sudo[@]}" true 2>/dev/null; then \
		echo "Missing on this machine, and not to be installed without a password: $$*" >&2; return 1; \
	fi; \
	echo "installing $$* with apt-get"; \
	"$${sudo[@]}" apt-get -qq update && \
	"$${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$$@" >/dev/null; \
};

.PHONY: help demo demo-quick pictures test slow bench lint format types ci clean system-packages

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -3

# --- set-up -------------------------------------------------------------------------------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Surefoot needs Python 3.11 or newer, and found none." >&2; exit 1; }
	@echo "creating $(VENV) with $(PYTHON)"
	@$(DEFINE_APT) $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || \
		{ apt_install python3-venv && $(PYTHON) -m venv --clear $(VENV); } || { rm -rf $(VENV); \
		echo "Could not create a virtual environment: on Debian, apt-get install python3-venv." >&2; exit 1; }

# One stamp a set of extras, so that a repeated run installs nothing and `make test` after `make demo` adds what is missing.
$(VENV)/.installed-%: $(SETTINGS) | $(BIN)/python
	@echo "installing surefoot[$*] into $(VENV) (about a minute)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt setuptools
	@$(PIP_INSTALL) -e '.[$*]'
	@touch $@

# What the tests need from the system: Chromium (and what Playwright's driver links to) for the pages, Mesa's EGL for the
# pictures. Found out by a run on Debian's minimal system.
system-packages:
	@$(DEFINE_APT) missing=(); without=(); libraries=$$(/sbin/ldconfig -p); \
	{ command -v chromium || command -v chromium-browser; } >/dev/null && [[ $$libraries == *libatomic.so.1* ]] || \
		{ missing+=(chromium libatomic1); without+=("the browser tests (no Chromium, or no libatomic for Playwright)"); }; \
	[[ $$libraries == *libEGL.so.1* && $$libraries == *libEGL_mesa.so.0* && $$libraries == *libGL.so.1* ]] || \
		{ missing+=(libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri); without+=("the tests of pictures (no EGL)"); }; \
	if (( $${#missing[@]} )) && ! apt_install "$${missing[@]}"; then \
		printf 'Left out: %s\n' "$${without[@]}"; \
	fi

# --- the main job -------------------------------------------------------------------------------------------------

demo: $(VENV)/.installed-video
	@$(BIN)/surefoot demo --out demo

demo-quick: $(VENV)/.installed-video
	@$(BIN)/surefoot demo --quick --out demo

# The README's pictures, from shipped controllers. A quadruped is broken as in the demo and adapted: a film and the page of
# before and after. Others walk for some seconds and share one poster. About six minutes on two cores.
PICTURED := quadruped-velocity hexapod-velocity biped-velocity humanoid-run half_cheetah-run
BROKEN := --set payload=6 --set motor_strength.front_left=0.4
pictures: $(VENV)/.installed-test system-packages
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; number=0; after="$$folder/adapted.safetensors"; \
	$(BIN)/surefoot adapt quadruped-velocity $(BROKEN) --steps 120000 --out "$$after" --quiet; \
	$(BIN)/surefoot replay quadruped-velocity $(BROKEN) --adapted "$$after" --html "$$folder/page.html" \
		--webp docs/adapted.webp --size 720x320 --seconds 8; \
	$(BIN)/python docs/screenshot.py "$$folder/page.html" docs/page.png --at 2.7 --size 1280x800; \
	for name in $(PICTURED); do \
		number=$$((number + 1)); hold=(); \
		[[ $$name != *-velocity ]] || hold=(--set vx=1.0 --set vy=0 --set yaw=0); \
		$(BIN)/surefoot record $$name --seconds 6 --label $$name "$${hold[@]}" \
			--out "$$folder/$$number.recording.npz" >/dev/null; \
	done; \
	$(BIN)/surefoot replay "$$folder" --poster docs/gaits.png --size 1200x1700

# --- checks -------------------------------------------------------------------------------------------------------

test: lint types system-packages
	$(PYTEST) -n auto --dist loadfile

slow: $(VENV)/.installed-test system-packages
	$(PYTEST) -m slow

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.installed-test
	@mkdir -p $(TYPES) && ln -sfn ../.. $(TYPES)/surefoot
	MYPYPATH=$(TYPES) $(BIN)/mypy -p surefoot | sed 's#^$(TYPES)/surefoot/##'

bench: $(VENV)/.installed-bench
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

ci: test

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis artifacts
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
