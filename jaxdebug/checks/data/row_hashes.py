"""Numbers that are equal for equal rows, and for equal columns.

Every value becomes a 64-bit word, mixed so that all its bits matter; a row's hash is
the sum of its words, each times an odd random number of its column, modulo 2^64. Two
rows that differ collide about once in 2^64; a million rows with a million others once
in ten million times. The same words times numbers of their rows give columns' hashes.
"""

from __future__ import annotations

import numpy as np

_ODD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


def values_of(array: np.ndarray) -> np.ndarray:
    """An array of numbers as float64[rows, width]; a complex number is two.

    Example:
        >>> values_of(np.array([[1 + 2j], [3j]])).tolist()
        [[1.0, 2.0], [0.0, 3.0]]
    """
    flat = array.reshape(len(array), -1)
    if flat.dtype.kind == "c":
        flat = np.ascontiguousarray(flat, np.complex128).view(np.float64)
    return flat.astype(np.float64)


def words_of(array: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A mixed word for every value, equal for equal values.

    Args:
        array: as the split gives it.
        values: the same as float64.

    Returns:
        uint64, of the shape of `values`. float32 and float64 that are equal have one
        word, and so have 0 and -0.
    """
    if array.dtype in (np.dtype(np.int64), np.dtype(np.uint64)):
        # Identifiers of 64 bits are one float64 with their neighbours.
        words = np.array(array.reshape(values.shape), order="C").view(np.uint64)
        words *= _ODD
    else:
        words = (values + 0.0).view(np.uint64) * _ODD
    # The low bits of a float with few digits are zero and stay so when it is
    # multiplied: without this, equal low bits would make many sums equal.
    words ^= words >> _HALF
    return words


def multipliers(count: int, start: int, stream: int) -> np.ndarray:
    """Odd 64-bit numbers, random but always the same (SplitMix64).

    Args:
        count: how many.
        start: number of the first in its stream.
        stream: which of several.

    Returns:
        uint64[count].
    """
    with np.errstate(over="ignore"):
        state = np.arange(start, start + count, dtype=np.uint64)
        state = (state + np.uint64(stream << 40) + np.uint64(1)) * _ODD
        for shift, odd in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(odd)
        return (state ^ (state >> np.uint64(31))) | np.uint64(1)


def row_sums(words: np.ndarray, stream: int) -> np.ndarray:
    """One uint64 for each row; those of several fields are added."""
    return np.einsum("ij,j->i", words, multipliers(words.shape[1], 0, stream))


def column_sums(words: np.ndarray, start: int) -> np.ndarray:
    """One uint64 for each column; those of several chunks are added."""
    rows = multipliers(len(words), start, 1 << 10)
    return np.einsum("i,ij->j", rows, words)


def spread(sums: np.ndarray) -> np.ndarray:
    """Sums with their bits mixed, so that any few of them are a hash too."""
    with np.errstate(over="ignore"):
        mixed = (sums ^ (sums >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        return mixed ^ (mixed >> np.uint64(32))
