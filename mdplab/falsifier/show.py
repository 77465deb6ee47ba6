r"""A counterexample in writing: as text, as LaTeX with its transition diagram, and as Python source.

Numbers are written as simple fractions where they are such, with all their digits else.  Text and LaTeX take ``19/20`` for
what rounding has left of it too; Python source keeps every bit.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.falsifier.simplest import fraction_near, fraction_of
from mdplab.models._base import Model

__all__ = ["as_latex", "as_source", "as_text", "number_text", "transition_picture"]


def number_text(x: Any) -> str:
    """A number as text: ``1/3``, ``2``, ``0.1234...``, ``inf``.

    Parameters
    ----------
    x : number, str or None
        What is written.

    Returns
    -------
    str
    """
    if isinstance(x, (bool, np.bool_, int, np.integer, str)) or x is None:
        return str(x)
    x = float(x)
    if not math.isfinite(x):
        return str(x)
    simple = fraction_near(x)
    return repr(x) if simple is None else str(simple)


def _number_latex(x: Any) -> str:
    text = number_text(x)
    if text.lstrip("-") == "inf":
        return text.replace("inf", r"\infty")
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    above, slash, below = text.partition("/")
    if slash:
        return rf"{sign}\tfrac{{{above}}}{{{below}}}"
    mantissa, e, exponent = text.partition("e")
    return sign + (rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else text)


def _nested(array: Any) -> str:
    """An array as nested tuples of numbers."""
    if np.ndim(array) == 0:
        return number_text(array if isinstance(array, str) else np.asarray(array).item())
    return "(" + ", ".join(_nested(x) for x in array) + ")"


def _fields(instance: Any) -> Iterator[tuple[str, Any]]:
    """What the constructor was given, and is not its default."""
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if field.init and value is not None:
            yield field.name, value


def _is_controlled(instance: Any) -> bool:
    """Whether it is a model with a stationary kernel ``(S, A, S)`` and rewards ``(S, A)``."""
    return (
        isinstance(instance, Model)
        and getattr(getattr(instance, "reward", None), "ndim", 0) == 2
        and hasattr(instance, "transition")
        and len(_dense(instance).shape) == 3
    )


def _dense(instance: Any) -> Array:
    kernel = instance.transition
    if not isinstance(kernel, np.ndarray):
        kernel = kernel.toarray().reshape(instance.n_states, instance.n_actions, instance.n_states)
    return np.asarray(kernel)


def _pairs(instance: Any) -> Iterator[tuple[int, int]]:
    """Available pairs."""
    available = getattr(instance, "available", None)
    for s, a in np.ndindex(instance.reward.shape):
        if available is None or available[s, a]:
            yield s, a


_SHOWN_BY_PAIRS = ("transition", "reward", "available")


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _members(value: Any, name: str) -> Iterator[tuple[str, Any]] | None:
    """The entries of a list or tuple that holds more than numbers, with names; None for anything else."""
    if isinstance(value, (list, tuple)) and any(_is_record(x) or hasattr(x, "tocsr") for x in value):
        return ((f"{name or 'instance'}[{i}]", x) for i, x in enumerate(value))
    return None


def as_text(instance: Any, *, name: str = "", indent: str = "") -> str:
    """An instance in lines of text.

    Parameters
    ----------
    instance : object
        A model, a dataclass, an array or a scalar.
    name : str
        What it is called, where it has a name.
    indent : str
        In front of every line.

    Returns
    -------
    str
    """
    members = _members(instance, name)
    if members is not None:
        return "\n".join(as_text(value, name=label, indent=indent) for label, value in members)
    head = f"{indent}{name} = " if name else indent
    if not _is_record(instance):
        if hasattr(instance, "tocsr"):
            instance = instance.toarray()
        return head + _nested(instance)
    inner = indent + "  "
    lines = [f"{head}{type(instance).__name__}"]
    by_pairs = _is_controlled(instance)
    if by_pairs:
        kernel = _dense(instance)
        for s, a in _pairs(instance):
            lines.append(
                f"{inner}P(.|{s},{a}) = {_nested(kernel[s, a])}   R({s},{a}) = {number_text(instance.reward[s, a])}"
            )
    for key, value in _fields(instance):
        if not (by_pairs and key in _SHOWN_BY_PAIRS):
            lines.append(as_text(value, name=key, indent=inner))
    return "\n".join(lines)


# --- LaTeX ----------------------------------------------------------------------------------------------------------


def _latex_array(array: Any) -> str:
    array = np.asarray(array)
    if array.ndim == 0:
        return _number_latex(array.item())
    if array.ndim == 1:
        return "(" + ", ".join(_latex_array(x) for x in array) + ")"
    if array.ndim == 2:
        rows = r" \\ ".join(" & ".join(_number_latex(x) for x in row) for row in array)
        return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"
    return r",\; ".join(_latex_array(x) for x in array)


def _latex_lines(instance: Any, name: str, several: bool) -> Iterator[str]:
    if hasattr(instance, "tocsr"):
        instance = instance.toarray()
    members = _members(instance, name)
    if members is not None:
        for label, value in members:
            yield from _latex_lines(value, label, several)
        return
    label = rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"
    if not _is_record(instance):
        yield rf"{label if name else 'x'} &= {_latex_array(instance)}"
        return
    controlled = _is_controlled(instance)
    which = f"^{{{label}}}" if several and name else ""
    if controlled:
        kernel = _dense(instance)
        for s, a in _pairs(instance):
            yield (
                rf"P{which}(\cdot\mid s_{{{s}}},a_{{{a}}}) &= {_latex_array(kernel[s, a])}, "
                rf"\quad R{which}(s_{{{s}}},a_{{{a}}}) = {_number_latex(instance.reward[s, a])}"
            )
    for key, value in _fields(instance):
        if controlled and key == "discount":
            yield rf"\gamma{which} &= {_number_latex(value)}"
        elif not (controlled and key in _SHOWN_BY_PAIRS):
            inner = f"{name}.{key}" if name and not (controlled and not several) else key
            yield from _latex_lines(value, inner, several)


def as_latex(instance: Any) -> str:
    """An instance as LaTeX: its data in an ``aligned`` display, and the transition diagrams of its models.

    Needs the packages ``amsmath`` and ``tikz``.

    Parameters
    ----------
    instance : object
        As in :func:`as_text`.

    Returns
    -------
    str
    """
    models = list(_controlled_models(instance, ""))
    several = len(models) > 1
    lines = (" \\\\\n  ").join(_latex_lines(instance, "", several))
    pictures = "".join(
        f"\n\n{name}:\n\n{picture}" if several else f"\n\n{picture}"
        for name, picture in ((name, transition_picture(model)) for name, model in models)
    )
    return f"\\[\n\\begin{{aligned}}\n  {lines}\n\\end{{aligned}}\n\\]{pictures}"


def _controlled_models(instance: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Models with transition diagrams, by name."""
    if _is_controlled(instance):
        yield name, instance
    elif _is_record(instance) and not isinstance(instance, Model):
        for key, value in _fields(instance):
            yield from _controlled_models(value, f"{name}.{key}" if name else key)
    elif (members := _members(instance, name)) is not None:
        for label, value in members:
            yield from _controlled_models(value, label)


def transition_picture(mdp: Any) -> str:
    """The transition diagram of a model as a TikZ picture: states on a circle, an arrow for each pair of states.

    Parameters
    ----------
    mdp : MDP
        A model of few states.

    Returns
    -------
    str
    """
    kernel = _dense(mdp)
    n = kernel.shape[0]
    sure: dict[tuple[int, int], list[str]] = defaultdict(list)
    drawn: dict[tuple[int, int], list[str]] = defaultdict(list)
    for s, a in _pairs(mdp):
        for t in map(int, np.flatnonzero(kernel[s, a])):
            if kernel[s, a, t] == 1:
                sure[s, t].append(f"$a_{{{a}}}$")
            else:
                drawn[s, t].append(f"$a_{{{a}}}$: ${_number_latex(kernel[s, a, t])}$")
    radius = 0 if n == 1 else 2.0 if n == 2 else max(3.2, 0.9 * n)
    lines = []
    for s in range(n):
        lines.append(rf"  \node[circle, draw] (s{s}) at ({_angle(s, n):g}:{radius:g}) {{$s_{{{s}}}$}};")
    for source, t in sorted({*sure, *drawn}):
        text = r" \\ ".join([", ".join(sure[source, t])] * bool(sure[source, t]) + drawn[source, t])
        how, where = (
            "bend left=18",
            "auto, pos=0.4",
        )  # nearer to the source: those inside a triangle stay apart
        if source == t:  # on the outer side, with the label beyond the loop
            away = _angle(source, n)
            how = f"out={away + 30:g}, in={away - 30:g}, looseness=7"
            where = f"midway, anchor={(away + 180) % 360:g}"
        lines.append(
            rf"  \draw[->] (s{source}) to[{how}] node[{where}, align=center, font=\footnotesize] {{{text}}} (s{t});"
        )
    return "\\begin{tikzpicture}\n" + "\n".join(lines) + "\n\\end{tikzpicture}"


def _angle(state: int, n: int) -> float:
    return 180 - 360 * state / n


# --- Python ---------------------------------------------------------------------------------------------------------


def as_source(instance: Any) -> tuple[str, list[str]]:
    """An instance as a Python expression that builds it again, equal in every bit.

    Parameters
    ----------
    instance : object
        As in :func:`as_text`.

    Returns
    -------
    expression : str
    imports : list of str
        Import statements that it needs.

    Raises
    ------
    TypeError
        If it holds something that has no such form.
    """
    imports: set[str] = set()
    return _source(instance, imports), sorted(imports)


def _source(value: Any, imports: set[str]) -> str:
    if isinstance(value, (np.bool_, np.integer)):
        value = value.item()
    if isinstance(value, (bool, int, str)) or value is None:
        return repr(value)
    if isinstance(value, (float, np.floating)):
        if math.isfinite(value):
            simple = fraction_of(float(value))
            return repr(float(value)) if simple is None else str(simple)
        return f'float("{float(value)}")'
    if isinstance(value, np.ndarray):
        imports.add("import numpy as np")
        return f"np.array({_source(value.tolist(), imports)}, dtype={value.dtype.name!r})"
    if hasattr(value, "tocsr"):
        imports.add("from scipy import sparse")
        return f"sparse.csr_array({_source(value.toarray(), imports)})"
    if isinstance(value, list):
        return "[" + ", ".join(_source(x, imports) for x in value) + "]"
    if isinstance(value, tuple):
        return "(" + "".join(_source(x, imports) + ", " for x in value).rstrip(" ") + ")"
    if _is_record(value):
        home = type(value).__module__
        if isinstance(value, Model):
            home = "mdplab.models"
        imports.add(f"from {home} import {type(value).__name__}")
        fields = ", ".join(f"{key}={_source(entry, imports)}" for key, entry in _fields(value))
        return f"{type(value).__name__}({fields})"
    raise TypeError(f"an instance holds a {type(value).__name__}, which has no Python source: {value!r}")
