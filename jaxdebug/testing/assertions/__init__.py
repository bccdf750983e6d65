"""Assertions on functions: what each raises is a whole report."""
