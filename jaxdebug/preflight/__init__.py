"""Everything worth knowing before a long run."""
