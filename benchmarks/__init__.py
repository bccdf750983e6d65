"""What jaxdebug costs, measured as ratios within one run."""
