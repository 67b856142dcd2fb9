#!/usr/bin/env bash
# Every gate and every test: all set-up first, so that a fresh Debian 12 and a clone suffice.
# Words are given to pytest for the tests that need root: ./test.sh -k masquerade
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
# shellcheck source=tools/setup.sh
source tools/setup.sh

set_up dev

# Formatting, types, imports between layers, generated code, unit tests.
make --no-print-directory check

# What runs programs, links and whole clusters, in namespaces of its own. Labs wait more than they
# work, and know nothing of each other: files run side by side.
as_root .venv/bin/python -m pytest tests --ignore=tests/unit --ignore=tests/kernels \
    --numprocesses=auto --maxprocesses=4 --dist=loadfile "$@"

# The same product on the kernels that people have: booted side by side under emulation.
if [ $# -eq 0 ]; then
	as_root make --no-print-directory kernels
fi
