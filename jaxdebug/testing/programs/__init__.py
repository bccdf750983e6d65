"""Small programs whose gradient is known without JAX."""
