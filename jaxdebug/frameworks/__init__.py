"""What frameworks call things, and how their objects behave; one file each."""
