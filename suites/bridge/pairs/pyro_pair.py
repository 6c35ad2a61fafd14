"""A Pyro model and guide at a tape: what Pyro's own ELBO objects return, and every term of every site."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO
from pyro.infer.enum import config_enumerate
from torch import Tensor

from elbo_compare.suites.bridge.pairs.pyro_states import expected, marginal
from elbo_compare.suites.bridge.pairs.records import OWN_ONLY, SAMPLERS, Asked, Run, SiteFacts, Term, Total, What
from elbo_compare.suites.bridge.pairs.site_terms import facts, importance, moved, terms
from elbo_compare.suites.bridge.pairs.torch_weights import Gradients
from elbo_compare.suites.bridge.tape import Tape
from elbo_compare.suites.bridge.torch_tape import TorchTape
from elbo_compare.suites.tracing.pyro_exact import exact_elbo
from elbo_compare.suites.tracing.pyro_trace import Given, divergence, quiet, traced
from elbo_compare.suites.tracing.site import Traced


@dataclass(frozen=True, kw_only=True)
class PyroPair:
    """MODEL and GUIDE, which take the same arguments."""

    model: Callable[..., Any]
    guide: Callable[..., Any]

    def set_up(self, args: Sequence[Any]) -> None:
        """An autoguide makes its weights on its first call; so do parameters of Pyro's store."""
        with quiet(), TorchTape(Tape(0)):
            self._traced(args)

    def run(self, args: Sequence[Any], tape: Tape, gradients: Gradients | None = None, asked: Asked = OWN_ONLY) -> Run:
        """Terms at the tape, at as many runs of the guide as are asked for; each ELBO object's loss there."""
        columns, scales, grads = {}, {}, {}
        drawn: tuple[Any, ...] = ()
        nesting = 0
        runs: list[Traced] = []
        for draw, run in self._draws(args, tape, asked):
            runs += [run] if draw > 0 else []
            nesting = max(nesting, *(node.nesting for side in (run.model, run.guide) for node in side.values()))
            drawn = drawn or tuple((each.kind.value, each.shape) for each in tape.drawn)
            for term, elements, size in _terms(run, draw, asked.wide, asked.sharpness or None):
                columns[term.key], scales[term.key] = elements.sum(), float(size.detach())
            if gradients and draw == 1 and not asked.lean:
                with quiet():
                    cut = self._traced(args, _cut(run))
                for term, elements, _ in _terms(cut, draw, False):
                    grads[f"{term.key}@detached"] = gradients.of(elements.sum())
        bound = None if asked.wide else importance(torch, runs)
        if bound is not None:
            columns[bound[0].key], scales[bound[0].key] = bound[1].sum(), float(bound[2].detach())
        if gradients and not asked.lean:
            grads |= {key: gradients.of(each) for key, each in columns.items()}
        totals, errors, more = self._totals(args, tape, gradients, asked, nesting)
        if Total.ENUM.value in totals:
            summed, sizes, slopes = self._expected(args, tape, gradients, totals[Total.ENUM.value])
            totals, scales, grads = totals | summed, scales | sizes, grads | slopes
        return Run(
            values={key: float(each.detach()) for key, each in columns.items()} | totals,
            scales=scales,
            draws=drawn,
            gradients=grads | more,
            errors=errors,
        )

    def _draws(self, args: Sequence[Any], tape: Tape, asked: Asked) -> Iterator[tuple[int, Traced]]:
        """(draw, run): the guide run on the tape, again as often as asked; with `moved`, at other latents too."""
        with quiet():
            first: Traced | None = None
            for draw in range(1, asked.draws + 1):
                with TorchTape(tape):
                    run = self._traced(args)
                first = first or run
                yield draw, run
            for draw in SAMPLERS if asked.moved and first else ():
                values = moved(torch, first, draw, Tensor.detach) if first else {}
                if values:
                    yield draw, self._traced(args, _values(first) | values)

    def exact(self, args: Sequence[Any], gradients: Gradients | None) -> Run | None:
        """Minus the ELBO summed over every state of the discrete latents; None where they are too many."""
        with quiet():
            found = exact_elbo(self.model, self.guide, args, {})
        if found is None:
            return None
        loss = -found[0]
        by_weight = {Total.TRACE.value: gradients.of(loss)} if gradients else {}
        return Run(values={Total.TRACE.value: float(loss.detach())}, gradients=by_weight)

    def _expected(self, args: Sequence[Any], tape: Tape, gradients: Gradients | None, total: float):
        """(values, scales, gradients) of every term summed over the states of the guide's discrete latents, each
        weighed by q; empty where they are many, or where the terms don't add up to what TraceEnum_ELBO returns.

        What is drawn within has noise of its own in each state, or one for all: as the library's object has it.
        """
        for again in (False, True):
            with quiet():
                columns, sizes = expected(
                    lambda values, tape: self._traced_at(args, values, tape), Tape(tape.seed, given=tape.given), again
                )
                if not columns:
                    columns, sizes = marginal(lambda values: self._conditioned(args, values, tape))
            own = [Term.of(key) for key in columns]
            found = sum(SIGNS.get(term.what, 0.0) * float(columns[term.key].detach()) for term in own)
            # float64's rounding of sums over all states; what is left out or counted twice is larger
            if columns and abs(found - total) <= 1e-9 * sum(sizes[term.key] for term in own if term.what in SIGNS):
                slopes = {key: gradients.of(each) for key, each in columns.items()} if gradients else {}
                return {key: float(each.detach()) for key, each in columns.items()}, sizes, slopes
        return {}, {}, {}

    def _traced_at(self, args: Sequence[Any], values: Mapping[str, Any], tape: Tape) -> Traced:
        with TorchTape(tape):
            return self._traced(args, values)

    def _conditioned(self, args: Sequence[Any], values: Mapping[str, Any], tape: Tape) -> Traced:
        """The pair at given values of what the model alone draws."""
        with TorchTape(Tape(tape.seed, given=tape.given)):
            return traced(Given(values)(self.model), self.guide, args, {})

    def facts(self, args: Sequence[Any]) -> list[SiteFacts]:
        """The sites, in the guide's order, the observed ones last."""
        with quiet(), TorchTape(Tape(0)):
            run = self._traced(args)
        return facts(run, lambda scale: float(torch.as_tensor(scale).double().mean()))

    def _traced(self, args: Sequence[Any], values: Mapping[str, Any] | None = None) -> Traced:
        return traced(self.model, self.guide, args, {}, values)

    def _totals(self, args: Sequence[Any], tape: Tape, gradients: Gradients | None, asked: Asked, nesting: int):
        """What the library's public objects return: value and gradient of the loss that its SVI would minimise."""
        values, errors, grads = {}, {}, {}
        for total, make in OBJECTS.items():
            skipped = (total is Total.ENUM and not asked.enumerate) or (asked.lean and total is not Total.TRACE)
            if asked.wide or asked.sharpness or skipped:
                continue
            try:
                with quiet(), TorchTape(Tape(tape.seed, given=tape.given)):
                    model, guide = self._enumerated(total)
                    objective = make(max_plate_nesting=nesting) if total is Total.ENUM else make()
                    loss = objective.differentiable_loss(model, guide, *args)
            except (NotImplementedError, AssertionError, ValueError, RuntimeError, KeyError) as error:
                errors[total.value] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
                continue
            values[total.value] = float(torch.as_tensor(loss).detach())
            if gradients and isinstance(loss, Tensor):
                grads[total.value] = gradients.of(loss)
        return values, errors, grads

    def _enumerated(self, total: Total) -> tuple[Callable[..., Any], Callable[..., Any]]:
        if total is not Total.ENUM:
            return self.model, self.guide
        return config_enumerate(self.model), config_enumerate(self.guide)


OBJECTS: Mapping[Total, Callable[..., Any]] = {
    Total.TRACE: Trace_ELBO,
    Total.MEAN_FIELD: TraceMeanField_ELBO,
    Total.ENUM: TraceEnum_ELBO,
}


SIGNS = {What.LOG_LIKELIHOOD: -1.0, What.LOG_Q: 1.0, What.LOG_P: -1.0}


def _values(run: Traced | None) -> dict[str, Tensor]:
    """The guide's latents."""
    return {} if run is None else {name: node.value for name, node in run.guide.items() if not node.observed}


def _cut(run: Traced) -> dict[str, Tensor]:
    """The guide's latents, leading to no weight."""
    return {name: value.detach() for name, value in _values(run).items()}


def _terms(run: Traced, draw: int, wide: bool, sharpness: float | None = None) -> Iterator[tuple[Term, Tensor, Any]]:
    return terms(torch, run, divergence, draw, wide=wide, probability=_within_unit, sharpness=sharpness)


def _within_unit(family: str, mean: Tensor) -> bool:
    return bool(((mean > 0) & (mean < 1)).all())
