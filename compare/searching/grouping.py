"""Candidates of one cause: the same library and class, the same productions left after shrinking. No framework."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, sqrt
from typing import Any

from elbo_compare.compare.records import Outcome
from elbo_compare.compare.statistics import equivalence
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import Pair, from_json
from elbo_compare.suites.semantics.searching.recognised import BY_ID, recognised
from elbo_compare.suites.semantics.searching.rendering import program
from elbo_compare.suites.semantics.searching.simulating import simulate, simulate_objective
from elbo_compare.suites.semantics.searching.ways import DECOY_SCALE, DECOY_T, Objective, Particles, Way

SIMULATED = 40_000  # draws of the second route
LEVEL = 1e-6  # of its tests
SPREAD = 0.05  # its margin, in standard deviations of one draw


@dataclass(frozen=True, kw_only=True)
class Group:
    """`example`: the smallest candidate; `count`: how many there are; `finding`: the registered one that it is known
    for, found after the search. `simulated`: the oracle's numbers by simulation agree; `peer`: the other library."""

    library: Library
    elbo: str
    core: tuple[str, ...]
    kinds: tuple[str, ...]
    example: Mapping[str, Any]
    count: int
    ways: tuple[str, ...]
    finding: str
    simulated: str
    peer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def survives(self) -> bool:
        """The oracle's two methods agree with each other."""
        return self.simulated == str(Outcome.AGREES)

    def with_peer(self, peer: Mapping[str, Any]) -> "Group":
        """The same, with the other library's outcome."""
        return replace(self, peer=peer)

    @property
    def documentation(self) -> str:
        """What it contradicts: the register's words where it is known, else what the class says of itself first."""
        return BY_ID[self.finding].documentation if self.finding else self.example["source"]["says"]

    @property
    def title(self) -> str:
        """Pyro, TraceMeanField_ELBO: mask on the model's latent."""
        reused = ("object used with another pair before",) if self.example["reused"] else ()
        return f"{self.library}, {self.elbo}: {', '.join((*reused, *self.core)) or 'nothing beyond normals'}"


def grouped(candidates: Mapping[Library, Sequence[Mapping[str, Any]]]) -> list[Group]:
    """One group per library, class and core; known findings last, the frequent ones first."""
    sorted_by: dict[tuple, list[Mapping[str, Any]]] = {}
    for library, found in candidates.items():
        for each in found:
            elbo = each["elbo"].removeprefix("Jit")
            sorted_by.setdefault((library, elbo, tuple(each["core"]), each["reused"]), []).append(each)
    groups = [_group(library, elbo, core, members) for (library, elbo, core, _), members in sorted_by.items()
              if any(not each["presumed"] for each in members)]  # fmt: skip
    return sorted(groups, key=lambda group: (bool(group.finding), -group.count, group.title))


def _group(library: Library, elbo: str, core: tuple[str, ...], members: Sequence[Mapping[str, Any]]) -> Group:
    example = min((each for each in members if not each["presumed"]), key=lambda each: (each["theta"], each["index"]))
    return Group(
        library=library,
        elbo=elbo,
        core=core,
        kinds=tuple(example["kinds"]),
        example=example,
        count=len(members),
        ways=tuple(sorted({each["way"] for each in members})),
        finding=recognised(library, elbo, example["kinds"], core, reused=example["reused"]),
        simulated=simulated(from_json(example["pair"]), example),
    )


def simulated(pair: Pair, example: Mapping[str, Any]) -> str:
    """Whether a simulation gives the quadrature's loss and gradient: *agrees*, *differs*, *inconclusive*."""
    fields, right = example["way_fields"], example["exact"]
    way = Way(**{**fields, "particles": Particles(fields["particles"])})  # as text it is no member of the enumeration
    found = (
        simulate(pair, example["index"], SIMULATED)
        if way.objective is Objective.ELBO
        else simulate_objective(pair, way.objective, bool(way.option), example["index"], SIMULATED)
    )
    if not isfinite(float(right["value"])):  # impossible data
        return str(Outcome.AGREES if found.value == float(right["value"]) else Outcome.DIFFERS)
    tests = [(found.value - right["value"], found.value_error)]
    tests += [(mean - slope, error) for mean, error, slope in
              zip(found.gradient, found.gradient_error, right["gradient"], strict=True)]  # fmt: skip
    outcomes = set()
    for difference, error in tests:
        floor = 1e-6 * (1 + abs(right["value"]))  # of the simulation's central differences
        margin = SPREAD * error * sqrt(SIMULATED) + floor
        outcomes.add(equivalence(difference, error, margin, LEVEL).outcome)
    return str(next((each for each in (Outcome.DIFFERS, Outcome.INCONCLUSIVE) if each in outcomes), Outcome.AGREES))


DRAWS = 1000  # of a class whose particles are looped over: seconds, and an error of 3% of what one draw spreads
DROPPED = "pyro.param('t').grad = None"
# What the search gives an object beside its particles.
_OPTIONS = {
    "RenyiELBO": "alpha=0.5, ",
    "TraceTailAdaptive_ELBO": "vectorize_particles=True, ",
    "Trace_MMD": "__import__('pyro.contrib.gp').contrib.gp.kernels.RBF(1), num_particles=200, ",
}


def pasted(group: Group) -> str:
    """The smallest pair as a program for whoever maintains the library; it prints loss and gradient."""
    pair, example = from_json(group.example["pair"]), group.example
    way = example["way_fields"]
    first, tools, *body = [line for line in program(pair, group.library).splitlines() if line.strip()]
    lines = [first.replace("import numpyro", "import jax, numpyro, numpyro.infer")]
    lines += [tools] if any(f"{tools.split()[-1]}." in line for line in body) else []
    if group.library is Library.PYRO:
        lines.append(f"torch.set_default_dtype(torch.float{64 if way['double'] else 32})")
    elif way["double"]:
        lines.append("jax.config.update('jax_enable_x64', True)")
    return "\n".join([*lines, *body, *_call(group.library, way, pair, _noisy(example["off"]))])


def _noisy(off: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether what is off was seen as a mean of draws: one of them would show nothing."""
    halves = (
        (float(each["high"]) - float(each["mean"]) + float(each["exact"]), float(each["exact"]))
        for each in off.values()
    )
    return any(isfinite(half) and half > 1e-6 * (1 + abs(exact)) for half, exact in halves)


def _call(library: Library, way: Mapping[str, Any], pair: Pair, noisy: bool) -> list[str]:
    if library is Library.NUMPYRO:
        return _numpyro_call(way, pair)
    options = _OPTIONS.get(way["elbo"], "") + "max_plate_nesting=2"
    if way["elbo"] == "EnergyDistance":
        options += f", num_particles=200{', ' + way['option'] if way['option'] else ''}"
        gradient = _gradient(pair)
        return [f"loss = pyro.infer.EnergyDistance({options})(model, guide)", "loss.backward()",
                f"print(loss, {gradient})"]  # fmt: skip
    options = options.replace("alpha=0.5", "alpha=0.0") if way["particles"] == "two particles" else options
    options += ", num_particles=2" if way["particles"] == "two particles" else ""
    if way["particles"] == "vectorised" and way["elbo"] != "Trace_MMD":
        options += ", num_particles=10000, vectorize_particles=True"
    guide = "pyro.infer.config_enumerate(guide, 'parallel')" if way["enumerated"] else "guide"
    lines = [f"elbo = pyro.infer.{way['elbo']}({options})"]
    if way["reused"]:
        first = f"pyro.param('t', torch.full(({len(pair.theta)},), {DECOY_T}))[0]"
        other = f"lambda: pyro.sample('a', dist.Normal({first}, {DECOY_SCALE}))"
        lines += [f"elbo.loss_and_grads(lambda: pyro.sample('a', dist.Normal(0.0, 1.0)), {other})",
                  "pyro.clear_param_store()"]  # fmt: skip
    if way["updated"]:
        lines += _first_call(pair)
    if noisy and way["particles"] in ("looped", "two particles"):
        lines.append(f"losses = [elbo.loss_and_grads(model, {guide}) for _ in range({DRAWS})]")
        return [*lines, f"print(sum(losses) / {DRAWS}, {_gradient(pair, f' / {DRAWS}')})"]  # gradients add up
    return [*lines, f"print(elbo.loss_and_grads(model, {guide}), {_gradient(pair)})"]


def _gradient(pair: Pair, of_one: str = "") -> str:
    if pair.automatic:
        return f"[(name, p.grad{of_one}) for name, p in guide.named_parameters()]"
    return f"pyro.param('t').grad{of_one}"


def _first_call(pair: Pair) -> list[str]:
    """At another state, then back: what a Python global that changes between two calls is. Its gradient is dropped."""
    call = f"elbo.loss_and_grads(model, guide); {'guide.zero_grad()' if pair.automatic else DROPPED}"
    if not pair.state:
        return [call]
    return [f"state['c'] = 0.0; {call}", f"state['c'] = {pair.state!r}"]


def _numpyro_call(way: Mapping[str, Any], pair: Pair) -> list[str]:
    options = "max_plate_nesting=2" if way["elbo"] == "TraceEnum_ELBO" else "num_particles=10000"
    options = "alpha=0.5, num_particles=1" if way["elbo"] == "RenyiELBO" else options  # where it is the ELBO
    options = "alpha=0.0, num_particles=2" if way["particles"] == "two particles" else options
    made = f"numpyro.infer.{way['elbo']}({options})"
    if way["through"] or pair.automatic:
        call = "update(state)[1]" if way["through"] == "SVI.update" else "evaluate(state)"
        return [f"svi = numpyro.infer.SVI(model, guide, numpyro.optim.SGD(0.0), {made})",
                "state = svi.init(jax.random.PRNGKey(0))", f"print(svi.{call})"]  # fmt: skip
    loss = "elbo.loss(jax.random.PRNGKey(0), {'t': t}, model, guide)"
    if way["elbo"] == "RenyiELBO":  # its particles are no average
        one = "lambda key: elbo.loss(key, {'t': t}, model, guide)"
        loss = f"jax.vmap({one})(jax.random.split(jax.random.PRNGKey(0), 10 * {DRAWS})).mean()"
    slope = f"jax.value_and_grad(lambda t: {loss})"
    lines = [f"elbo = {made}", f"call = jax.jit({slope})" if way["compiled"] else f"call = {slope}"]
    theta = f"jnp.array({list(pair.theta)})"
    if way["updated"] and pair.state:
        lines += [f"state['c'] = 0.0; call({theta})", f"state['c'] = {pair.state!r}"]
    return [*lines, f"print(call({theta}))"]


def numbers(group: Group) -> str:
    """value 1.2 +- 0.1 where 1.5 is right; gradient 0 ..."""
    said = []
    for kind in sorted(group.example["off"], reverse=True):
        each = group.example["off"][kind]
        mean, exact, half = (float(each[name]) for name in ("mean", "exact", "high"))
        half = half - (mean - exact)
        within = f" +- {half:.2g}" if isfinite(half) else ""
        said.append(f"{each['quantity']} {mean:.5g}{within}, right {exact:.5g}")
    return "; ".join(said)
