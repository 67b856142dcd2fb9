"""Reconciliation of desired with observed state: the changes, making them, their outcome.

Knows no feature and no adapter: a feature computes what should be, a target is where it is kept.
"""
