"""Puts the checkout on the path: `benchmarks` is run from it and never installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
