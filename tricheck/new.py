"""A model file to fill in."""

from __future__ import annotations

import re
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
    text = (resources.files("tricheck") / "model_file.txt").read_text(encoding="utf-8")
    name = re.sub(r"\W", "_", file.stem)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text.replace("{name}", name).replace("{file}", file.name))
