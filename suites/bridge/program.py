"""What a run of a person's whole model leaves behind, whatever its framework: every operation, every array, the draws.

An array is known by its number in the run. Which of them is z, the mean or the decoder's output is nowhere asked of
names: the runs of one program at different noise say it (`compare`, checking whole models). NumPy only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from elbo_compare.suites.bridge.tape import Draw, Drawn
from elbo_compare.suites.contract import Array


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation. reads, makes: the numbers of its arrays; place: where the person's file asks for it."""

    op: str
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where the gradient is cut off on purpose (a detach, a `no_grad`, a stop_gradient). `place`: file and line."""

    number: int
    op: str
    place: str


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a program is run once.

    x: the data, whole rows; given: normal noise, draw by draw, in place of the tape's own; filled: that number in
    place of all of it; training: the mode; restored: the cuts that are undone (None: all of them, and every weight is
    trained); moved: by how much every weight is moved; until: the step after which the run may end; masks: the seed of
    dropout's masks, which stay when the noise changes.
    """

    x: Array
    seed: int = 0
    given: tuple[Array, ...] = ()
    filled: float | None = None
    training: bool = True
    restored: frozenset[int] | None = frozenset()
    moved: float = 0.0
    until: int = -1
    masks: int = 0


@dataclass(kw_only=True)
class Run:
    """One run: `steps` in order; of each array `draws` (which draws it depends on), `weighs` (it is made of weights
    alone) and `of_x`. loss, outputs: numbers; error: what the program raised, "" where it went through.
    """

    steps: list[Step] = field(default_factory=list)
    arrays: list[Any] = field(default_factory=list)
    draws: list[frozenset[int]] = field(default_factory=list)
    weighs: list[bool] = field(default_factory=list)
    of_x: list[bool] = field(default_factory=list)
    drawn: list[Draw] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    restored: bool = False
    loss: int | None = None
    outputs: dict[str, int] = field(default_factory=dict)
    held: dict[int, Any] = field(default_factory=dict)  # the weights as they were in it, by number
    error: str = ""

    @property
    def sampled(self) -> list[Draw]:
        """Every draw but those of dropout, in order: what `draws` counts."""
        return [draw for draw in self.drawn if draw.kind is not Drawn.DROPOUT]


class Program(Protocol):
    """A person's model with one way to its loss."""

    framework: str
    roundoff: float

    def run(self, setting: Setting, replaced: Mapping[int, Any] | None = None) -> Run:
        """Run it once and keep all arrays; whatever it raises is the run's `error`. replaced: step -> what is put in
        place of its first result."""
        ...

    def value(self, run: Run, number: int) -> Array:
        """An array of a run in float64."""
        ...

    def shape(self, run: Run, number: int) -> tuple[int, ...]:
        """Its shape."""
        ...

    def pull_back(self, run: Run, cotangents: Mapping[int, Array]) -> dict[str, Array]:
        """Sum over the arrays of cotangent . d array / d weight, by weight; zeros where nothing depends on it."""
        ...

    def weights(self) -> dict[str, bool]:
        """The names of the weights, and whether each is trained as the model stands."""
        ...


# Operations in which a network reads an array: a contraction with weights.
_CONTRACTING = """
    linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d matmul mm bmm addmm baddbmm einsum
    bilinear tensordot __matmul__ __rmatmul__ lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell
    multi_head_attention_forward scaled_dot_product_attention addmv mv dot_general conv_general_dilated
"""
# Operations that only arrange: what they read is what they give.
_ARRANGING = """
    view reshape view_as reshape_as flatten unflatten unsqueeze squeeze expand expand_as permute transpose t contiguous
    to clone detach detach_ float double type type_as cat concat concatenate stack repeat repeat_interleave chunk split
    __getitem__ cuda cpu requires_grad_ select narrow swapaxes movedim ravel unbind tensor_split data
    convert_element_type broadcast_in_dim copy copy_p slice dynamic_slice gather rev stop_gradient
"""
CONTRACTIONS, ARRANGING = frozenset(_CONTRACTING.split()), frozenset(_ARRANGING.split())


def readers(run: Run) -> Sequence[int]:
    """The steps in which a network reads noise, in order."""
    return [
        number
        for number, step in enumerate(run.steps)
        if step.op in CONTRACTIONS
        and any(run.draws[each] for each in step.reads)
        and any(run.weighs[each] for each in step.reads)
    ]


def source_of(run: Run, number: int) -> int:
    """The array behind a chain of arrangements: what `z.view(-1, 8)` or `cat([z, label])` was made of."""
    makers = {made: step for step in run.steps for made in step.makes}
    seen: set[int] = set()
    while number in makers and makers[number].op in ARRANGING and number not in seen:
        seen.add(number)
        noisy = [each for each in makers[number].reads if run.draws[each] and each != number]
        if len(noisy) != 1:
            break
        number = noisy[0]
    return number


def as_rows(value: Array, rows: int) -> Array:
    """(rows, everything else)."""
    return np.asarray(value, np.float64).reshape(rows, -1)
