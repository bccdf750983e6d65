"""Witnesses of a derivative, and the verdicts they lead to."""
