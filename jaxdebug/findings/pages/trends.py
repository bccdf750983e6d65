"""Pages on what is seen over the steps of one training."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

TRENDS = (
    "No warning in 45 healthy trainings of about 200 steps (21 models, and steps of "
    "plain JAX, Linen, NNX and Equinox)"
)
"""Of tests/training/trends."""

PAGES = (
    Page(
        "unchanged-parameter",
        "A parameter never changes in a training that moves others",
        Severity.WARNING,
        "The parameter keeps its initial value: whatever it was meant to learn, it "
        "does not.",
        "Its checksum is the same in all samples, at least 4 over at least 200 steps, "
        "while that of another parameter is not. Parts that a counter of the state "
        "updates at some steps only, as optax.MultiSteps does, are compared with such "
        "parts alone. A warning where its gradient was zero in every sample, where its "
        "update is lost to rounding in half precision, where an update is made and not "
        "applied, and where no parameter moves at all although gradients are computed. "
        "Only mentioned (info) where the program says that it is frozen: the step "
        "returns it as it is, its update is a constant zero, stop_gradient or a loss "
        "that does not use it cuts it off; and where a gradient reaches it and the "
        "update is zero, as a schedule may have it. Silent where it is declared "
        "frozen: `watch(..., declare=('frozen:encoder/*',))`; then a warning of what "
        "the program freezes besides.",
        f"{TRENDS}: rates that rise from 0, accumulated gradients, optimisers in turn "
        "and frozen parts among them. A warning comes where a part gets no data in the "
        "first 200 steps, as that of a task that is trained later, and where the rate "
        "of all is 0 for so long.",
        (
            "If it is meant to stand still, declare it: declare=('frozen:PATH',).",
            "Without a gradient: look for stop_gradient, dead units and masks between "
            "it and the loss.",
            "Without an update: look at the masks and labels of the optimiser, and at "
            "its schedule.",
            "With an update: return what optax.apply_updates gives; keep weights in "
            "float32.",
        ),
        "Parameters that the step closes over, or is given and does not return. Rows "
        "of an embedding that stand still while others move.",
    ),
    Page(
        "frozen-parameter-moved",
        "A parameter that was declared frozen changes",
        Severity.ERROR,
        "What was to be kept, such as a pretrained encoder, is trained or decayed.",
        "The checksum of a parameter that `declare=('frozen:PATTERN',)` names differs "
        "between two samples, and nothing but the step changed the state.",
        "Never on a parameter that stands still: equal bits have equal checksums.",
        (
            "Give the optimiser's part of it optax.set_to_zero(), by "
            "optax.multi_transform; optax.masked leaves the gradient itself as the "
            "update of what is masked out.",
            "If its gradient is zero, look for weight decay: mask it as well.",
            "Take the part out of what is differentiated, or use stop_gradient.",
        ),
        "A change that is undone between two samples. Running statistics of a frozen "
        "part are no parameters: declare them by their own path.",
    ),
    Page(
        "unmatched-declaration",
        "A declaration names no parameter",
        Severity.ERROR,
        "What was declared is not looked at: the pattern is of no leaf of the step.",
        "The pattern is compared with the path of each parameter and each argument of "
        "the step, as reports spell it, and with the end of each path.",
        "Never where the pattern matches a leaf.",
        (
            "Compare the pattern with the nearest names in the message: keys are "
            "separated by slashes, and * stands for any characters.",
        ),
        "A pattern that matches another leaf than was meant.",
    ),
    Page(
        "compiled-every-step",
        "The step is compiled again at every call",
        Severity.WARNING,
        "Compiling takes seconds to minutes and a step takes milliseconds: nearly all "
        "of the time goes into programs that run once.",
        "The number of programs that the jitted step holds, after each call. Told "
        "where it grew at each of 7 calls in a row (25 where the value is an integer "
        "or a shape, of which there may be a few that come again) and the same "
        "argument differed each time from all calls before.",
        f"{TRENDS}: a smaller last batch and batches of 16 lengths among them. A step "
        "that meets 25 new shapes one after another, as of 100 buckets in order, "
        "fires.",
        (
            "Pass a number that changes as an array, jnp.asarray(value), not as a "
            "static argument.",
            "Make a function or an object that is a static argument once, outside of "
            "the loop: a new lambda is a new program.",
            "Pad batches to a few lengths.",
        ),
        "Functions that are jitted inside of the step and not as a whole. Programs "
        "that are compiled now and then.",
    ),
    Page(
        "unwritten-state",
        "A state whose next value is computed and dropped",
        Severity.WARNING,
        "Batch statistics, an average of the parameters or the counter of an optimiser "
        "keep their initial value: evaluation, bias correction or schedules use it.",
        "By the program: an average d * old + (1 - d) * new of an argument, with d "
        "written in the program, that no result depends on; or a counter that is "
        "raised by one and is no part of any integer result, where it saturates as "
        "Optax's do or is handed on as it is and its successor goes nowhere. And by "
        "checksums: the argument is the same in at least 4 samples over 200 steps.",
        f"{TRENDS}: accumulated gradients, averages that are written, steps of two "
        "optimisers among them. A state that something else than this step writes "
        "changes, and is silent.",
        (
            "Return the new value, and hand it to the next step: the updated "
            "batch_stats of mutable=, the new opt_state, the new average.",
            "With nnx.merge or eqx.nn.State, return the state that the call changed.",
            "If it is meant to stay, run the layer in evaluation mode.",
        ),
        "Averages whose share is an array, sums without a decay as of momentum, an "
        "average that was never computed.",
    ),
    Page(
        "repeated-randomness",
        "Dropout or noise is the same at every step",
        Severity.WARNING,
        "The same units are dropped, the same noise is added each time: it is part of "
        "the data and regularises nothing.",
        "By the program: random numbers of which each meets one element of an array "
        "made of data, and the arguments that their key is made of. And by checksums: "
        "all of these are the same in at least 4 samples over 200 steps; or there are "
        "none, and the key is a constant. Random features, which meet data in a "
        "product of matrices, may be the same for ever.",
        f"{TRENDS}: keys that are split, folded with a step or with a counter of NNX, "
        "and constant random features among them. Noise that is meant to be fixed, "
        "drawn anew at each step, fires.",
        (
            "Fold the step in: jax.random.fold_in(key, state.step).",
            "Split the key at every step, and return or keep the new one.",
            "With NNX, return what the call did to nnx.Rngs.",
        ),
        "Random numbers that are repeated over an axis or reordered before they meet "
        "data, permutations and crops. What repeats with the period of the samples "
        "looks the same at all of them.",
    ),
)
