"""The files speak of the project only, and everything public is documented."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "mdplab").rglob("*.py")
    if path.name != "__init__.py"
)

# Written in halves, so that this file does not contain them.
FORBIDDEN = {
    "a note to oneself": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b"),
    "an absolute path": re.compile(
        r"(?<![\w.~/*<-])/(?:ho" + r"me|ro" + r"ot|tm" + r"p|wo" + r"rk|Us" + r"ers|op" + r"t|mn" + r"t)/\w"
    ),
    "a drive": re.compile(r"\b[A-Z]:\\" + r"\w"),
    "an unresolved merge": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}


def project_files() -> list[Path]:
    """Files in the repository, or (without git) all but those that a run writes."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        listed = ""
    if listed:
        return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]
    written = {".venv", ".git", "results", "build", "dist", "__pycache__"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(
            part in written or part.endswith(("_cache", ".egg-info")) for part in path.relative_to(ROOT).parts
        )
    ]


def text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None  # a font, an image


def forbidden_in(text: str) -> Iterator[tuple[int, str, str]]:
    for what, pattern in FORBIDDEN.items():
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, what, match.group()


def test_files_hold_nothing_forbidden() -> None:
    files = project_files()
    assert len(files) > 30
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}: {match!r}"
        for path in files
        if (text := text_of(path)) is not None
        for line, what, match in forbidden_in(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text", ["# FIX" + "ME: later", 'open("/ho' + 'me/someone/x")', "a\n<<<<<<" + "< HEAD\n"]
)
def test_what_is_forbidden_is_seen(text: str) -> None:
    assert list(forbidden_in(text))


@pytest.mark.parametrize("text", ["../shared/home/x", "https://a.org/home/x", "hackney", "a/work/b"])
def test_what_is_allowed_passes(text: str) -> None:
    assert list(forbidden_in(text)) == []


def test_text_files_end_with_one_newline() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in project_files()
        if (text := text_of(path)) and (not text.endswith("\n") or text.endswith("\n\n"))
    ]
    assert wrong == []


def test_every_source_folder_is_a_package() -> None:
    """setuptools leaves out folders without ``__init__.py``, though an editable installation works with them."""
    folders = {path.parent for name in ("mdplab", "proofs_check") for path in (ROOT / name).rglob("*.py")}
    assert [
        str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").is_file()
    ] == []


def test_version_is_stated_once() -> None:
    """setup.cfg alone holds the version."""
    for name in ("pyproject.toml", "CITATION.cff"):
        assert re.search(r"^version\s*[:=]", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE) is None
    import mdplab

    assert f"version = {mdplab.__version__}\n" in (ROOT / "setup.cfg").read_text(encoding="utf-8")


def sections(doc: str) -> set[str]:
    """Titles underlined by dashes."""
    return set(re.findall(r"^([A-Z][A-Za-z ]+)\n-{3,}$", doc, re.MULTILINE))


def documented(doc: str, name: str) -> bool:
    """Whether a line of the form `a, name, b : ...` (stars allowed) stands in a numpydoc section."""
    heads = re.findall(r"^([\w*, ]+?)(?: *:.*)?$", doc, re.MULTILINE)
    return any(name in (part.strip().lstrip("*") for part in head.split(",")) for head in heads)


def gaps_of_function(function: Any) -> Iterator[str]:
    doc = inspect.getdoc(function) or ""
    if not doc:
        yield "no docstring"
        return
    signature = inspect.signature(function)
    parameters = [name for name in signature.parameters if name not in ("self", "cls")]
    if parameters and "Parameters" not in sections(doc):
        yield "no section Parameters"
    yield from (f"parameter {name} is not documented" for name in parameters if not documented(doc, name))
    if signature.return_annotation not in (None, "None", "NoReturn") and not sections(doc) & {
        "Returns",
        "Yields",
    }:
        yield "no section Returns"


def gaps_of_class(cls: type) -> Iterator[str]:
    doc = cls.__doc__ or ""
    if not doc or (dataclasses.is_dataclass(cls) and doc.startswith(cls.__name__ + "(")):  # made by dataclass
        yield "no docstring"
        return
    fields = {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    inherited = "\n".join(inspect.getdoc(base) or "" for base in cls.__mro__[:-1])
    for name in inspect.get_annotations(cls):
        if name in fields and not name.startswith("_") and not documented(inherited, name):
            yield f"field {name} is not documented"
    for name, member in vars(cls).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        own = inspect.isfunction(function) and not name.startswith("_") and name not in fields
        if own and not inspect.getdoc(getattr(cls, name)):
            yield f"{name} has no docstring"


def gaps(thing: Any) -> list[str]:
    """What is missing in the documentation of a function or class; aliases and constants need none."""
    if inspect.isclass(thing):
        return list(gaps_of_class(thing))
    return list(gaps_of_function(thing)) if inspect.isfunction(inspect.unwrap(thing)) else []


@pytest.mark.parametrize("name", MODULES)
def test_public_things_are_documented(name: str) -> None:
    """Module page; for functions every parameter and the result; for classes every field and public method."""
    module = importlib.import_module(name)
    assert module.__doc__, "the module has no docstring"
    public = getattr(module, "__all__", [])
    missing = [f"{thing}: {gap}" for thing in public for gap in gaps(getattr(module, thing))]
    assert missing == []


PUBLIC = [name for name in MODULES if not any(part.startswith("_") for part in name.split("."))]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_modules_declare_what_is_public(name: str) -> None:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None)
    assert public, "the module has no __all__"
    assert len(set(public)) == len(public)
    assert [thing for thing in public if not hasattr(module, thing)] == []


def good_example(values: list[float], *, step: float) -> float:
    """Do something.

    Parameters
    ----------
    values, step : float
        Numbers.

    Returns
    -------
    float
    """
    return step * sum(values)


def bad_example(values: list[float], *, step: float) -> float:
    """Do something.

    Parameters
    ----------
    values : list of float
        Numbers.
    """
    return step * sum(values)


@dataclasses.dataclass
class BadExample:
    """A class.

    Attributes
    ----------
    a : int
    """

    a: int
    b: int

    def method(self) -> None:
        pass


def test_gaps_are_seen() -> None:
    assert gaps(good_example) == []
    assert gaps(bad_example) == ["parameter step is not documented", "no section Returns"]
    assert gaps(BadExample) == ["field b is not documented", "method has no docstring"]
