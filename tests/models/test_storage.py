"""Files of models: bit by bit there and back, and what is refused in which words."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mdplab import models
from mdplab.instances import diamond_network, three_state_chain, three_state_mdp
from mdplab.instances.draw import SeededDraw
from mdplab.instances.linear import random_linear_mdp, simplex_features
from mdplab.models import load, save
from tests.small_models import random_mdp

RNG = np.random.default_rng(0)


def named() -> models.MDP:
    kernel = np.array([[[0.25, 0.75], [0.0, 0.0]], [[1 / 3, 2 / 3], [0.1, 0.9]]])
    return models.MDP(
        kernel,
        [[0.1, 0.2], [-0.3, 1e-300]],
        0.1 + 0.2,
        [0.5, 0.5],
        available=[[True, False], [True, True]],
        state_names=["süß", "b"],
        action_names=["x", "y"],
    )


MODELS: dict[str, Callable[[], Any]] = {
    "MDP": named,
    "MDP sparse": lambda: named().to_sparse(),
    "MDP random": lambda: random_mdp(3),
    "MDP rational": three_state_mdp,
    "MDP rational, sparse, new reward": lambda: (
        three_state_mdp().to_sparse().replace(reward=RNG.normal(size=(3, 2)))
    ),
    "MDP deterministic": lambda: models.MDP.from_successors([[0, 1], [1, 0]], np.zeros((2, 2)), 0.5),
    "FiniteHorizonMDP": lambda: models.FiniteHorizonMDP(
        RNG.dirichlet(np.ones(3), (2, 3, 2)),
        RNG.normal(size=(2, 3, 2)),
        discount=0.5,
        terminal=[1.0, 2.0, 3.0],
    ),
    "FiniteHorizonMDP masked": lambda: models.FiniteHorizonMDP(
        RNG.dirichlet(np.ones(2), (2, 2)),
        RNG.normal(size=(2, 2)),
        available=np.array([[[True, False], [True, True]]] * 3),
    ),
    "TotalRewardMDP": lambda: models.TotalRewardMDP(
        named().to_sparse().transition, named().reward, [False, True], available=named().available
    ),
    "MultiObjectiveMDP": lambda: models.MultiObjectiveMDP(
        random_mdp(3, masked=False).transition,
        RNG.normal(size=(2, *random_mdp(3).reward.shape)),
        0.5,
        np.eye(5)[0],
    ),
    "LinearMDP": lambda: random_linear_mdp(SeededDraw(1)),
    "RectangularUncertainty": lambda: models.RectangularUncertainty(simplex_features(), "kl", strength=0.3),
    "OutcomeModel": lambda: models.OutcomeModel([[[0.5, 0.5]]], [1.0, 2.0], [0, 0], [1.0]),
    "FlowNetwork": diamond_network,
    "MarkovChain": three_state_chain,
    "RewardProcess": lambda: models.RewardProcess([[0.5, 0.5], [1.0, 0.0]], [1.0, 2.0], 0.9),
    "Bandit": lambda: models.Bandit([1.0, 2.0], [0.5, 0.5], [[1.0], [2.0]]),
    "MatrixGame": lambda: models.MatrixGame([[0.0, 1.0], [-1.0, 0.0]]),
    "PreferenceMatrix": lambda: models.PreferenceMatrix.bradley_terry([0.0, 1.0]),
    "PairWeights": lambda: models.PairWeights([[0.0, 1.0], [2.0, 0.0]]),
    "Comparisons": lambda: models.Comparisons([[0, 1], [1, 0]], 2),
    "LoggedDataset": lambda: models.LoggedDataset([[0, 1]], [[1]], [[0.5]], n_states=2, n_actions=2),
    "Policy": lambda: models.Policy.from_probability([[0.1, 0.9], [1.0, 0.0]]),
    "Policy by logits": lambda: models.Policy.from_logits([[0.0, -900.0], [1.0, 2.0]]),
}


def same(x: Any, y: Any) -> bool:
    if isinstance(x, models.MDP.__mro__[-2]):  # the base of all models
        return type(x) is type(y) and all(
            same(getattr(x, f.name), getattr(y, f.name)) for f in dataclasses.fields(x)
        )
    if hasattr(x, "tocsr"):
        return x.shape == y.shape and all(
            same(getattr(x, p), getattr(y, p)) for p in ("data", "indices", "indptr")
        )
    if isinstance(x, np.ndarray):
        return (
            x.dtype == y.dtype and x.shape == y.shape and x.tolist() == y.tolist() and not y.flags.writeable
        )
    if isinstance(x, models.RationalData):
        return all(
            np.array_equal(getattr(x, f), getattr(y, f)) for f in ("weights", "reward", "discount", "initial")
        )
    return type(x) is type(y) and bool(x == y)


@pytest.mark.parametrize("name", MODELS)
def test_plain_data_are_json_and_come_back(name: str) -> None:
    model = MODELS[name]()
    data = json.loads(json.dumps(model.to_dict()))
    assert json.loads(json.dumps(type(model).from_dict(data).to_dict())) == data


def test_plain_data_of_an_uncertainty_are_checked() -> None:
    kind, data = models.RectangularUncertainty, MODELS["RectangularUncertainty"]().to_dict()
    with pytest.raises(ValueError, match="data describe a MDP"):
        kind.from_dict(data | {"model": "MDP"})
    with pytest.raises(ValueError, match="lack the key 'nominal'"):
        kind.from_dict({key: value for key, value in data.items() if key != "nominal"})
    with pytest.raises(ValueError, match="unknown key 'size'"):
        kind.from_dict(data | {"size": 3})


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("compressed", [False, True])
def test_there_and_back(name: str, compressed: bool, tmp_path: Path) -> None:
    model = MODELS[name]()
    path = save(model, tmp_path / "model", compressed=compressed)
    assert path == tmp_path / "model.npz"
    found = load(path)
    assert same(model, found)
    if isinstance(model, models.Policy):
        np.testing.assert_array_equal(found.probability, model.probability)
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]  # no scratch file is left


def test_every_model_is_covered() -> None:
    base = models.MDP.__mro__[-2]
    kinds = {
        n
        for n in models.__all__
        if isinstance(getattr(models, n), type) and issubclass(getattr(models, n), base)
    }
    missing = kinds - {name.split(" ")[0] for name in MODELS}
    assert missing <= {
        "ConstrainedMDP",
        "MultiObjectiveMDP",
        "TotalRewardMDP",
    }  # covered beside their own tests


def test_rationals_survive() -> None:
    exact = three_state_mdp().exact
    assert exact is not None
    assert exact.discount == Fraction(9, 10)


def test_same_model_same_bytes_and_plain_numpy_reads_it(tmp_path: Path) -> None:
    one, two = save(named(), tmp_path / "one.npz"), save(named(), tmp_path / "two.npz")
    assert one.read_bytes() == two.read_bytes()
    with np.load(one) as arrays:
        np.testing.assert_array_equal(arrays["reward"], named().reward)
        assert json.loads(str(arrays["mdplab"]))["model"] == "MDP"


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        load(tmp_path / "nothing.npz")
    with pytest.raises(ValueError, match=r"expected the ending .npz"):
        save(named(), tmp_path / "model.json")
    with pytest.raises(TypeError, match="model is a dict"):
        save({}, tmp_path / "x")  # type: ignore[arg-type]
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, a=np.zeros(2))
    with pytest.raises(ValueError, match=r"was not written by mdplab\.save"):
        load(foreign)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"is damaged or no \.npz file without pickled objects"):
        load(pickled)
    (tmp_path / "text.npz").write_text("not a zip file", encoding="utf-8")
    with pytest.raises(ValueError, match="is damaged"):
        load(tmp_path / "text.npz")


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive}
    header = json.loads(str(arrays["mdplab"]))
    change(header, arrays)
    np.savez(path, **(arrays | {"mdplab": np.array(json.dumps(header))}))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, a: h.update(format=99), "has format 99, this version reads up to 1: update mdplab"),
        (lambda h, a: h.update(model="Oracle"), "unknown model 'Oracle'"),
        (lambda h, a: h.pop("format"), "unreadable"),
        (lambda h, a: a.pop("reward"), "the entry 'reward' is missing"),
        (lambda h, a: a.update(transition=2 * a["transition"]), "transition row .* sums to"),
        (lambda h, a: h["fields"].update(colour="red"), "colour"),
        (lambda h, a: h["exact"]["weights"][0][0].__setitem__(0, "8"), "the rationals disagree"),
    ],
)
def test_inconsistent_files(change: Callable[[Any, Any], None], message: str, tmp_path: Path) -> None:
    path = rewritten(save(three_state_mdp(), tmp_path / "m.npz"), change)
    with pytest.raises(ValueError, match=message):
        load(path)


@pytest.mark.parametrize("sparse", [False, True])
def test_every_damaged_byte_is_seen_or_harmless(sparse: bool, tmp_path: Path) -> None:
    """Flip one byte at many places, cut the file: an error of one kind, or the same model."""
    model = named().to_sparse() if sparse else named()
    whole = save(model, tmp_path / "m.npz").read_bytes()
    broken = tmp_path / "broken.npz"
    seen = 0
    for i in range(0, len(whole), 7):
        broken.write_bytes(whole[:i] + bytes([whole[i] ^ 0x5A]) + whole[i + 1 :])
        try:
            found = load(broken)
        except ValueError:
            seen += 1
        else:
            assert same(model, found)
    assert seen > len(whole) // 14
    for i in range(0, len(whole), 97):
        broken.write_bytes(whole[:i])
        with pytest.raises(ValueError, match="damaged"):
            load(broken)


def test_loaded_models_pickle() -> None:
    assert same(named(), pickle.loads(pickle.dumps(named())))
