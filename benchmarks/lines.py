"""How many layers of the toy programs have a line of the user's own code."""

from benchmarks.result import Row
from tests.zoo import PROGRAMS
from tests.zoo.lines import SHARE, Lines, total, zoo_lines


def measure() -> list[Row]:
    """Return one row a program, and one of them all against the bar."""
    found = {name: zoo_lines(name) for name in PROGRAMS}
    rows = [_row(name, *lines, bar=False) for name, lines in found.items()]
    users, theirs = (total(lines) for lines in zip(*found.values(), strict=True))
    return [*rows, _row(f"all {len(found)}", users, theirs, bar=True)]


def _row(what: str, users: Lines, theirs: Lines, bar: bool) -> Row:
    """Count the sites whose module class is the user's, and name the others."""
    note = f"{users.own} of {sum(users)} ({users.share:.3f})"
    if users.other or users.none:
        note += f"; another's {users.other}, none {users.none}"
    if sum(theirs):
        note += f"; {sum(theirs)} of classes that are not the user's left out"
    held = users.other == 0 and (not bar or users.share >= SHARE)
    return Row(what=what, held=held, note=note)
