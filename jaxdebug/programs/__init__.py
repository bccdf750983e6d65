"""Traced programs and the interpreter; knows no statistics and no framework."""
