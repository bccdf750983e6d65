"""The list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax

import jaxdebug as jd
from benchmarks.everyday_programs import (
    characters,
    densities,
    equations,
    graphs,
    images,
    likelihoods,
    pairs,
    pretrained,
    sequences,
    tables,
)

PROGRAMS: Mapping[str, Callable[[int], jd.Workload]] = {
    make.__name__.replace("_", " "): make
    for make in (
        tables.breast_cancer,
        tables.rare_class,
        tables.several_labels,
        tables.ridge,
        tables.quantiles,
        tables.mixture_of_experts,
        likelihoods.ordinal,
        likelihoods.counts,
        likelihoods.survival,
        likelihoods.growing_noise,
        images.normalised_convolutions,
        images.textures,
        images.gratings,
        pretrained.distilled,
        pretrained.transferred,
        sequences.tags,
        sequences.forecast,
        sequences.accumulated_steps,
        characters.transformer,
        characters.recurrent,
        pairs.contrasted_views,
        pairs.two_towers,
        pairs.triplets,
        pairs.ranked_lists,
        pairs.ratings,
        densities.autoencoder,
        densities.variational_autoencoder,
        densities.diffusion,
        graphs.graph_convolutions,
        equations.heat,
    )
}
"""Nothing is wrong with any of them."""

IN_FLOAT64 = frozenset({"growing noise"})


def check_up(name: str, seed: int) -> jd.OutcomeReport:
    """A check-up of one of them, in the precision that it is written for."""
    with jax.enable_x64(name in IN_FLOAT64):
        return jd.checkup(PROGRAMS[name](seed), seed=seed)
