"""The only place that touches JAX internals or knows a JAX version."""
