"""Prints what an image installs beside this package: `python3 requirements.py EXTRA[,EXTRA…]`, beside pyproject.toml.

The Dockerfile installs these before it copies the source, so that a change of the source reinstalls nothing else.
"""

import sys
import tomllib
from pathlib import Path


def main(names: str) -> None:
    """Prints the package's dependencies and those of its extras, a line each."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for name in names.split(","):
        if name not in extras:
            raise SystemExit(f"EXTRA: unknown extra {name!r} in {names!r}; choose from {', '.join(sorted(extras))}")
    print(*project["dependencies"], *(needed for name in names.split(",") for needed in extras[name]), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
