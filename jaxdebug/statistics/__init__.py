"""What is measured at a site: records of pure functions on arrays."""
