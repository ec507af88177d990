"""Several targets in one run: each imports what it would import alone."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from tests.test_cli import write
from tricheck.cli import main

MODEL = """
    from {module} import K

    m = tricheck.Model(lambda w: K * np.sum(w**3), lambda w: {own} * 3 * w**2, np.ones(2))
"""
LAZY = """
    def loss(w):
        from {module} import K

        return K * np.sum(w**3)


    m = tricheck.Model(loss, lambda w: {own} * 3 * w**2, np.ones(2))
"""
FALLBACK = """
    try:
        from {module} import K
    except ImportError:
        K = {own}

    m = tricheck.Model(lambda w: K * np.sum(w**3), lambda w: {own} * 3 * w**2, np.ones(2))
"""
LIBRARY = (
    """
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parent / "lib"))
"""
    + MODEL
)

# Where the helper of a model lies, from its folder; what it is imported as; how
LAYOUTS = {
    "a file": ("helper.py", "helper", MODEL),
    "a file, imported when the loss runs": ("helper.py", "helper", LAZY),
    "a package": ("helper/__init__.py", "helper", MODEL),
    "a namespace": ("helper/core.py", "helper.core", MODEL),
    "a namespace, imported when the loss runs": ("helper/core.py", "helper.core", LAZY),
    "a folder that the model puts on the path": ("lib/helper.py", "helper", LIBRARY),
}


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """Of the user's modules; the path is as it was."""
    path = list(sys.path)
    yield
    assert sys.path == path
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in f"{vars(module).get('__file__')} {vars(module).get('__path__')}":
            del sys.modules[name]


def planted(folder: Path, layout: str, factor: float, own: float) -> Path:
    """A model whose helper holds the factor, and whose gradient has its own."""
    file, module, text = LAYOUTS[layout]
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(f"K = {factor}\n")
    return write(folder, "model.py", text.format(module=module, own=own))


def verdicts(*targets: Path | str) -> list[str]:
    """What is said of each target's model, in one run."""
    result = CliRunner().invoke(main, ["check", "-q", *map(str, targets)])
    lines = [line for line in result.output.splitlines() if line[1:4] == " m:"]
    assert len(lines) == len(targets), result.output
    return [line.split()[2].rstrip(",") for line in lines]


@pytest.mark.parametrize("second", LAYOUTS)
@pytest.mark.parametrize("first", LAYOUTS)
def test_helpers_of_one_name_do_not_mix(first: str, second: str, tmp_path: Path) -> None:
    one = planted(tmp_path / "one", first, 2.0, own=2.0)
    two = planted(tmp_path / "two", second, 5.0, own=5.0)
    assert verdicts(one, two) == ["agree", "agree"]
    wrong = planted(tmp_path / "wrong", second, 5.0, own=2.0)  # right with the first one's helper
    assert verdicts(one, wrong) == ["agree", "backprop"]
    assert verdicts(wrong, one) == ["backprop", "agree"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_inside_of_another_one(layout: str, tmp_path: Path) -> None:
    below = planted(tmp_path / "below", layout, 2.0, own=2.0)
    above = planted(tmp_path, layout, 5.0, own=2.0)
    assert verdicts(below, above) == ["agree", "backprop"]
    assert verdicts(above, below) == ["backprop", "agree"]


@pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])
def test_a_helper_that_is_not_there_is_not_somebody_elses(order: int, tmp_path: Path) -> None:
    one = planted(tmp_path / "one", "a file", 2.0, own=2.0)
    text = FALLBACK.format(module="helper", own=5.0)
    two = write(tmp_path / "two", "model.py", text)
    assert verdicts(*[one, two][::order]) == ["agree", "agree"]


def test_a_module_and_its_own_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = planted(tmp_path / "one", "a file", 2.0, own=2.0)
    planted(tmp_path, "a file", 5.0, own=5.0).rename("module_beside.py")
    assert verdicts(one, "module_beside:m") == ["agree", "agree"]
    assert verdicts("module_beside:m", one) == ["agree", "agree"]


def test_loss_and_gradient_from_two_folders(tmp_path: Path) -> None:
    import numpy as np

    for folder, text in (
        ("one", "def f(w):\n    return K * np.sum(w**3)\n"),
        ("two", "def f(w):\n    return K * 3 * w**2\n"),
    ):
        write(tmp_path / folder, "functions.py", f"from helper import K\n\n{text}")
        (tmp_path / folder / "helper.py").write_text(
            "K = 2.0\n" if folder == "one" else "K = 5.0\n"
        )
    np.save(tmp_path / "x.npy", np.array([0.3, -0.2]))
    result = CliRunner().invoke(
        main,
        f"check -q --loss {tmp_path}/one/functions.py:f --gradient {tmp_path}/two/functions.py:f "
        f"--params {tmp_path}/x.npy".split(),
    )
    assert "backprop, scale" in result.output


def test_a_helper_that_two_models_beside_it_share_is_loaded_once(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("K = []\n")
    for name in ("one.py", "two.py"):
        write(tmp_path, name, "from helper import K\nK.append(len(K))\nassert K[0] == 0\n" + """
m = tricheck.Model(lambda w: np.sum(w**2), lambda w: 2 * w, np.ones(2))
""")  # fmt: skip
    assert verdicts(tmp_path / "one.py", tmp_path / "two.py") == ["agree", "agree"]
    assert sys.modules["helper"].K == [0, 1]


@pytest.mark.parametrize("name", ["types", "random", "numpy", "tricheck", "inspect"])
def test_a_model_file_called_like_a_library_takes_nobodys_place(name: str, tmp_path: Path) -> None:
    before = {key: sys.modules.get(key) for key in ("types", "random", "numpy", "tricheck")}
    text = "m = tricheck.Model(lambda w: np.sum(w**2), lambda w: 2 * w, np.ones(2))\n"
    file = write(tmp_path, f"{name}.py", text)
    assert verdicts(file) == ["agree"]
    assert {key: sys.modules.get(key) for key in before} == before


def test_pages_are_drawn_among_the_same_modules(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    pytest.importorskip("jinja2", reason="Jinja2 is not installed")
    lazy = "a file, imported when the loss runs"
    one = planted(tmp_path / "one", lazy, 2.0, own=5.0)
    two = planted(tmp_path / "two", lazy, 5.0, own=2.0)
    write(two.parent, "model.py", two.read_text(encoding="utf-8").replace("m =", "other ="))
    both = ["check", "-q", str(one), str(two), "--html", f"{tmp_path}/all.html"]
    CliRunner().invoke(main, both)
    CliRunner().invoke(main, ["check", "-q", str(two), "--html", f"{tmp_path}/alone.html"])
    pages = (tmp_path / "all-models" / "other.html", tmp_path / "alone.html")
    drawn, alone = (
        re.findall("<svg.*?</svg>", page.read_text(encoding="utf-8"), re.DOTALL) for page in pages
    )
    assert drawn == alone
    assert len(drawn) > 1


def test_modules_that_answer_to_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Anything(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return object()  # as torch.classes does, of its own kind

    monkeypatch.setitem(sys.modules, "anything", Anything("anything"))
    assert verdicts(planted(tmp_path, "a file", 2.0, own=2.0)) == ["agree"]


def test_a_model_that_tidies_the_path_up(tmp_path: Path) -> None:
    text = """
        import sys

        sys.path = [folder for folder in sys.path if "one" not in folder]
        m = tricheck.Model(lambda w: np.sum(w**2), lambda w: 2 * w, np.ones(2))
    """
    assert verdicts(write(tmp_path / "one", "model.py", text)) == ["agree"]
