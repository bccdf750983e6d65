"""An error on one line."""


def in_one_line(error: BaseException) -> str:
    """The class of an error and the first line of its message."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]
