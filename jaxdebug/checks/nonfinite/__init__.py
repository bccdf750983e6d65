"""Where a NaN or an infinity that reaches an output was made."""
