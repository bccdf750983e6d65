"""Whether a loss is what its author thinks it is: value, reduction, dependence."""
