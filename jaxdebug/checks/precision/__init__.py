"""Where a function and its gradient lose their digits."""
