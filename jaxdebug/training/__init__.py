"""Watching a training: what is recorded, where it is kept, how it is read."""
