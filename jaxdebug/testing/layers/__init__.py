"""Property tests of layers, whatever framework they are written in."""
