"""What calls of a model can count on: shapes, modes, randomness, sizes of batches."""
