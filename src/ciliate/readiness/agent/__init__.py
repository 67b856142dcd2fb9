"""The agent's part of readiness: its own statement, where no ready pod speaks for it."""
