"""The embedded API server with our definitions."""

from tests.unit.operator.conftest import client, server

__all__ = ["client", "server"]
