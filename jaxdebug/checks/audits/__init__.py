"""One batch of a workload: gradients, layers and data."""
