"""Which inputs of a program are parameters, and what becomes of each."""
