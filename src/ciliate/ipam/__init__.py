"""Addresses for pods: which there are, who holds them."""
