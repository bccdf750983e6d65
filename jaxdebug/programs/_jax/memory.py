"""Whether a program failed for want of memory."""


def ran_out(error: Exception) -> bool:
    """Whether an error of XLA says that there was not enough memory."""
    return "RESOURCE_EXHAUSTED" in str(error)
