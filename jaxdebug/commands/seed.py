"""The argument ``--seed``."""

import argparse


def add_seed_argument(command: argparse.ArgumentParser) -> None:
    """Add the seed of what a command draws."""
    command.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="random seed (default: 0)"
    )


def _seed(text: str) -> int:
    seed = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError(
            f"expected an integer from 0 to 2**32 - 1; found {text!r}"
        )
    return seed
