"""What commands share, and those that are too long for one file with the parser."""
