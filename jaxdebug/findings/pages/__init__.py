"""The pages of all findings: one file of constants for each family."""
