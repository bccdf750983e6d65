"""Whether a gradient is right: what is asked, judged and reported."""
