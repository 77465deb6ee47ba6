"""Conjectures about laws: divergences, distances, risk, and laws of returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab.exact import RationalLaw
from quality.gallery.arithmetic import FLOATS, Arithmetic, Model
from quality.gallery.entry import Entry
from quality.gallery.families import (
    Channel,
    Laws,
    Returns,
    Risks,
    channels,
    returns,
    risks,
    three_laws,
)

Sides = tuple[Any, Any]


def _laws(x: Laws, a: Arithmetic) -> tuple[Any, Any, Any]:
    return a.law(x.p), a.law(x.q), a.law(x.r)


def _total_variation(p: Any, q: Any) -> Any:
    return abs(p - q).sum(axis=-1) / 2


def _risks(x: Risks, a: Arithmetic) -> tuple[Any, Any, Any]:
    first, second = (x.x, x.y) if a is FLOATS else (RationalLaw.of(x.x), RationalLaw.of(x.y))
    return first, second, a.number(x.level)


def kl_obeys_the_triangle_inequality(x: Laws, a: Arithmetic = FLOATS) -> Sides:
    """KL(p, r) is at most KL(p, q) + KL(q, r)."""
    p, q, r = _laws(x, a)
    return a.kl(p, r), a.kl(p, q) + a.kl(q, r)


def jensen_shannon_obeys_the_triangle_inequality(x: Laws, a: Arithmetic = FLOATS) -> Sides:
    """The Jensen-Shannon divergence of p and r is at most that of p and q plus that of q and r."""
    p, q, r = _laws(x, a)

    def divergence(one: Any, two: Any) -> Any:
        middle = (one + two) / 2
        return (a.kl(one, middle) + a.kl(two, middle)) / 2

    return divergence(p, r), divergence(p, q) + divergence(q, r)


def total_variation_of_independent_pairs_adds_up(x: Laws, a: Arithmetic = FLOATS) -> Sides:
    """The TV of p x p and q x q is the smaller of 1 and twice the TV of p and q."""
    p, q, _ = _laws(x, a)
    distance = 2 * _total_variation(p, q)
    pairs = _total_variation(np.outer(p, p).ravel(), np.outer(q, q).ravel())
    return pairs, distance if distance < 1 else a.number(1)


def kl_is_at_most_the_total_variation_squared_over_the_least_mass(x: Laws, a: Arithmetic = FLOATS) -> Sides:
    """KL(p, q) is at most TV(p, q)^2 over the least mass of q."""
    p, q, _ = _laws(x, a)
    return a.kl(p, q), _total_variation(p, q) ** 2 / q.min()


def cvar_of_independent_sum_is_sum_of_cvars(x: Risks, a: Arithmetic = FLOATS) -> Sides:
    """The conditional value-at-risk of a sum of independent losses is the sum of theirs."""
    first, second, level = _risks(x, a)
    return first.convolve(second).cvar(level), first.cvar(level) + second.cvar(level)


def quantile_of_independent_sum_is_at_least_sum_of_quantiles(x: Risks, a: Arithmetic = FLOATS) -> Sides:
    """Diversification never hurts: the quantile of a sum of independent gains is at least the sum of theirs."""
    first, second, level = _risks(x, a)
    return first.quantile(level) + second.quantile(level), first.convolve(second).quantile(level)


def _wasserstein(a: Arithmetic, atoms: Any, masses: Any, other_atoms: Any, other_masses: Any) -> Any:
    """W1 of two laws on the line: the area between their distribution functions."""
    positions = np.concatenate([atoms, other_atoms])
    order = np.argsort(positions, kind="stable")
    steps = np.concatenate([masses, -other_masses])[order].cumsum()[:-1]
    return (abs(steps) * np.diff(positions[order])).sum()


def _backed(model: Model, atoms: Any, masses: Any, choice: Any) -> tuple[Any, Any]:
    """Atoms and masses (S, A, S k) of reward + discount * return of the chosen action of the successor."""
    n_states, n_actions, _ = model.transition.shape
    states = np.arange(n_states)
    next_atoms, next_masses = atoms[states, choice], masses[states, choice]
    values = model.reward[:, :, np.newaxis, np.newaxis] + model.discount * next_atoms
    weights = model.transition[:, :, :, np.newaxis] * next_masses
    return values.reshape(n_states, n_actions, -1), weights.reshape(n_states, n_actions, -1)


def _distances(x: Returns, a: Arithmetic, greedy: bool) -> Sides:
    """Largest W1 after a step, and the discount times the largest W1 before."""
    model = a.model(x.mdp)
    laws = (a.number(x.atoms), a.law(x.masses)), (a.number(x.other_atoms), a.law(x.other_masses))
    backed = []
    for atoms, masses in laws:
        mean = (atoms * masses).sum(axis=-1)
        choice = a.first_best(mean) if greedy else np.zeros(len(mean), dtype=int)
        backed.append(_backed(model, atoms, masses, choice))

    def largest(one: Any, two: Any) -> Any:
        return max(
            _wasserstein(a, one[0][i], one[1][i], two[0][i], two[1][i])
            for i in np.ndindex(model.reward.shape)
        )

    return largest(*backed), model.discount * largest(*laws)


def optimal_distributional_operator_contracts(x: Returns, a: Arithmetic = FLOATS) -> Sides:
    """The distributional optimality operator (greedy by means) is a contraction in the largest W1, with the discount as modulus."""
    return _distances(x, a, greedy=True)


def return_laws_contract_in_total_variation(x: Returns, a: Arithmetic = FLOATS) -> Sides:
    """Evaluation of one policy on laws of the return contracts in total variation, with the discount as modulus."""
    model = a.model(x.mdp)
    choice = np.zeros(len(model.reward), dtype=int)
    one, two = (
        _backed(model, a.number(atoms), a.law(masses), choice)
        for atoms, masses in ((x.atoms, x.masses), (x.other_atoms, x.other_masses))
    )

    def largest(one: Any, two: Any) -> Any:
        return max(
            _mass_distance(a, *(part[i] for part in (*one, *two))) for i in np.ndindex(model.reward.shape)
        )

    before = (a.number(x.atoms), a.law(x.masses)), (a.number(x.other_atoms), a.law(x.other_masses))
    return largest(one, two), model.discount * largest(*before)


def _mass_distance(a: Arithmetic, atoms: Any, masses: Any, other_atoms: Any, other_masses: Any) -> Any:
    positions, signed = np.concatenate([atoms, other_atoms]), np.concatenate([masses, -other_masses])
    return sum(abs(signed[positions == place].sum()) for place in set(positions.tolist())) / 2 + a.number(0)


# --- true -----------------------------------------------------------------------------------------------------------


def return_laws_contract_in_wasserstein(x: Returns, a: Arithmetic = FLOATS) -> Sides:
    """Evaluation of one policy on laws of the return contracts in the largest W1, with the discount as modulus."""
    return _distances(x, a, greedy=False)


def pinsker(x: Laws, a: Arithmetic = FLOATS) -> Sides:
    """2 TV(p, q)^2 is at most KL(p, q)."""
    p, q, _ = _laws(x, a)
    return 2 * _total_variation(p, q) ** 2, a.kl(p, q)


def bretagnolle_huber(x: Laws, a: Arithmetic = FLOATS) -> Sides:
    """TV(p, q)^2 is at most 1 - exp(-KL(p, q))."""
    p, q, _ = _laws(x, a)
    return _total_variation(p, q) ** 2, 1 - a.exp(-a.kl(p, q))


def kl_is_at_most_the_log_of_chi_square(x: Laws, a: Arithmetic = FLOATS) -> Sides:
    """KL(p, q) is at most log(1 + chi^2(p, q))."""
    p, q, _ = _laws(x, a)
    return a.kl(p, q), a.log((p**2 / q).sum())


def data_processing(x: Channel, a: Arithmetic = FLOATS) -> Sides:
    """A kernel does not increase the KL divergence."""
    p, q, kernel = a.law(x.p), a.law(x.q), a.law(x.kernel)
    return a.kl(p @ kernel, q @ kernel), a.kl(p, q)


def wasserstein_is_at_most_the_diameter_times_the_total_variation(
    x: Returns, a: Arithmetic = FLOATS
) -> Sides:
    """W1 is at most the total variation times the distance of the outermost atoms."""
    atoms, p, q = a.number(x.atoms[0, 0]), a.law(x.masses[0, 0]), a.law(x.other_masses[0, 0])
    return _wasserstein(a, atoms, p, atoms, q), (atoms.max() - atoms.min()) * _total_variation(p, q)


def cvar_is_superadditive(x: Risks, a: Arithmetic = FLOATS) -> Sides:
    """The mean of the worst part of a sum of independent gains is at least the sum of theirs."""
    first, second, level = _risks(x, a)
    return first.cvar(level) + second.cvar(level), first.convolve(second).cvar(level)


ENTRIES = (
    Entry(kl_obeys_the_triangle_inequality, three_laws, "It is like a squared distance."),
    Entry(
        jensen_shannon_obeys_the_triangle_inequality,
        three_laws,
        "Its square root does: D. Endres and J. Schindelin, A new metric for probability distributions, 2003.",
    ),
    Entry(
        total_variation_of_independent_pairs_adds_up,
        three_laws,
        "It is at most the sum.",
        kind="equal",
    ),
    Entry(
        kl_is_at_most_the_total_variation_squared_over_the_least_mass,
        three_laws,
        "Twice that: KL is at most chi^2, which is at most 2 TV^2 over the least mass.",
    ),
    Entry(
        cvar_of_independent_sum_is_sum_of_cvars,
        risks,
        "The bad parts of both seldom meet: only superadditive, with equality for comonotone variables.",
        kind="equal",
    ),
    Entry(
        quantile_of_independent_sum_is_at_least_sum_of_quantiles,
        risks,
        "Value-at-risk is not coherent: P. Artzner et al., Coherent measures of risk, 1999.",
    ),
    Entry(
        optimal_distributional_operator_contracts,
        returns,
        "M. Bellemare, W. Dabney and R. Munos, A distributional perspective, 2017, proposition 1: the greedy choice jumps.",
    ),
    Entry(
        return_laws_contract_in_total_variation,
        returns,
        "Scaling moves atoms and leaves masses: total variation keeps its size.",
    ),
    Entry(
        return_laws_contract_in_wasserstein,
        returns,
        "M. Bellemare, W. Dabney and R. Munos, A distributional perspective, 2017, lemma 3.",
        true=True,
        tight=True,
    ),
    Entry(
        pinsker,
        three_laws,
        "M. S. Pinsker 1964; the constant is that of Csiszar 1967.",
        true=True,
        tight=True,
    ),
    Entry(bretagnolle_huber, three_laws, "J. Bretagnolle and C. Huber 1979.", true=True, tight=True),
    Entry(
        kl_is_at_most_the_log_of_chi_square,
        three_laws,
        "Jensen's inequality for the logarithm.",
        true=True,
        tight=True,
    ),
    Entry(
        data_processing,
        channels,
        "S. Kullback and R. Leibler 1951.",
        true=True,
        tight=True,
        evaluations=2500,
    ),
    Entry(
        wasserstein_is_at_most_the_diameter_times_the_total_variation,
        returns,
        "C. Villani, Optimal Transport, 2009, theorem 6.15.",
        true=True,
        tight=True,
    ),
    Entry(
        cvar_is_superadditive,
        risks,
        "R. T. Rockafellar and S. Uryasev 2002: a coherent measure of risk.",
        true=True,
        tight=True,
    ),
)
