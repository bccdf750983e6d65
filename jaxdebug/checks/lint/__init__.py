"""Lint: what can be said of a traced program without running it."""
