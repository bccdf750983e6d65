"""Sets of primitives, by what they do to arrays."""

CONTRACTIONS = frozenset({"dot_general", "conv_general_dilated", "ragged_dot_general"})
"""They add up products of what they read."""

SUMS = frozenset({"add", "add_any", "sub"})
"""Their transposes pass a cotangent on, without an equation."""

RESHAPING = frozenset(
    {"broadcast_in_dim", "convert_element_type", "expand_dims", "reshape", "squeeze"}
)
"""They hand on or repeat the elements of one array, in their order."""

_UNCHANGED = """
    copy copy_p device_put layout_constraint optimization_barrier pbroadcast pcast pvary
    sharding_constraint stop_gradient
"""
UNCHANGED = frozenset(_UNCHANGED.split())
"""Each result is the operand of the same number."""

_HANDING_ON = """
    all_gather all_to_all broadcast_in_dim concatenate convert_element_type copy
    copy_p cummax cummin dynamic_slice dynamic_update_slice expand_dims gather max
    min optimization_barrier pad pcast ppermute pvary reduce_max reduce_min
    reduce_precision reshape rev scatter select_n sharding_constraint slice sort
    split squeeze stop_gradient top_k transpose
"""
HANDING_ON = frozenset(_HANDING_ON.split())
"""What only moves elements, or chooses among them."""

_COLLECTIVES = """
    all_gather all_gather_invariant all_gather_reduced all_to_all axis_index pgather
    pmax pmin ppermute psum psum_invariant ragged_all_to_all reduce_scatter
    unreduced_psum unreduced_reduce_scatter
"""
COLLECTIVES = frozenset(_COLLECTIVES.split())
"""What reads the values of other devices."""

_STRICT = """
    abs add add_any cos div dot_general erf exp exp2 expm1 log log1p logistic mul neg
    reduce_prod reduce_sum rsqrt sin sqrt square sub tanh
"""
STRICT = frozenset(_STRICT.split())
"""NaN in any element that they read makes NaN: nothing need be tried."""
