# Each command sets up what it needs in .venv, from constraints.txt, and is quick the second time.
#
#   make napari   open napari with the panel "Segment and track"
#   make demo     find, track and write the dividing cells of a synthetic movie without a click, beside its truth (a minute)
#   make test     all tests (installs missing Qt system libraries where it may); with another napari, release candidates
#                 included, in an environment of its own: make test NAPARI=0.10 PYTEST_ARGS="tests/viewer tests/qt"
#   make check    ruff, mypy, import contracts, plugin manifest, documentation, wheel and sdist
#   make docs     build the documentation into site/; any warning is an error. make docs-serve shows it while you write
#   make docs-pictures   make every picture of the documentation anew (a screen is needed: xvfb-run make docs-pictures)
#   make dist     wheel and sdist in dist/, looked into
#   make smoke    the wheel in an empty environment: doctor, demo, segment, track, export, run, view, without a network
#   make release-notes   what CHANGELOG.md says of the version in pyproject.toml
#   make torture  thousands of walks, damaged files, kills, full disks (docs/reliability.md), 20 minutes on two cores; what
#                 came out is printed and in torture/; one part: make torture TORTURE_ARGS="--only files --seed 7"
#   make bench    comparisons of docs/benchmarks.md; one of them: make bench NAME=bench_video.py; a trial: BENCH_QUICK=1
#   make bench-check   count the work of typical steps and compare it with what was counted before; runs anywhere
#   make bench-peers   the packages that the benchmarks compare with, in an environment of their own
#   make bench-quality DATA=folder   masks of cells-nano against ground truth, by the protocol of docs/evaluation.md
#   make clean    remove .venv and everything that was made
#
# Variables: PYTHON=python3.12 picks the interpreter. On Linux without an NVIDIA card a much smaller torch comes from
# TORCH_INDEX=https://download.pytorch.org/whl/cpu

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help napari demo test check docs docs-serve docs-pictures dist smoke release-notes tag-fits torture bench bench-check bench-peers bench-quality clean

NAPARI ?=
VENV := $(if $(NAPARI),.venv-napari-$(NAPARI),.venv)
PEERS := .venv-peers
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
NAME ?= bench_image.py bench_all_masks.py bench_video.py bench_retained.py bench_start_up.py bench_cells.py
DATA ?=
PYTEST_ARGS ?=
TORTURE_ARGS ?=
EXTRA_INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
CONSTRAINTS := $(if $(NAPARI),$(VENV)/constraints.txt,constraints.txt)
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c $(CONSTRAINTS) $(EXTRA_INDEX)
# Naming a candidate lets pip take candidates of napari, and of nothing else.
OTHER_NAPARI := $(if $(NAPARI),"napari~=$(NAPARI).0rc0")
SETTINGS := pyproject.toml constraints.txt
# Without the notice that Material will be followed by another program.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs

help:
	@sed -n 's/^#   //p' Makefile

napari: $(VENV)/.napari
	@bash scripts/qt_libraries.sh $(BIN)/python
	$(BIN)/napari --with napari-sam2 "Segment and track"

demo: $(VENV)/.plain
	$(BIN)/napari-sam2 demo --out demo

test: $(VENV)/.test
	@bash scripts/qt_libraries.sh $(BIN)/python
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate --imports napari-sam2
	$(MKDOCS) build --strict --quiet
	@bash scripts/check_distributions.sh $(BIN)/python

docs: $(VENV)/.check
	$(MKDOCS) build --strict

docs-serve: $(VENV)/.check
	$(MKDOCS) serve

docs-pictures: $(VENV)/.test
	@bash scripts/qt_libraries.sh $(BIN)/python
	cd scripts && for made in icon film concept_pictures find_picture lineage_pictures screenshots; do ../$(BIN)/python make_$$made.py || exit 1; done

dist: $(VENV)/.check
	rm -rf dist
	@bash scripts/check_distributions.sh $(BIN)/python dist

smoke: dist
	PYTHON="$(PYTHON)" bash scripts/smoke.sh $(EXTRA_INDEX)

release-notes: $(VENV)/.base
	@$(BIN)/python scripts/release_notes.py

tag-fits: $(VENV)/.base
	@$(BIN)/python scripts/release_notes.py --tag "$(TAG)"

torture: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m torture --out torture $(TORTURE_ARGS)

bench: export OFFICIAL_SAM2_PYTHON ?= $(abspath $(wildcard $(PEERS)/bin/python))
bench: export TRANSFORMERS_SAM2_PYTHON ?= $(abspath $(wildcard $(PEERS)/bin/python))
bench: $(VENV)/.test
	@bash scripts/qt_libraries.sh $(BIN)/python
	$(BIN)/python -m pytest -s -o "python_files=bench_*.py" $(addprefix tests/benchmark/,$(NAME)) $(PYTEST_ARGS)

bench-check: $(VENV)/.test
	$(BIN)/python -m pytest -q -s tests/benchmark/test_counted_work.py

bench-peers: $(PEERS)/.peers

bench-quality: $(VENV)/.plain
	$(BIN)/python scripts/evaluate_all.py $(DATA) --out runs/quality

clean:
	rm -rf .venv .venv-napari-* build dist site demo torture .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis src/*.egg-info

# --- set-up: a stamp says that this much of constraints.txt and pyproject.toml is installed -------------------------

$(VENV)/.base: scripts/create_venv.sh $(if $(NAPARI),constraints.txt)
	@PYTHON="$(PYTHON)" bash scripts/create_venv.sh $(VENV)
	@$(if $(NAPARI),sed '/^napari==/d' constraints.txt > $(CONSTRAINTS))
	$(INSTALL) --quiet "pip>=25.1"
	@touch $@

$(VENV)/.plain: $(VENV)/.base $(SETTINGS)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.napari: $(VENV)/.base $(SETTINGS)
	$(INSTALL) --editable ".[all]" $(OTHER_NAPARI)
	@touch $@ $(VENV)/.plain

$(VENV)/.test: $(VENV)/.base $(SETTINGS)
	$(INSTALL) --editable ".[all,video]" $(OTHER_NAPARI) --group test
	@touch $@ $(VENV)/.plain

$(VENV)/.check: $(VENV)/.base $(SETTINGS)
	$(INSTALL) --editable . --group lint --group docs
	@touch $@ $(VENV)/.plain

# PyPI's sam2 and transformers. sam2 is built without its CUDA kernel, with the torch that is there.
$(PEERS)/.peers: constraints.txt
	@PYTHON="$(PYTHON)" bash scripts/create_venv.sh $(PEERS)
	$(INSTALL:$(VENV)/%=$(PEERS)/%) torch hydra-core iopath pillow tqdm setuptools wheel transformers==5.23.0
	$(INSTALL:$(VENV)/%=$(PEERS)/%) --no-deps torchvision==0.28.0
	SAM2_BUILD_CUDA=0 $(PEERS)/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation sam2==1.1.0
	@touch $@
