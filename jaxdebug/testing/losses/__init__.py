"""Property tests of losses."""
