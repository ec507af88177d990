"""A model file to fill in."""

from __future__ import annotations

import re
import sys
from importlib import resources
from pathlib import Path


def write_model_file(file: Path) -> None:
    """Write the commented model file, with the file's own name for the model's.

    Raises
    ------
    ValueError
        When the name does not end in ``.py``.
    FileExistsError
        When there is such a file already.
    """
    if file.suffix != ".py":
        raise ValueError(f"{file} is no name of a Python file: give one such as model.py")
    if not re.fullmatch(r"[\w .-]+", file.stem):
        raise ValueError(f"{file.name} is an odd name: give one of letters, digits, - and _")
    if file.stem in {*sys.stdlib_module_names, "numpy", "tricheck"}:
        raise ValueError(
            f"{file.name} would hide the module {file.stem} from files beside it: give another name"
        )
    text = (resources.files("tricheck") / "model_file.txt").read_text(encoding="utf-8")
    name = re.sub(r"\W", "_", file.stem)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text.replace("{name}", name).replace("{file}", file.name))
