"""Healthy programs of many kinds, each written as its users would write it."""
