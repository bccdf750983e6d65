"""Sets of primitives, by what they do to arrays."""

CONTRACTIONS = frozenset({"dot_general", "conv_general_dilated", "ragged_dot_general"})
"""They add up products of what they read."""

SUMS = frozenset({"add", "add_any", "sub"})
"""Their transposes pass a cotangent on, without an equation."""

RESHAPING = frozenset(
    {"broadcast_in_dim", "convert_element_type", "expand_dims", "reshape", "squeeze"}
)
"""They hand on or repeat the elements of one array, in their order."""
