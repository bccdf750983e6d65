"""Property tests of gradient transformations."""
