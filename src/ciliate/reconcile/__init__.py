"""Desired state against observed state: what to change, doing it, and how it went.

Knows no feature and no adapter: a feature computes what should be, a target is where it is kept.
"""
