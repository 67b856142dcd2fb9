# What is built, checked and tested. `make check` is the gate, here and in CI.

PYTHON ?= .venv/bin/python
CLANG ?= clang
STRIP ?= llvm-strip
MUSL_GCC := $(shell command -v musl-gcc)
CC_STATIC := $(if $(MUSL_GCC),$(MUSL_GCC),gcc) -static

OBJECTS := src/ciliate/datapath/objects
PROGRAMS := from_pod to_pod from_uplink to_uplink from_tunnel from_host serve_pod serve_outside sweep tally adopt socket
BPF_OBJECTS := $(PROGRAMS:%=$(OBJECTS)/%.bpf.o)
# Debian keeps asm/types.h by architecture; the target bpf knows no such folder.
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror \
	-I/usr/include/$(shell uname -m)-linux-gnu
PLUGIN_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Werror
PYTEST := $(PYTHON) -m pytest -q --numprocesses=auto --maxprocesses=4
PYTHON_SOURCES := src tests tools $(wildcard benchmarks)
C_SOURCES := $(wildcard bpf/*.[ch] bpf/lib/*.h plugin/*.[ch] tools/*.c tests/datapath/*.c tests/soak/*.c benchmarks/*.c)

.PHONY: all bpf plugin generate generate-check names documents check format unit mutants test soak clients kernels lab bench clean

all: bpf plugin

bpf: $(BPF_OBJECTS)

# One object per attach point. -g is for BTF, which stays; DWARF, nine tenths of the file, goes.
$(OBJECTS)/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D) build/deps
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF build/deps/$*.d -MT $@ -c $< -o $@.new
	$(STRIP) -g $@.new
	@mv $@.new $@

build/layout.bpf.o: tools/layout.bpf.c
	@mkdir -p $(@D) build/deps
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF build/deps/layout.d -MT $@ -c $< -o $@

-include $(wildcard build/deps/*.d)

generate: build/layout.bpf.o $(BPF_OBJECTS)
	$(PYTHON) -m tools.generate_layout build/layout.bpf.o $(BPF_OBJECTS)
	$(PYTHON) -m tools.generate_flow_api
	$(PYTHON) -m tools.generate_dashboards

generate-check: build/layout.bpf.o $(BPF_OBJECTS)
	$(PYTHON) -m tools.generate_layout --check build/layout.bpf.o $(BPF_OBJECTS)
	$(PYTHON) -m tools.generate_flow_api --check
	$(PYTHON) -m tools.generate_dashboards --check

plugin: build/ciliate-cni

build/ciliate-cni: plugin/ciliate-cni.c
	@mkdir -p $(@D)
	$(CC_STATIC) $(PLUGIN_CFLAGS) $< -o $@.new
	@mv $@.new $@

# One concept, one module, named after it: these names say nothing (CONTRIBUTING.md).
names:
	@! git ls-files | grep -E '(^|/)(utils?|helpers?|common|misc|base|types)\.(py|c|h)$$'

# Every citation, module, section, link and table of the documents leads somewhere.
documents:
	$(PYTHON) tools/check_documents.py

check: bpf plugin generate-check names documents
	.venv/bin/ruff check $(PYTHON_SOURCES)
	.venv/bin/ruff format --check $(PYTHON_SOURCES)
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) tools/purity.py
	clang-format --dry-run --Werror $(C_SOURCES)
	$(PYTEST) tests/unit

format:
	.venv/bin/ruff format $(PYTHON_SOURCES)
	clang-format -i $(C_SOURCES)

# `make unit FEATURE=ipam`: the tests of a feature's pure core, in one process; starting several costs
# more than they save. FEATURE=ipam/agent runs those of its part in the agent.
ifdef FEATURE
unit:
	$(PYTHON) -m pytest -q --numprocesses=0 tests/unit/$(FEATURE) \
		--ignore=tests/unit/$(FEATURE)/agent --ignore=tests/unit/$(FEATURE)/operator
else
unit:
	$(PYTEST) tests/unit
endif

# Faults planted one by one in the pure modules that differ from main, or in MODULES, and whether
# the unit tests of their packages notice (docs/TESTING.md).
mutants:
	nice -n 15 $(PYTHON) -m tools.mutants $(MODULES)

# Needs root: loads programs, builds network namespaces.
test: bpf plugin
	$(PYTEST) --numprocesses=3 --dist=loadfile --no-loadscope-reorder tests

# What holds under attack and at full size, with the figures (docs/TESTING.md). Needs root, and the
# machine for itself: `make test` runs a short form.
soak: bpf plugin
	CILIATE_SOAK=1 $(PYTHON) -m pytest -q -s --timeout=1800 tests/soak

# Those of tests/apiserver that use kubectl, with other ones: make clients KUBECTLS="/a/kubectl /b/kubectl".
clients:
	@for kubectl in $(KUBECTLS); do mkdir -p build/clients && ln -sf $$kubectl build/clients/kubectl && \
		PATH="$(CURDIR)/build/clients:$$PATH" $(PYTEST) tests/apiserver -rs || exit 1; done

# The kernels of Debian releases under qemu, each with a lab (docs/TESTING.md). Needs root.
kernels: bpf plugin
	$(PYTHON) -m tools.kernels

lab: bpf plugin
	./lab.sh

bench: bpf plugin
	$(PYTHON) -m benchmarks

clean:
	rm -rf build $(OBJECTS)
