"""State machines of Hypothesis for what is called over and over."""
