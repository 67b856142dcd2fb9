"""Addresses, links and routes as values; no I/O."""
