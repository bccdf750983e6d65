"""Pages on what a loss and a model should do whatever they have learned."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "far-initial-loss",
        "The loss begins far above what a constant answer comes to",
        Severity.WARNING,
        "The first steps are spent on the scale of the outputs, with large gradients. "
        "Often inputs or targets are not scaled, a softmax is taken twice, or the "
        "targets are not those that the loss expects.",
        "A loss that is recognised by its value as a cross entropy, a squared or an "
        "absolute error of `predict_fn` and `targets`: a cross entropy of twice that "
        "of equal probabilities, and 2 more; an error ten times that of the best "
        "constant, or targets that are larger than 10, and ten times as large as the "
        "outputs.",
        "Not on 19 healthy trainings and 30 everyday programs; a fresh head on trained "
        "layers came to 1.6 more than equal probabilities.",
        (
            "Scale targets to mean 0 and deviation 1, and inputs as well.",
            "Begin the last layer with the mean of the targets as its bias, or with "
            "small weights.",
        ),
        "Losses of other forms; a loss that begins too low.",
    ),
    Page(
        "unreachable-targets",
        "The outputs cannot reach the targets",
        Severity.ERROR,
        "The last activation bounds the outputs, and some targets lie beyond: the loss "
        "cannot become small, and gradients vanish where the activation saturates.",
        "The range of the outputs, which follows from the program whatever the "
        "parameters are, beside the smallest and the largest target of the batch. "
        "Only of a squared or an absolute error; and of a sigmoid cross entropy, where "
        "targets are not from 0 to 1.",
        "Never where the targets lie in the range.",
        (
            "Scale the targets to the range of the last activation.",
            "Take the last activation out.",
        ),
        "Targets that only some parameters could reach.",
    ),
    Page(
        "squared-error-of-classes",
        "Classes are learned with a squared error",
        Severity.INFO,
        "It works, but slowly: far from the target its gradient through a softmax or "
        "sigmoid is small.",
        "A loss that is recognised as a squared error, of integer targets or of rows "
        "with a single one.",
        "On every such model, healthy or not: it is only mentioned.",
        ("Use a cross entropy of the logits.",),
        "Other losses.",
    ),
    Page(
        "summed-loss",
        "The loss is a sum over the examples of a batch",
        Severity.WARNING,
        "Gradients, and with them the best learning rate, grow with the size of the "
        "batch; a last batch that is smaller counts less.",
        "The loss of a batch twice is twice that of the batch, to one part in ten.",
        "Never on a mean over the examples. A loss that compares examples with each "
        "other gives neither once nor twice.",
        (
            "Take the mean over the examples, such as `.mean()` for `.sum()`.",
            "If it is meant so, silence it.",
        ),
        "Sums over other axes.",
    ),
    Page(
        "strong-regulariser",
        "Terms of the loss that see no data outweigh those that do",
        Severity.WARNING,
        "The steps make the parameters small, whatever the data say: the model stays "
        "close to a constant.",
        "The summands of the loss that do not depend on the batch, such as a sum of "
        "squared weights: the norm of their gradient before any step is larger than "
        "that of the other summands.",
        "Not on the examples; a common weight decay is a hundredth of it or less.",
        (
            "Make the coefficient smaller: a hundredth to begin with.",
            "Take the regulariser out, and see whether the model learns.",
        ),
        "Regularisers of activations, and weight decay in the optimiser.",
    ),
    Page(
        "mixed-examples",
        "What is predicted of an example depends on the others",
        Severity.ERROR,
        "A reduction, a softmax or a reshape runs over the examples: the model sees "
        "what it will not have when it is used, and answers change with the batch.",
        "Another example takes the place of the first, and the first is moved in a "
        "random direction: no other output may change by more than rounding, and no "
        "derivative of another output may be more than 1e-5 of its own. NaN that "
        "reaches others although they do not depend on it is mentioned (info).",
        "Never without such a dependence. If the training loss also changes running "
        "averages, as batch normalisation does, nothing is decided.",
        (
            "Look for an operation over axis 0, and for a reshape or transpose that "
            "merges it with another.",
            "Give a `predict_fn` in evaluation mode.",
            "If a batch is one thing, such as a graph, give each leaf a first axis of "
            "one, or silence this and batch-size.",
        ),
        "A dependence at other inputs than those of the batch.",
    ),
    Page(
        "looks-ahead",
        "A causal model sees later inputs",
        Severity.ERROR,
        "The model is shown what it should predict: its loss becomes very small, and "
        "what it generates is useless.",
        "The inputs from a position on are changed, at up to eight positions: no "
        "output before it may change by more than rounding. Outputs that the "
        "workload's `mask` leaves out are not looked at.",
        "Never in a model that looks back only.",
        (
            "Look at the mask of each attention, at the padding of each convolution, "
            "and at anything that runs over the axis of time.",
            "Check by how many positions the targets are shifted.",
        ),
        "Positions between those that were tried.",
    ),
    Page(
        "padding-counts",
        "Padding changes the loss",
        Severity.ERROR,
        "The model is trained to predict padding, or attends to it: the loss of short "
        "examples is another one than of the same examples in a shorter batch.",
        "The inputs, and then the targets, take other values where `mask` says that "
        "nothing counts: the loss may not change by more than rounding.",
        "Never where padding is left out of attention, averages and the loss.",
        (
            "Multiply the loss of each position by the mask, and divide by its sum.",
            "Hand the mask to attention and to normalisation.",
        ),
        "Padding that the mask does not name.",
    ),
    Page(
        "unexpected-shape",
        "An array has another shape or dtype than was declared",
        Severity.ERROR,
        "An axis was lost, added or exchanged on the way: what follows broadcasts, or "
        "mixes what it should not.",
        "Inputs, targets and outputs beside the types of `expect`, with axes of one "
        "name equal to each other.",
        "Never where the declaration is right.",
        ("Print the shapes from layer to layer, or look at `audit`, which has them.",),
        "Arrays that were not declared.",
    ),
    Page(
        "not-repeatable",
        "The same call gives another loss",
        Severity.ERROR,
        "Something besides the arguments decides: a random generator of NumPy, a "
        "counter, memory that is not set. Runs cannot be repeated, and checks that "
        "compare two calls say nothing.",
        "The loss of one batch with the same arguments twice, to the last bit.",
        "Never on CPU for a function of its arguments.",
        (
            "Hand random keys in, as `extra`, and use `jax.random`.",
            "On a GPU, set `--xla_gpu_deterministic_ops=true` in XLA_FLAGS.",
        ),
        "What changes only when the function is traced again.",
    ),
    Page(
        "random-evaluation",
        "The loss in evaluation mode depends on random keys",
        Severity.ERROR,
        "Dropout or noise is live in evaluation: metrics are worse than the model, "
        "and not the same twice.",
        "`eval_loss_fn` with the keys of `extra`, and with others: the same to the "
        "last bit.",
        "Never without such a dependence.",
        ("Pass `deterministic=True`, or its like, in evaluation.",),
        "Keys that are made inside the function.",
    ),
    Page(
        "jit-disagrees",
        "The loss is another one without jit",
        Severity.ERROR,
        "Python decides something while the function is traced, such as a branch, a "
        "counter or an array that it remembers: the compiled step is not the program "
        "that was read.",
        "The loss of one batch compiled and operation by operation: equal up to 10 000 "
        "units in the last place of float32, or of float64 where all is float64; in "
        "programs with a narrower format up to 8 of its own.",
        "Never where both compute the same sums.",
        (
            "Look for state that the function keeps, and for branches on what is "
            "traced.",
        ),
        "Branches that are not taken on this batch.",
    ),
    Page(
        "batch-size",
        "An example is answered otherwise in a batch of another size",
        Severity.ERROR,
        "A last batch that is smaller, or a single example, is answered wrongly or "
        "raises: often a squeeze removes the axis of examples, or a size is written "
        "down.",
        "`predict_fn` on the first example alone and on an odd number of them, beside "
        "the same examples of the whole batch, up to rounding.",
        "Never where each example is answered by itself.",
        (
            "Name the axes of squeeze, and take sizes from the inputs.",
            "Give a `predict_fn` in evaluation mode.",
        ),
        "Sizes that were not tried.",
    ),
    Page(
        "reused-key",
        "A random key is used twice",
        Severity.ERROR,
        "Both uses draw the same numbers: dropout masks, noise or initial weights "
        "that should be independent are equal.",
        "JAX's own check, `jax.debug_key_reuse`, on the traced loss.",
        "Never where each key is used once.",
        ("Split the key, or fold a number into it, before each use.",),
        "Keys of `jax.random.PRNGKey`, and use over several calls.",
    ),
    Page(
        "unused-inputs",
        "What is learned first does not depend on the inputs",
        Severity.WARNING,
        "Only a constant is learned: the inputs do not enter, or weights that are far "
        "too small, or zero, or saturated layers leave nothing of them.",
        "The gradient of a batch, and of the batch with inputs of zero: they differ by "
        "less than a thousandth of its norm. Of batches that hold more than inputs and "
        "targets they do so after 100 steps as well.",
        "Not on 19 healthy trainings, one with a last layer of zero among them: its "
        "gradient depends on the inputs.",
        (
            "Check that the inputs reach the model, and that none of it is replaced.",
            "Look at the scale of the weights: a variance of 1/fan_in or 2/fan_in.",
        ),
        "Inputs that enter, and are useless.",
    ),
    Page(
        "clipped-loss",
        "The loss is cut off where it is large",
        Severity.WARNING,
        "An example whose loss is above the bound has no gradient: what is predicted "
        "worst is never learned. Clipping is meant for gradients.",
        "The gradient of up to 64 examples, each by itself: those without any all have "
        "the same loss, which is not zero; some of the others have a smaller one, and "
        "none a larger.",
        "Not on 19 healthy trainings. A loss that is cut off on purpose, against "
        "outliers, fires.",
        (
            "Clip the gradient in place of the loss: optax.clip_by_global_norm.",
            "Use a loss that grows slowly, such as optax.huber_loss.",
        ),
        "A bound that no example of these reaches with the first parameters.",
    ),
    Page(
        "unused-averages",
        "Evaluation normalises by its batch",
        Severity.ERROR,
        "Batch normalisation runs in training mode: an evaluation loss depends on "
        "which examples are in a batch, and is not what the model answers to one.",
        "Other running averages leave the evaluation loss as it is, to the last bit; "
        "and it is no mean over the examples of the batch, however they are weighted: "
        "half of them given twice do not count twice.",
        "Never where evaluation uses the averages, and never where each example has a "
        "loss of its own.",
        (
            "Pass use_running_average=True, train=False, or their like, in evaluation.",
            "Of NNX, call model.eval() before, and model.train() after.",
        ),
        "Averages that are kept where the loss cannot change them.",
    ),
    Page(
        "unsteady-evaluation",
        "The evaluation inputs are others each time",
        Severity.WARNING,
        "The augmentation of the training is live in evaluation: numbers jump from "
        "time to time, and are worse than the model.",
        "The evaluation batches are read twice: the same targets as often, and other "
        "inputs.",
        "Never on a split that is stored; another order changes nothing, and fresh "
        "examples have other targets. Noise that belongs to the task fires.",
        ("Leave random transformations out of the evaluation split.",),
        "Augmentation that is the same each time.",
    ),
)
"""In the order in which they are looked at."""
