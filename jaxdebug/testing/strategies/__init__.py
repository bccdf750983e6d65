"""Hypothesis strategies of what layers, losses and rules are given."""
