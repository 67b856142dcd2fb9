"""How packets reach pods on other nodes."""
