# `make demo` and `make test` set up what they need in folders of their own, and are quick when run again.
# Another Python (3.10 or newer): make demo PYTHON=python3.12

PYTHON ?= python3
DEMO_VENV := .venv-demo
TEST_VENV := .venv-test
DOCS_VENV := .venv-docs
TEST_REQUIREMENT := .[train,test,simulate,benchmarks,bgen,pgen,completion,report]
# a process a core, each with whole files of tests, whose fixtures are costly; one process: make test PYTEST_ARGS='-n 0'
PYTEST_PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile
PYTEST_ARGS ?=
SECONDS ?= 60
SEED ?=
ONLY ?=
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo check test fuzz lint docs pictures demo-data clean

help:
	@echo 'make demo       impute the packaged example, evaluate it, say where the results are (no torch)'
	@echo 'make check      lint, types, import contract and the fast tests: under a minute once set up'
	@echo 'make test       the same with all tests'
	@echo 'make lint       the same without tests'
	@echo 'make fuzz       give damaged files to all readers for SECONDS (60); SEED=N repeats a run'
	@echo 'make docs       build the documentation site into build/docs'
	@echo 'make pictures   draw the accuracy picture of README and documentation again'
	@echo 'make demo-data  simulate the packaged example again'
	@echo 'make clean      remove what these commands made'

demo: $(DEMO_VENV)/.ready
	$(DEMO_VENV)/bin/rnnimp demo --output demo_results
	@echo
	@echo 'rnnimp is installed in $(DEMO_VENV). Call it as $(DEMO_VENV)/bin/rnnimp,'
	@echo 'or put it on the PATH of this shell: . $(DEMO_VENV)/bin/activate'

check: lint
	$(TEST_VENV)/bin/python -m pytest $(PYTEST_PARALLEL) -m 'not slow and not slurm and not gpu' $(PYTEST_ARGS)

test: lint
	$(TEST_VENV)/bin/python -m pytest $(PYTEST_PARALLEL) $(PYTEST_ARGS)

# finds lie under build/fuzz, with the input's files; ONLY=BGEN tries one reader
fuzz: $(TEST_VENV)/.ready
	OMP_NUM_THREADS=1 PYTHONPATH=src:tests $(TEST_VENV)/bin/python -m fuzz --seconds $(SECONDS) \
	  $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only '$(ONLY)')

lint: $(TEST_VENV)/.ready
	$(TEST_VENV)/bin/ruff check .
	$(TEST_VENV)/bin/ruff format --check .
	$(TEST_VENV)/bin/mypy
	$(TEST_VENV)/bin/lint-imports

# a broken link or reference is an error, but the build goes on to name all of them
docs: $(DOCS_VENV)/.ready
	$(DOCS_VENV)/bin/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs build/docs
	@echo 'open build/docs/index.html'

pictures:
	$(PYTHON) tools/draw_pictures.py

# needs .[benchmarks]; a test tells whether the picture is that of its tables
frontier-picture:
	PYTHONPATH=src $(PYTHON) benchmarks/privacy/draw.py docs/pictures/frontier.tsv \
	  --trials docs/pictures/frontier_trials.tsv --title 'Accuracy and membership leak, kgp3_chr22' \
	  --output docs/pictures/frontier.svg

demo-data: $(TEST_VENV)/.ready
	$(TEST_VENV)/bin/python tools/simulate_demo.py --output-dir build/demo --package-dir src/rnnimp/demo

# All are editable, so that only a change of the requirements calls for a new installation. The stamp is
# made last: an interrupted installation starts again.
$(DEMO_VENV)/.ready: pyproject.toml constraints.txt
	$(call set_up,$(DEMO_VENV),.)

$(TEST_VENV)/.ready: pyproject.toml constraints.txt
	$(call set_up,$(TEST_VENV),$(TEST_REQUIREMENT))

$(DOCS_VENV)/.ready: pyproject.toml constraints.txt
	$(call set_up,$(DOCS_VENV),.[docs])

define set_up
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'Python 3.10 or newer is needed; name one with: make PYTHON=/path/to/python3'; exit 1; }
	$(PYTHON) -m venv --clear $(1)
	$(1)/bin/python $(PIP_INSTALL) --editable '$(2)'
	@touch $@
endef

clean:
	rm -rf $(DEMO_VENV) $(TEST_VENV) $(DOCS_VENV) demo_results build dist
