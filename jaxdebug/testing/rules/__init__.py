"""Property tests of custom derivative rules."""
