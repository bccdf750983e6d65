"""Property tests that are written for layers that are found."""
