# Everything runs in .venv, which is made on first use from pyproject.toml with the versions of constraints.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
INSTALLED := $(VENV)/.installed
ENGINES := $(VENV)/.engines-installed
BROWSER := $(VENV)/.browser-installed
IMAGES_TESTS := $(VENV)/.images-installed
DOCS_SITE := $(VENV)/.docs-installed

# What `make images` builds, and on what.
PREFIX ?= edgequant
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BASE_IMAGE ?= python:3.11-slim
IMAGES ?=
# The configuration that `make manifests` compiles the pipeline for; its part `kubeflow` names the images then.
CONFIG ?=

# One more than there are processors: tests also wait, for processes, servers and clocks.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || sysctl -n hw.ncpu) + 1)
# A file's tests stay together, as they share what is slow to make; tests/conftest.py puts the slowest files first.
PYTEST = $(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
# Installs the package with extras. pip is quiet for minutes.
comma := ,
define install
@echo "Installing edgequant[$(1)] into $(VENV): minutes at first (TensorFlow, Apache Beam and MLflow are 4 GB)"
$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[$(1)]"
endef
TIERS := engines or browser or images or kubernetes or long
# Their folders, which other tiers need not even import.
OTHER_TIERS := $(foreach tier,engines browser images kubernetes,--ignore tests/$(tier))

.PHONY: help install install-tiers demo test test-fast test-long test-engines test-browser screenshots test-images test-kubernetes images manifests lint format benchmark docs docs-site clean clean-caches

help:
	@echo "make demo       train a small model on handwritten digits and quantize it"
	@echo "make test       run the tests"
	@echo "make test-fast  run those that need neither TensorFlow nor a server, within a minute"
	@echo "make test-long  run the tests that kill and repeat whole runs, and simulate"
	@echo "make test-engines  run sampling on Prism, Flink, Dask and more, and from s3:// and gs:// (needs Go, Java, Maven)"
	@echo "make test-browser  open the report and MLflow's pages in a browser (needs Chromium and PostgreSQL)"
	@echo "make screenshots  take the documents' pictures of MLflow's pages anew"
	@echo "make test-images  build the images and run the pipeline in them (needs Docker, or Debian and root)"
	@echo "make test-kubernetes  apply the manifests to a real Kubernetes API, and compile the pipeline with KFP's compiler (needs Go)"
	@echo "make images     build the images: PREFIX, TAG, BASE_IMAGE, IMAGES (docs/images.md)"
	@echo "make manifests  write the pipeline for kubectl: CONFIG, or PREFIX and TAG (docs/kubeflow.md)"
	@echo "make lint       check style and types"
	@echo "make format     format the code"
	@echo "make benchmark  measure the pipeline against a plain script"
	@echo "make docs       write the components' reference and READMEs"
	@echo "make docs-site  build the documents and the API reference as a site, in site/"
	@echo "make clean      remove what these commands made"
	@echo "make clean-caches  remove what tests keep outside of the checkout"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(call install,dev)
	$(VENV)/bin/python -m compileall -q components pipelines
	@touch $@

demo: $(INSTALLED)
	$(VENV)/bin/edgequant demo

test: $(INSTALLED)
	$(PYTEST) $(OTHER_TIERS) -m "not ($(TIERS))"

test-fast: $(INSTALLED)
	$(PYTEST) $(OTHER_TIERS) -m "not ($(TIERS) or heavy)"

test-long: $(INSTALLED)
	$(VENV)/bin/python -m pytest --numprocesses $(WORKERS) -m long tests/edgequant tests/edgequant_pipelines tests/examples

test-engines: $(ENGINES)
	tests/engines/install.sh $(VENV)/bin/python
	EDGEQUANT_REQUIRE_ENGINES=1 $(PYTEST) tests/engines

test-browser: $(BROWSER)
	EDGEQUANT_REQUIRE_BROWSER=1 $(VENV)/bin/python -m pytest tests/browser

test-kubernetes: $(INSTALLED)
	tests/kubernetes/install.sh $(VENV)/bin/python
	EDGEQUANT_REQUIRE_KUBERNETES=1 $(VENV)/bin/python -m pytest tests/kubernetes

manifests: $(INSTALLED)
	$(VENV)/bin/edgequant compile --kubernetes-manifests --output manifests/pipeline/pipeline.yaml \
		$(if $(CONFIG),--config $(CONFIG),--image-prefix $(PREFIX) --tag $(TAG))

images:
	images/build.sh $(PREFIX) $(TAG) $(BASE_IMAGE) $(IMAGES)

test-images: $(IMAGES_TESTS)
	tests/images/install.sh
	EDGEQUANT_REQUIRE_IMAGES=1 tests/images/with_engine.sh $(VENV)/bin/python -m pytest tests/images

# What pip installs for every tier, at once: each of them alone would look through all packages again.
install-tiers: $(INSTALLED)
	$(call install,dev$(comma)browser$(comma)docs$(comma)engines$(comma)images)
	@touch $(BROWSER) $(DOCS_SITE) $(ENGINES) $(IMAGES_TESTS)

$(IMAGES_TESTS): $(INSTALLED)
	$(call install,dev$(comma)images)
	@touch $@

screenshots: $(BROWSER)
	rm -rf .screenshots/mlflow
	EDGEQUANT_REQUIRE_BROWSER=1 $(VENV)/bin/python -m pytest tests/browser/tracking
	mkdir -p docs/mlflow
	cp .screenshots/mlflow/*.png docs/mlflow/

$(BROWSER): $(INSTALLED)
	$(call install,dev$(comma)browser)
	@touch $@

$(ENGINES): $(INSTALLED)
	$(call install,dev$(comma)engines)
	@touch $@

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(INSTALLED)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

benchmark: $(INSTALLED)
	$(VENV)/bin/python benchmarks/end_to_end.py

docs: $(INSTALLED)
	$(VENV)/bin/python scripts/component_reference.py > docs/components.md
	$(VENV)/bin/python scripts/catalogue_readmes.py components/edgequant

# The theme prints a notice about MkDocs 2, which pyproject.toml excludes; any other warning is an error, unless --quiet hides it.
docs-site: $(DOCS_SITE)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

$(DOCS_SITE): $(INSTALLED)
	$(call install,dev$(comma)docs)
	@touch $@

clean:
	rm -rf $(VENV) .engines .images .kubernetes .screenshots site manifests/pipeline/pipeline.yaml edgequant-demo edgequant-work .pytest_cache .mypy_cache .ruff_cache .hypothesis

# What tests keep for other runs and checkouts.
clean-caches:
	rm -rf $${XDG_CACHE_HOME:-$$HOME/.cache}/edgequant
