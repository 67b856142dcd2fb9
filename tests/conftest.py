"""Settings of all tests."""

from hypothesis import settings

# An example that takes long is no fault: machines are busy, and speed is judged by benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
