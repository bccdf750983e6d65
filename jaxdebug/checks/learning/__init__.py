"""Whether a model can learn: short trainings, and what they are compared with."""
