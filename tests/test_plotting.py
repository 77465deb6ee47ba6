"""Figures are the same text at every run, and two of them can stand in one page."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure

from mdplab import plotting


def drawing(height: float = 3.0) -> Figure:
    """Lines with a legend (clip paths, markers, letters) and an image."""
    with plotting.style():
        figure, (left, right) = plotting.new_figure(2)
        left.plot([1, 2, 3], [3, 1, height], marker="o", label=r"$\alpha$")
        left.legend()
        right.imshow([[1, 2], [3, 4]])
    return figure


def identifiers(svg: str) -> set[str]:
    return set(re.findall(r'\bid="([^"]*)"', svg))


def references(svg: str) -> set[str]:
    return {first or second for first, second in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', svg)}


def test_the_same_drawing_gives_the_same_text() -> None:
    assert plotting.figure_to_svg(drawing()) == plotting.figure_to_svg(drawing())


def test_the_text_does_not_depend_on_the_users_settings() -> None:
    expected = plotting.figure_to_svg(drawing())
    with matplotlib.rc_context(
        {"font.size": 20, "lines.linewidth": 7, "svg.hashsalt": "other", "axes.grid": True}
    ):
        assert plotting.figure_to_svg(drawing()) == expected


def test_two_drawings_share_no_identifier() -> None:
    first, second = plotting.figure_to_svg(drawing()), plotting.figure_to_svg(drawing(2.0))
    named = plotting.figure_to_svg(drawing(), prefix="best-of-n-kl.equality")
    sets = [identifiers(svg) for svg in (first, second, named)]
    assert all(len(one) > 20 for one in sets)
    assert len(set.union(*sets)) == sum(map(len, sets))


def test_every_reference_has_its_target() -> None:
    svg = plotting.figure_to_svg(drawing(), prefix="x")
    assert references(svg)
    assert references(svg) <= identifiers(svg)


def test_it_is_one_element_that_styles_only_itself() -> None:
    svg = plotting.figure_to_svg(drawing(), title='Values < "bound"', prefix="a.b")
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == 'Values < "bound"'
    assert root.get("id") == "a.b-svg"
    rules = re.findall(r"<style[^>]*>(.*?)</style>", svg, re.DOTALL)
    assert len(rules) == 1
    assert rules[0].startswith('[id="a.b-svg"] *{')
    assert "<metadata>" not in svg
    assert "<text" not in svg  # letters are outlines


def test_style_is_undone() -> None:
    before = matplotlib.rcParams["svg.hashsalt"], matplotlib.rcParams["font.size"]
    with plotting.style():
        assert matplotlib.rcParams["svg.hashsalt"] == "mdplab"
        with plotting.style():
            pass
        assert matplotlib.rcParams["svg.hashsalt"] == "mdplab"
    assert (matplotlib.rcParams["svg.hashsalt"], matplotlib.rcParams["font.size"]) == before


def test_colours_are_distinct_and_dark_enough() -> None:
    """Every colour of the cycle stands out from white by at least 1.8 : 1 in luminance (WCAG)."""
    with plotting.style():
        colours = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert len(set(colours)) == len(colours) == 7

    def luminance(colour: str) -> float:
        channels = [int(colour.lstrip("#")[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert min(1.05 / (luminance(colour) + 0.05) for colour in colours) > 1.8


def test_panels_stand_row_by_row() -> None:
    figure, axes = plotting.new_figure(5, columns=3, panel_size=(2.0, 1.0))
    assert len(axes) == len(figure.axes) == 5
    assert tuple(figure.get_size_inches()) == (6.0, 2.0)
    assert [axis.get_subplotspec().rowspan.start for axis in axes] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"panels": 0}, "panels"),
        ({"columns": 0}, "columns"),
        ({"panel_size": (1.0, float("nan"))}, "panel_size"),
    ],
)
def test_bad_figures_are_refused(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        plotting.new_figure(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["1a", 'a"b', "a b", "é"])
def test_bad_prefixes_are_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        plotting.figure_to_svg(drawing(), prefix=prefix)


def test_no_window_system_is_loaded() -> None:
    script = (
        "from mdplab import plotting; import sys; assert 'matplotlib' not in sys.modules; "
        "f, a = plotting.new_figure(); a[0].plot([1, 2]); plotting.figure_to_svg(f); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_files_are_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """Whatever the hash seed of the process; the PDF holds TrueType letters and no date."""
    script = (
        "import sys; sys.path.insert(0, 'tests'); from test_plotting import drawing; from mdplab import plotting; "
        "plotting.save_figure(drawing(), sys.argv[1], title='A drawing')"
    )
    for seed in "12":
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / seed / "x")],
            check=True,
            cwd=Path(__file__).resolve().parents[1],
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
    names = {"x.pdf", "x.svg", "x.png"}
    assert {path.name for path in (tmp_path / "1").iterdir()} == names
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    pdf = (tmp_path / "1" / "x.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"Date" not in pdf
    assert ElementTree.parse(tmp_path / "1" / "x.svg").getroot().get("aria-label") == "A drawing"


def test_the_undated_font_of_the_prime_is_not_remarked_upon(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing else is hushed, and only while the file is written."""

    class Speaking(Figure):
        def savefig(self, *args: Any, **options: Any) -> None:
            logging.getLogger("fontTools.ttLib.tables._h_e_a_d").warning("another remark")
            super().savefig(*args, **options)

    with plotting.style():
        figure = Speaking(figsize=(1.0, 1.0))
        figure.text(0.5, 0.5, "$f'$")
        plotting.save_figure(figure, tmp_path / "x", title="A prime")
        assert set(caplog.messages) == {"another remark"}
        figure.savefig(io.BytesIO(), format="pdf")
    assert any("timestamp seems very low" in message for message in caplog.messages)
