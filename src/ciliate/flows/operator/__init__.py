"""Certificates by which relays and nodes know each other: `plan` says when one is made, `feature` does."""
