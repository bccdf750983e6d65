"""What watches a training: observation, signals, what is kept, and its replay."""
