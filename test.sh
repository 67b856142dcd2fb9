#!/usr/bin/env bash
# Every gate and every test: all set-up first, so that a fresh Debian 12 and a clone suffice.
# Words are given to pytest for the tests that need root: ./test.sh -k masquerade
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
# shellcheck source=tools/setup.sh
source tools/setup.sh

set_up dev

# Not in /tmp, where root may be kept from writing to files of others (fs.protected_regular).
CILIATE_TEST_SKIPS=$(mktemp "$PWD/build/skips.XXXXXX")
CILIATE_TEST_FAILURES=$(mktemp "$PWD/build/failures.XXXXXX")
export CILIATE_TEST_SKIPS CILIATE_TEST_FAILURES
trap last_words EXIT

# However many runs there were.
last_words() {
	show_skips
	show_failures
}

# What was not tested here, and why.
show_skips() {
	if [ -s "$CILIATE_TEST_SKIPS" ]; then
		printf '\nskipped tests, by reason:\n'
		awk -F '\t' '{ count[$2] += $1 } END { for (why in count) printf "%6d  %s\n", count[why], why }' \
			"$CILIATE_TEST_SKIPS" | sort -k 1,1nr -k 2
	fi
	rm -f "$CILIATE_TEST_SKIPS"
}

# What failed beside others and passed alone (tools/rerun.py).
show_failures() {
	if [ -s "$CILIATE_TEST_FAILURES" ]; then
		printf '\nfailed beside others and passed alone, a defect to find:\n'
		sed 's/^/  /' "$CILIATE_TEST_FAILURES"
	fi
	rm -f "$CILIATE_TEST_FAILURES"
}

# Formatting, types, imports between layers, generated code, unit tests.
make --no-print-directory check

# What runs programs, links and whole clusters, in namespaces of its own. Labs wait for one another's
# processes and know nothing of each other: three files run side by side, on two processors too, those that
# take longest first (tests/conftest.py). What fails in few files runs once more alone (tools/rerun.py).
as_root .venv/bin/python -m tools.rerun tests --ignore=tests/unit --ignore=tests/kernels \
    --numprocesses=3 --dist=loadfile --no-loadscope-reorder "$@"

# The same product on the kernels that people have: booted side by side under emulation.
if [ $# -eq 0 ]; then
	as_root make --no-print-directory kernels
fi
