"""What is wrong with data sets, before a model sees them."""
