"""One rule for each primitive that has bodies."""
