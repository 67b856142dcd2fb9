"""Settings of all tests."""

import os
import sys

from hypothesis import settings

# An example that takes long is no fault: machines are busy, and speed is judged by benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Behind the machine's own programs: where it has no kubectl, the one that set-up brought.
os.environ["PATH"] += f":{sys.prefix}/bin"
