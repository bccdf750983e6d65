"""What was measured of the healthy controls, for the pages that quote it."""

CONTROLS = "No warning in 400 healthy trainings (20 models, 20 seeds)"
"""Of tests/findings/controls.py, each looked at twice: first step and ten later."""
