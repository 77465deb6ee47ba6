"""Faults of a layout are found, and a sound figure has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import figures.__main__ as command
from figures.legibility import faults
from mdplab import plotting


def drawn(**legend: object) -> tuple[Figure, Axes]:
    """A curve from the lower left to the upper right, with a legend."""
    with plotting.style():
        figure, (ax,) = plotting.new_figure()
        ax.plot(np.arange(20.0), label="rising")
        ax.set(xlabel="step", ylabel="value")
        ax.legend(**legend)
    return figure, ax


def test_a_sound_figure_has_no_faults() -> None:
    figure, _ = drawn(loc="upper left")
    assert faults(figure) == []


def test_a_legend_over_a_curve_is_found() -> None:
    figure, _ = drawn(loc="center")
    assert faults(figure) == ["the panel: the legend hides rising"]


def test_straight_rules_may_pass_under_a_legend() -> None:
    figure, ax = drawn(loc="upper left")
    ax.axvline(2.0)
    assert faults(figure) == []


def test_a_label_that_is_cut_off_is_found() -> None:
    figure, ax = drawn(loc="upper left")
    ax.set_xlabel("a label that is wider than the whole page: " + "word " * 15)
    assert [fault.split(": ")[1] for fault in faults(figure)] == ["left", "right"]


def test_ticks_outside_the_view_are_not_cut_off() -> None:
    figure, ax = drawn(loc="upper left")
    ax.set_xticks([-50, 0, 10, 500])
    ax.set_xlim(0, 20)
    assert faults(figure) == []


def test_an_empty_panel_is_found() -> None:
    with plotting.style():
        figure, (left, _) = plotting.new_figure(2)
        left.plot([1, 2])
    assert faults(figure) == ["panel 2 is empty"]


def test_the_command_tells_the_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are told again where nothing is drawn anew."""
    arguments = ["best-of-n-kl", "--out", str(tmp_path)]
    monkeypatch.setattr("figures.build.faults", lambda figure: ["the panel is empty"])
    for drawn_now in (1, 0):
        assert command.main(arguments) == 1
        out, err = capsys.readouterr()
        assert "figures: best-of-n-kl: the panel is empty" in err
        assert f"{drawn_now} drawn" in out
