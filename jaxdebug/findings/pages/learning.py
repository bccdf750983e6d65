"""Pages on short trainings: whether a model can learn at all."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "cannot-overfit",
        "The model cannot learn one batch by heart",
        Severity.ERROR,
        "A model with more parameters than a batch has numbers can be trained to "
        "answer that batch. One that cannot has a mistake in its loss, its gradient or "
        "its optimiser, or is cut off from its inputs, and more data will not help.",
        "Up to 400 steps on one batch with your optimizer. The last loss is compared "
        "with that of the same batch with inputs of zero, which is what the best "
        "constant comes to; a model that comes to less than 2 % below it, and whose "
        "loss does not fall any more, has learned nothing. Half of it is a pass; "
        "between the two nothing is decided. Of one example, and where the targets are "
        "not known or are the inputs, the loss at the start takes the place of the "
        "constant's. A ladder of simple models tells a mistake from a lack of units: a "
        "linear one, then one layer of 4, 16, 64 and 256 units that are drawn at "
        "random, each fitted by least squares.",
        "Never, as long as the learning rate moves the loss at all: one that falls "
        "slowly is undecided.",
        (
            "Look at the checks of gradients and parameters first: what they name "
            "comes before this.",
            "Try ten times the learning rate, and a tenth.",
            "If the loss depends on no input, look where the batch enters the model.",
        ),
        "A mistake that leaves enough of the model to learn one batch.",
    ),
    Page(
        "loss-does-not-fall",
        "The loss of the batches that were trained on did not fall",
        Severity.ERROR,
        "The steps of the optimiser do not lead downhill: the training will not work "
        "as it stands.",
        "The losses of the batches are compared before and after the steps, with the "
        "same parameters, batch by batch. A mean difference of four of its standard "
        "errors is a fall, one of less than a single one is none; between the two "
        "nothing is decided.",
        "Never while each batch's loss falls, however little.",
        (
            "If the loss is as it was, no update reaches the parameters: look at the "
            "learning rate, its schedule, and whether updates are applied.",
            "If it rose, try a tenth of the learning rate, and look at the sign of the "
            "update.",
        ),
        "Losses that fall and yet do not reach what they should.",
    ),
    Page(
        "small-steps",
        "Steps a hundred times as large would lower the loss far more",
        Severity.WARNING,
        "The parameters hardly move: the training looks stuck, and takes a hundred "
        "times as long as it could.",
        "30 steps with the optimiser's updates multiplied by 1e-4, 1e-3, ... 1e4, "
        "and on to 1e12 while the largest does best: the best factor is 100 or more, "
        "lowers the loss by a fifth or more, also of what it is with inputs of zero, "
        "and the steps as they are gain less of that than a twentieth for each power "
        "of ten: a tenth, if the factor is 100. Steps that still grow after 200 are "
        "undecided, unless at that pace it took more than 100 000.",
        "Not on 19 healthy trainings; parameters that are trained already gain little "
        "from any factor.",
        (
            "Multiply the learning rate by ten, and look again.",
            "If gradients are lost in the epsilon of Adam or its like, make that "
            "smaller, or the loss larger.",
            "Check the unit of the schedule: steps, not epochs.",
        ),
        "Steps that are too small only later.",
    ),
    Page(
        "large-steps",
        "Steps a hundred times as small would lower the loss far more",
        Severity.WARNING,
        "The steps jump over what they look for: the loss rises, jumps or becomes NaN.",
        "As for small-steps, with a best factor of 0.01 or less.",
        "Not on 19 healthy trainings.",
        ("Divide the learning rate by ten, and look again.", "Add a warm-up."),
        "Steps that are too large only later.",
    ),
    Page(
        "targets-unrelated",
        "What was learned says nothing of new examples",
        Severity.ERROR,
        "The loss of the batches that were trained on falls below that of the best "
        "constant, that of new batches does not: the model learns by heart. Inputs and "
        "targets may not belong together.",
        "Two trainings of up to 1600 steps with your optimizer, on the batches as they "
        "are and with targets shuffled over all examples, and one with inputs of zero. "
        "Of what is gained on the first, at most a tenth is gained on new ones, at any "
        "time, beside the better of the other two. And inputs and targets seem "
        "independent without a model, too: their distance covariance (Székely, Rizzo "
        "and Bakirov, 2007) is none that shuffled examples do not reach.",
        "Not on 19 healthy trainings. A task that takes longer to learn than the short "
        "training is undecided, and few examples may be: 2 of 20 regressions on 320.",
        (
            "Print a few inputs beside their targets, after all of the preparation.",
            "Shuffle inputs and targets by the same permutation.",
        ),
        "Targets that are partly wrong.",
    ),
    Page(
        "worse-than-linear",
        "A linear model learns one batch far better",
        Severity.WARNING,
        "The model learns something of the batch and then stops, far above what a "
        "linear model of the same inputs comes to: it is no lack of layers or units. "
        "Saturated or dead units, a blocked gradient, or an optimiser that does not "
        "fit are.",
        "As for cannot-overfit. A linear regression on the inputs takes away nine "
        "tenths of the best constant's loss. The model takes away less than half of "
        "it, ends at more than twice the linear one's, and as its loss falls now it "
        "would need more than a thousand further steps for that half.",
        "Not on 19 healthy trainings.",
        (
            "Look at the checks of gradients and layers first.",
            "Try ten times the learning rate, and a tenth.",
            "Take layers away until it learns the batch: the last one is to blame.",
        ),
        "Losses whose best constant is not known, and inputs that are codes.",
    ),
    Page(
        "step-raises",
        "The train step raises an exception",
        Severity.ERROR,
        "The training stops there.",
        "The step is called on a copy of the state, with the training batches one "
        "after another, 204 times.",
        "Never on a step that takes the state that it returns.",
        (
            "Read the message, and the line that it names.",
            "Return (state, metrics), in this order: the next step takes that state.",
            "optax.adamw and other decays need the parameters: tx.update(gradients, "
            "opt_state, params).",
        ),
        "What raises later, or on batches of another shape than the first.",
    ),
    Page(
        "other-step-size",
        "The train step moves the parameters further, or less far, than its optimiser",
        Severity.WARNING,
        "Gradients are summed where they should be averaged, over accumulated parts or "
        "over devices; or the step scales the loss, the gradient or the update.",
        "The first steps of `train_step` and of `optimizer` on `loss_fn`, from the "
        "same parameters on the same batches: the moves have one direction (cosine of "
        "0.98 or more), and their sizes differ by more than one part in ten.",
        "Never where the step does what `optimizer` does on `loss_fn`; where it is "
        "meant to do otherwise, as with a rate of its own, it fires.",
        (
            "Divide accumulated gradients by how many there are; use pmean for psum.",
            "Divide the gradient by the scale of the loss.",
            "Give the `optimizer` that the step uses.",
        ),
        "Optimisers that normalise the gradient, as Adam does: a factor of it changes "
        "nothing. Steps in other directions are undecided.",
    ),
    Page(
        "opposite-step",
        "The train step moves the parameters against its optimiser",
        Severity.ERROR,
        "Updates of Optax are added: they hold the minus of the descent already. A "
        "step that subtracts them, or differentiates minus the loss, climbs.",
        "As for other-step-size, with a cosine of -0.98 or less.",
        "Never where the step does what `optimizer` does on `loss_fn`.",
        (
            "Use optax.apply_updates, or add the updates.",
            "Look at the sign of the loss that the step differentiates.",
        ),
        "Steps in other directions are undecided.",
    ),
    Page(
        "steps-part",
        "The train step begins as its optimiser does, and goes on otherwise",
        Severity.WARNING,
        "What is handed from one step to the next is not what the optimiser left: its "
        "state is made anew or not returned, or gradients pile up and are not set to "
        "zero.",
        "The first moves of `train_step` and of `optimizer` on `loss_fn` are the same "
        "to one in twenty. After 8 more steps on the same batches both are apart by "
        "three tenths of how far `optimizer` went.",
        "Not on the examples, nor on a healthy step of the benchmarks. A step with a "
        "schedule of its own that changes within 8 steps fires.",
        (
            "Return the state that optimizer.update gives, and take it the next time.",
            "Set accumulated gradients to zero after they are used.",
            "Give the `optimizer` that the step uses.",
        ),
        "Steps with random keys, whose first moves differ already.",
    ),
    Page(
        "steps-end-early",
        "The optimiser's steps end before the first pass over the batches",
        Severity.WARNING,
        "A schedule has come to zero, and the parameters stay as they are, however "
        "long the training goes on. Often its length was given in epochs where steps "
        "are meant.",
        "The optimiser is given the gradient of the first batch again and again, over "
        "two passes of the training batches, of which at most 200 count. From a step "
        "on that comes before nine tenths of a pass, its updates are less than a "
        "millionth of the largest.",
        "Not on 19 healthy trainings, a warm-up with a cosine to zero and one that "
        "gathers the gradients of several steps among them.",
        (
            "Give the schedule the number of steps: epochs times batches of an epoch.",
            "Let it end at a small value in place of zero.",
        ),
        "Schedules that end in a later pass, and those that the train step holds.",
    ),
    Page(
        "strong-decay",
        "Weight decay outweighs the gradient",
        Severity.WARNING,
        "The parameter is drawn to zero faster than it learns: scales of "
        "normalisations and biases vanish, and with them what their layer says.",
        "Before any step and after 10, the update is computed with the parameters as "
        "they are, and with parameters of zero. The difference points to zero and is "
        "more than twice the rest.",
        "Not on 19 healthy trainings, AdamW with a decay of 0.1 among them.",
        (
            "Make the decay smaller: 0.01 to 0.1 of AdamW.",
            "Leave out norm scales and biases: optax.adamw(..., mask=...).",
        ),
        "Decay that the loss holds: see strong-regulariser.",
    ),
    Page(
        "clipped-update",
        "The optimiser clips its update in place of the gradient",
        Severity.WARNING,
        "The norm that is clipped is of what Adam or momentum made of the gradient: "
        "an outlier enters the moments unclipped and stays there for many steps, and "
        "the bound is one of another size than that of gradients.",
        "By the optimiser's program: a norm over the gradients of all parameters is "
        "compared with a number, and the moments in the state enter it; no norm that "
        "is compared is of the gradient alone.",
        "Never on optimisers that clip first. One that clips its update on purpose "
        "fires.",
        ("Put optax.clip_by_global_norm first in optax.chain.",),
        "Clipping in the train step, clipping parameter by parameter or element by "
        "element.",
    ),
    Page(
        "evaluation-apart",
        "What is learned does not show in evaluation mode",
        Severity.ERROR,
        "Both losses are of the same batches. The one in training mode falls, the one "
        "in evaluation mode does not: they are not of one model, or evaluation uses "
        "other parameters, inputs or statistics.",
        "A short training of 100 steps. The training loss of its batches falls surely, "
        "the evaluation loss of the same batches does not fall at all. Running "
        "averages, which may follow slowly, leave it undecided.",
        "Never while both losses fall.",
        (
            "Compare what loss_fn and eval_loss_fn do with parameters and inputs.",
            "Of Linen's batch normalisation, hand the averages on by `next_extra`.",
        ),
        "An evaluation loss that falls, but far less than it should.",
    ),
    Page(
        "overfits-soon",
        "New examples are predicted worse and worse after a few hundred steps",
        Severity.WARNING,
        "The model learns the training examples by heart. There are few of them beside "
        "its parameters, or nothing holds it back.",
        "400 steps, with the evaluation loss before them and after 10, 20, 50, 100, "
        "200 and 400: at the end it is surely above its least, batch by batch, and "
        "more than a quarter of what had been learned is lost again.",
        "Not on 19 healthy trainings, one of them on 320 examples; of few examples, as "
        "their number says, it is meant to fire.",
        (
            "Check that all of the data are read: the number of examples is in the "
            "message.",
            "Stop early, add weight decay, dropout or augmentation, or take fewer "
            "units.",
        ),
        "What is learned by heart only later.",
    ),
)
"""In the order in which they are looked at."""
