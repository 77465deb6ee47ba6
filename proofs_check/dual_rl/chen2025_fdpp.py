"""Fine-tuning with a learned reward (Chen et al. 2025, FDPP): why the KL penalty must not vanish.

The tilt of a policy by a learned reward gains both_sides KL divergences, in that reward.  In the true reward it loses at most the
span of the error times a total variation, which Pinsker's inequality bounds by the root of one divergence.  Near the
reference the root is what counts, far from it the error takes over: there is a best penalty in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab.claims import (
    HARMLESS,
    Assumption,
    AtLeast,
    Claim,
    Equal,
    Known,
    Method,
    Side,
    both_sides,
    rounding,
)
from mdplab.numerics import maximum
from proofs_check.dual_rl import exact_misjudged as exact
from proofs_check.dual_rl.misjudged_bandit import (
    MisjudgedBandit,
    gain,
    gain_by_covariance,
    improvement_bound,
    improvement_bound_by_moments,
    learned_value,
    misjudged_bandit,
    sum_of_divergences,
    true_value,
    well_judged_bandit,
    with_unused_arms,
)

# --- the routes -----------------------------------------------------------------------------------------------------


ENDS = (0.05, 100.0)


def value_error(task: MisjudgedBandit) -> float:
    """Rounding of the mean reward of a tilt: its masses move by twice the error of the exponents, relatively."""
    size = float(np.abs(task.reward).max())
    return 2 * task.exponent_error * size + float(rounding(size, 32))


def at(task: MisjudgedBandit, temperatures: tuple[float, ...]) -> list[MisjudgedBandit]:
    """The bandit at some strengths of the penalty."""
    return [replace(task, temperature=beta) for beta in temperatures]


def value_between(task: MisjudgedBandit) -> Side:
    """True value at the strength 3/2, twice."""
    (between,) = at(task, (1.5,))
    return Side(np.full(2, true_value(between)), value_error(between))


def value_between_by_covariance(task: MisjudgedBandit) -> Side:
    """The same: the reference's value and a covariance under it."""
    (between,) = at(task, (1.5,))
    found = float(task.reference @ task.reward) + float(np.asarray(gain_by_covariance(between).value))
    return Side(np.full(2, found), value_error(between))


def values_outside(task: MisjudgedBandit, value: Callable[[MisjudgedBandit], float] = true_value) -> Side:
    """True value at the strengths 1/20 and 100, and .02 more."""
    tilted = at(task, ENDS)
    return Side(np.array([value(one) + 0.02 for one in tilted]), max(value_error(one) for one in tilted))


def values_outside_by_covariance(task: MisjudgedBandit) -> Side:
    """The same: the reference's value, covariances under it, and .02 more."""
    tilted = at(task, ENDS)
    gains = np.array([float(np.asarray(gain_by_covariance(one).value)) for one in tilted])
    return Side(float(task.reference @ task.reward) + gains + 0.02, max(value_error(one) for one in tilted))


def value_of_the_tilt(task: MisjudgedBandit) -> Side:
    """True value of the tilt."""
    return Side(true_value(task), value_error(task))


def value_of_the_reference(task: MisjudgedBandit) -> Side:
    """True value of the reference."""
    return Side(float(task.reference @ task.reward), float(rounding(np.abs(task.reward).max(), 16)))


# --- the claim ------------------------------------------------------------------------------------------------------

FOUR = MisjudgedBandit(
    np.array([0.0, 0.5, 1.0, 0.2]), np.array([0.0, 0.0, 0.0, 2.0]), np.array([0.3, 0.4, 0.2, 0.1]), 0.3
)
COIN = MisjudgedBandit(np.zeros(2), np.array([0.0, 1.0]), np.array([0.5, 0.5]), 10.0)
BETAS = (100.0, 10.0, 3.0, 1.0, 0.3, 0.05)

FDPP = Claim(
    "fdpp-kl-prevents-overfitting",
    title="With a misspecified reward the true value is not monotone in the KL penalty; an explicit bound on what is gained",
    papers=("chen2025fdpp",),
    provenance="our formalisation",
    statement=r"""
    Let finitely many arms have the reward $r$ and the learned reward $\hat r = r + e$, let $\pi_{\rm ref}$ be a policy and
    $\pi_\beta \propto \pi_{\rm ref}\, e^{\hat r/\beta}$, $\beta > 0$: the maximiser of $\langle\pi, \hat r\rangle - \beta\,
    \mathrm{KL}(\pi\|\pi_{\rm ref})$. Then

    (bound) $\langle\pi_\beta - \pi_{\rm ref}, r\rangle \ge \beta\,[\mathrm{KL}(\pi_\beta\|\pi_{\rm ref}) +
    \mathrm{KL}(\pi_{\rm ref}\|\pi_\beta)] - \mathrm{span}(e)\sqrt{\mathrm{KL}(\pi_\beta\|\pi_{\rm ref})/2}$;

    (equality) without an error, $e = 0$, the first term is what is gained;

    (peak) $\langle\pi_\beta, r\rangle$ need not be monotone in $\beta$: on one bandit it is larger by .02 at
    $\beta = 3/2$ than at $1/20$ and at $100$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\pi_{\rm ref} > 0$",
            HARMLESS,
            lambda task: bool(task.support.all()),
            wider=with_unused_arms,
        ),
        Assumption(
            "A2",
            "in (equality): the reward is learned without an error",
            "an error in the learned reward",
            lambda task: not task.error.any(),
            wider=misjudged_bandit,
        ),
    ),
    methods=(Method("FDPP", "tilt", "KL", "the policy against the pre-trained one"),),
    instance_family=misjudged_bandit,
    witnesses=(FOUR, COIN),
    instances=200,
)
REASON = "rounding of closed forms whose exponents reach the span of the rewards over the temperature"

bound_part = FDPP.part(
    "(bound)",
    r"$\langle\pi_\beta - \pi_{\rm ref}, r\rangle \ge \beta\,[\mathrm{KL}(\pi_\beta\|\pi_{\rm ref}) + "
    r"\mathrm{KL}(\pi_{\rm ref}\|\pi_\beta)] - \mathrm{span}(e)\sqrt{\mathrm{KL}(\pi_\beta\|\pi_{\rm ref})/2}$",
    AtLeast(gain, improvement_bound),
    resolution=1e-10,
    reason=REASON,
    cross_left=gain_by_covariance,
    cross_right=improvement_bound_by_moments,
    specified_tightness=".99996",
    exact=(exact.gain, exact.improvement_bound),
    assumes=("A1",),
)
equality_part = FDPP.part(
    "(equality)",
    r"$\langle\pi_\beta - \pi_{\rm ref}, r\rangle = \beta\,[\mathrm{KL}(\pi_\beta\|\pi_{\rm ref}) + "
    r"\mathrm{KL}(\pi_{\rm ref}\|\pi_\beta)]$ if $e = 0$",
    Equal(gain_by_covariance, sum_of_divergences),
    resolution=1e-10,
    reason=REASON,
    family=well_judged_bandit,
    witnesses=(
        replace(FOUR, error=np.zeros(4)),
        replace(FOUR, error=np.zeros(4), temperature=1e-3),
        replace(FOUR, error=np.zeros(4), temperature=1e3),
    ),
    exact=(exact.gain, exact.sum_of_divergences),
)
peak_part = FDPP.part(
    "(peak)",
    r"$\langle\pi_\beta, r\rangle$ at $\beta = 3/2$ exceeds by .02 that at $1/20$ and at $100$",
    AtLeast(value_between, values_outside),
    resolution=1e-11,
    reason="rounding of a softmax",
    quantifier="exists",
    family=lambda draw: FOUR,
    witnesses=(FOUR,),
    cross_left=value_between_by_covariance,
    cross_right=values_outside_by_covariance,
    exact=(exact.value_between, exact.values_outside),
    assumes=("A1",),
)


@FDPP.known(FOUR)
def _(task: MisjudgedBandit) -> Iterator[Known]:
    printed = "0.4208316677 0.4279039640 0.4421375449 0.4380947121 0.2314170752 0.2000000001"
    yield Known("true value at 100, 10, 3, 1, .3, .05", printed, [true_value(one) for one in at(task, BETAS)])
    yield Known("true value of the reference", "0.4200000000", value_of_the_reference(task).value)
    best = maximum(lambda log_beta: true_value(replace(task, temperature=float(np.exp(log_beta)))), -3.0, 4.0)
    yield Known("best strength", "1.57558", np.exp(best.point))
    yield Known("true value there", "0.4493685076", best.value)
    yield Known("the bound at .3", "-0.5002279974", improvement_bound(task).value)


# --- what must fail -------------------------------------------------------------------------------------------------


LOSS_AND_FIRST_TERM = "-0.1885829248 1.5117828672"
bound_part.control(
    "without the span term",
    kind="mutation",
    instance=FOUR,
    right=sum_of_divergences,
    specified=LOSS_AND_FIRST_TERM,
    measure=both_sides,
)
bound_part.control(
    "half of the span term",
    kind="constant",
    instance=COIN,
    right=partial(improvement_bound, charge=0.5),
)
equality_part.control(
    "an error in the learned reward",
    kind="assumption",
    drops="A2",
    instance=FOUR,
    specified=LOSS_AND_FIRST_TERM,
    measure=both_sides,
)
peak_part.control(
    "the learned value in the place of the true one at both_sides ends",
    kind="mutation",
    instance=FOUR,
    right=partial(values_outside, value=learned_value),
)
FDPP.reading(
    "smaller-is-better",
    title="The weaker the KL penalty, the better the fine-tuned policy",
    statement=r"""
    $\langle\pi_\beta, r\rangle$ does not increase with $\beta$, so that it is at least $\langle\pi_{\rm ref}, r\rangle$,
    its limit as $\beta \to \infty$. (That holds of the learned value $\langle\pi_\beta, \hat r\rangle$, whose derivative in
    $\beta$ is minus a variance over $\beta^2$.)
    """,
    relation=AtLeast(value_of_the_tilt, value_of_the_reference),
    counterexamples=(replace(FOUR, temperature=0.05), FOUR),
    repair=bound_part,
    resolution=1e-11,
    reason="rounding of a softmax",
    specified="0.2000000001 0.42",
    measure=both_sides,
    assumes=("A1",),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@FDPP.figure(
    "Four arms, of which the second worst is overrated: mean reward of the fine-tuned policy over the strength of the KL "
    "penalty. Left: as the penalty weakens the learned value rises on and on. Right, enlarged: the true value rises, turns "
    "and falls below that of the reference. On these arms the lower bound promises no improvement at any strength.",
    panels=2,
)
def _(axes: Any) -> None:
    betas = np.geomspace(0.05, 100, 241)
    tasks = at(FOUR, tuple(betas.tolist()))
    reference = float(FOUR.reference @ FOUR.reward)
    true, learned = [true_value(task) for task in tasks], [learned_value(task) for task in tasks]
    bounds = [reference + float(np.asarray(improvement_bound(task).value)) for task in tasks]
    axes[0].semilogx(betas, learned, "C1--", label=r"learned, $\langle\pi_\beta, \hat r\rangle$")
    for ax in axes:
        ax.semilogx(betas, true, "C0-", label=r"true, $\langle\pi_\beta, r\rangle$")
        ax.axhline(reference, color="black", linewidth=1, linestyle=":", label=r"true, of $\pi_{\rm ref}$")
        ax.set(xlabel=r"strength of the penalty $\beta$", ylabel="mean reward")
    axes[1].semilogx(betas, bounds, "C2-.", label="_")
    axes[1].text(11, 0.375, "lower bound\non the true one", color="C2")
    best = int(np.argmax(true))
    axes[1].plot(betas[best], true[best], "ko", markersize=5)
    axes[1].annotate(
        f"best: {true[best]:.3f} at {betas[best]:.2f}", (betas[best], true[best]), (0, 7),
        textcoords="offset points", ha="center",
    )  # fmt: skip
    axes[1].set(ylim=(0.32, 0.47))
    axes[0].legend(loc="upper right")
