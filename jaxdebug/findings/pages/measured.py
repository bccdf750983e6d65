"""What was measured of the healthy controls, for the pages that quote it."""

CONTROLS = "No warning in 420 healthy trainings (21 models, 20 seeds)"
"""Of tests/findings/controls.py, each looked at twice: first step and ten later."""

AUDITS = "No warning in 180 healthy audits (9 models, 20 seeds)"
"""Of tests/findings/audited.py."""
