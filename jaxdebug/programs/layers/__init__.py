"""Where in a program the layers are that a user knows by name."""
