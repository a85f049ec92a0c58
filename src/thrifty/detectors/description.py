"""Small TOML files that say what a model or a folder does not say itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from thrifty.config import Section
from thrifty.errors import DataError

Described = TypeVar("Described", bound=Section)


def read_description(path: Path, kind: type[Described]) -> Described:
    """Read such a file.

    Args:
        path: The file.
        kind: Which keys it may have.

    Raises:
        DataError: It cannot be read, has an unknown key, or a value out of its range.
    """
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise DataError(f"{path}: '{key}': {problem['msg']}") from error
