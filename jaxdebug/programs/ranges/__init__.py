"""What is known of the values of a program without running it."""
