#!/usr/bin/env bash
# The walk-through's cluster on this machine: all set-up, then the lab, then commands to try.
# Needs bash and apt on a fresh Debian 12; may be run again at any time. Takes `lab up`'s options.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
# shellcheck source=tools/setup.sh
source tools/setup.sh

set_up lab
as_root .venv/bin/ciliate lab up "$@"
