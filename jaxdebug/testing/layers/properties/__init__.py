"""Properties of layers, a file for each kind."""
