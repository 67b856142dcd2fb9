"""The operator's part of identities: those that nothing uses are marked, and deleted later."""
