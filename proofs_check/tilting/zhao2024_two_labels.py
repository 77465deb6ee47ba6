"""Adding a second control to a chain that is conditioned already (Zhao et al. 2024): when p(y|x) can stand for p(y|x,c).

Tilts compose, so that the second control needs ``p(y|x,c)``.  The unconditional classifier errs by the factor
``e^{-D(x)}``, a tilt by the dependence of the labels; a tilt by a function of range R costs a divergence of at most
``R^2 / 8`` and a distance of at most ``tanh(R / 4)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.divergences import total_variation
from mdplab.instances import three_state_chain, three_state_chain_likelihood
from mdplab.operators import marginals
from proofs_check.tilting import exact_labels as exact
from proofs_check.tilting import label_routes as routes
from proofs_check.tilting.chain_routes import LOG_SPACE, at_the_size, within
from proofs_check.tilting.label_routes import LabelTask, TwoTilts, labelled, three_state_labels

# --- the claim ------------------------------------------------------------------------------------------------------

# decimals, which exact routes read as such: products of floats would be dependent in the last digit
INDEPENDENT = LabelTask(
    three_state_chain(),
    np.array([[[0.27, 0.03], [0.63, 0.07]], [[0.4, 0.4], [0.1, 0.1]], [[0.06, 0.54], [0.04, 0.36]]]),
)
DEPENDENT = LabelTask(
    three_state_chain(),
    np.array([[[0.25, 0.05], [0.65, 0.05]], [[0.45, 0.35], [0.05, 0.15]], [[0.05, 0.55], [0.05, 0.35]]]),
)
BOTH = TwoTilts(
    three_state_chain(),
    np.array([[0.7, 0.2, 0.4], three_state_chain_likelihood()]),
    np.ones(2),
)


def constant_dependence(task: LabelTask) -> bool:
    """Whether D is constant, up to rounding."""
    return bool(np.ptp(task.dependence) <= float(rounding(1 + np.abs(task.dependence).max(), 24)))


LABELS = Claim(
    "tilt-conditional-independence",
    title="A second control needs only the unconditional classifier when the labels are independent given the state",
    papers=("zhao2024ctrl",),
    provenance="our formalisation",
    statement=r"""
    Let the end $x = x_T$ of a chain carry two binary labels with joint table $p(c, y|x)$, both observed to be 1. The chain
    tilted by $p(c|x)$ is tilted a second time, by $p(y|x,c)$ or by $p(y|x)$. Let $D(x) = \log \frac{p(y|x,c)}{p(y|x)}$.

    (a) Tilts compose: tilting by $a$ and then by $b$ gives the start law and the kernels of one tilt by $ab$, in either order,
    and $\log Z_a + \log Z_{b|a} = \log Z_{ab}$;

    (b) the second tilt with $p(y|x,c)$ gives $p(x|c,y)$;

    (c) with $p(y|x)$ it gives $\tilde p(x) \propto p(x|c,y)\, e^{-D(x)}$, which is $p(x|c,y)$ if and only if $D$ is constant (in
    particular if $y$ and $c$ are independent given $x$): the range of $\log \tilde p / p(\cdot|c,y)$ is that of $D$;

    (d) $\mathrm{KL}(p(\cdot|c,y) \| \tilde p) = E[D] + \log E[e^{-D}] \le \mathrm{range}(D)^2 / 8$ and $\mathrm{TV} \le
    \tanh(\mathrm{range}(D) / 4)$, expectations under $p(\cdot|c,y)$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the observed labels have positive probability in every state",
            DEFINITIONAL,
            lambda task: bool(np.all(task.table[:, 1, 1] > 0)),
        ),
        Assumption(
            "A2",
            "(c), where the law is $p(x|c,y)$: $D$ is constant",
            "dependent labels",
            constant_dependence,
            wider=labelled,
        ),
    ),
    instance_family=labelled,
    witnesses=(INDEPENDENT, DEPENDENT),
    instances=80,
)

compose_part = LABELS.part(
    "(a)",
    r"tilts by $a$ and $b$ in turn, in either order, are one tilt by $ab$; $\log Z_a + \log Z_{b|a} = \log Z_{ab}$",
    Equal(routes.in_turn, routes.at_once),
    resolution=within(routes.at_once),
    reason=LOG_SPACE,
    family=routes.two_tilts,
    witnesses=(BOTH,),
    assumes=(),
    exact=(exact.in_turn, exact.at_once),
)
bayes_part = LABELS.part(
    "(b)",
    "the second tilt with $p(y|x,c)$ gives $p(x|c,y)$",
    Equal(routes.conditioned_end, routes.bayes),
    resolution=within(routes.bayes),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.conditioned_end, exact.bayes),
)
factor_part = LABELS.part(
    "(c, factor)",
    r"the second tilt with $p(y|x)$ gives $\tilde p \propto p(x|c,y)\,e^{-D(x)}$",
    Equal(routes.shortcut_end, routes.bayes_with_dependence),
    resolution=within(routes.bayes_with_dependence),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.shortcut_end, exact.bayes_with_dependence),
)
if_part = LABELS.part(
    "(c, if)",
    r"$\tilde p = p(\cdot|c,y)$ where $D$ is constant",
    Equal(routes.shortcut_end, routes.bayes),
    resolution=within(routes.bayes),
    reason=LOG_SPACE,
    family=routes.with_constant_dependence,
    witnesses=(INDEPENDENT,),
    exact=(exact.shortcut_end, exact.bayes),
)
only_if_part = LABELS.part(
    "(c, only if)",
    r"$\mathrm{range}(\log\tilde p/p(\cdot|c,y)) = \mathrm{range}(D)$",
    Equal(routes.range_of_the_log_ratio, routes.range_of_the_dependence),
    resolution=within(routes.range_of_the_dependence),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.range_of_the_log_ratio, exact.range_of_the_dependence),
)
identity_part = LABELS.part(
    "(d, identity)",
    r"$\mathrm{KL}(p(\cdot|c,y)\|\tilde p) = E[D] + \log E[e^{-D}]$",
    Equal(routes.end_divergence, routes.dependence_formula),
    resolution=within(routes.dependence_formula),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.end_divergence, exact.dependence_formula),
)
divergence_part = LABELS.part(
    "(d, divergence)",
    r"$\mathrm{KL}(p(\cdot|c,y)\|\tilde p) \le \mathrm{range}(D)^2/8$",
    AtMost(routes.end_divergence, routes.divergence_bound),
    resolution=at_the_size(routes.divergence_bound),
    reason=LOG_SPACE,
    cross_left=routes.dependence_formula,
    closed=("right",),
    assumes=("A1",),
    exact=(exact.end_divergence, exact.divergence_bound),
)
distance_part = LABELS.part(
    "(d, distance)",
    r"$\mathrm{TV}(p(\cdot|c,y), \tilde p) \le \tanh(\mathrm{range}(D)/4)$",
    AtMost(routes.end_distance, routes.distance_bound),
    resolution=at_the_size(routes.distance_bound),
    reason=LOG_SPACE,
    cross_left=routes.end_distance_by_bayes,
    closed=("right",),
    assumes=("A1",),
    exact=(exact.end_distance, exact.distance_bound),
)


@LABELS.known(INDEPENDENT)
def _(task: LabelTask) -> Iterator[Known]:
    between, first = routes.tilted(task.chain, np.log(task.first))
    second = routes.tilted(between, np.log(task.second))[1]
    yield Known("p(x|c)", "0.506141914350 0.180355508454 0.313502577195", marginals(between)[-1])
    yield Known(
        "p(x|c,y), independent",
        "0.119671066869 0.213214273511 0.667114659620",
        routes.shortcut_end(task).value,
    )
    yield Known("log p(c) and log p(y|c)", "-0.8790431178 -0.8605148695", [first, second])


@LABELS.known(DEPENDENT)
def _(task: LabelTask) -> Iterator[Known]:
    yield Known(
        "p(x|c,y), dependent",
        "0.081108829569 0.303469145142 0.615422025289",
        routes.conditioned_end(task).value,
    )
    yield Known(
        "with p(y|x)", "0.119671066869 0.213214273511 0.667114659620", routes.shortcut_end(task).value
    )
    yield Known("divergence", "0.02593549708", routes.end_divergence(task).value)
    yield Known("bound of the divergence", "0.06880887794", routes.divergence_bound(task).value)
    yield Known("distance", "0.09025487163", routes.end_distance(task).value)
    yield Known("bound of the distance", "0.18338604615", routes.distance_bound(task).value)
    yield Known("range of D", "0.74193734473", routes.range_of_the_dependence(task).value)


# --- what must fail -------------------------------------------------------------------------------------------------


def without_the_first_tilt(task: TwoTilts) -> Side:
    """log Z of each tilt of the chain itself"""
    side = routes.in_turn(task)
    value = np.array(side.value)
    value[:, -1] = sum(routes.tilted(task.chain, weights)[1] for weights in task.log_weights)
    return Side(value, side.error)


def distance(outcome: Outcome) -> FloatArray:
    return total_variation(outcome.left, outcome.right)


compose_part.control(
    "both normalisers of the chain itself", kind="mutation", instance=BOTH, left=without_the_first_tilt
)
bayes_part.control(
    "the unconditional classifier",
    kind="mutation",
    instance=DEPENDENT,
    left=routes.shortcut_end,
    specified="0.09025487163",
    measure=distance,
)
factor_part.control(
    "the dependence with the other sign",
    kind="mutation",
    instance=DEPENDENT,
    right=partial(routes.bayes, power=1.0),
)
if_part.control(
    "dependent labels",
    kind="assumption",
    drops="A2",
    instance=DEPENDENT,
    specified="0.09025487163",
    measure=distance,
)
only_if_part.control(
    "labels taken as independent", kind="mutation", instance=DEPENDENT, right=lambda task: Side(0.0)
)
identity_part.control(
    "without log E e^{-D}",
    kind="mutation",
    instance=DEPENDENT,
    right=partial(routes.dependence_formula, normalised=False),
)
divergence_part.control(
    "32 in the place of 8",
    kind="constant",
    instance=DEPENDENT,
    right=partial(routes.divergence_bound, divisor=32.0),
)
distance_part.control(
    "16 in the place of 4",
    kind="constant",
    instance=DEPENDENT,
    right=partial(routes.distance_bound, divisor=16.0),
)

LABELS.reading(
    "unconditional-classifier-suffices",
    title="A second control needs only the classifier p(y|x), whatever the labels",
    statement="The second tilt with $p(y|x)$ gives $p(x|c,y)$ for every joint table of the labels.",
    relation=Equal(routes.shortcut_end, routes.bayes),
    counterexamples=(DEPENDENT,),
    repair=bayes_part,
    resolution=1e-9,
    reason=LOG_SPACE,
    assumes=("A1",),
    specified="0.09025487163",
    measure=distance,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@LABELS.figure(
    "Distance of the law that the unconditional classifier gives from $p(x|c,y)$, and its bound, as the two labels of the "
    "three-state chain move from independent to comonotone with fixed probabilities of each."
)
def _(ax: Any) -> None:
    couplings = np.linspace(0, 1, 51)
    tasks = [three_state_labels(float(coupling)) for coupling in couplings]
    bounds = [float(np.asarray(routes.distance_bound(task).value)) for task in tasks]
    ax.plot(couplings, bounds, "--", color="C1", label=r"bound $\tanh(\mathrm{range}(D)/4)$")
    ax.plot(
        couplings,
        [float(np.asarray(routes.end_distance(task).value)) for task in tasks],
        color="C0",
        label="TV",
    )
    ax.set(xlabel="coupling (0: independent, 1: comonotone)", ylabel="distance")
    ax.grid(True)
    ax.legend(loc="upper left")
