"""Findings on one training, from what changes over its steps and what does not."""
