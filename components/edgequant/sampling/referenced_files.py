"""Reads the files that a configuration refers to: the names of the classes, and the code that makes model inputs."""

from dataclasses import replace

from edgequant.errors import ConfigError
from edgequant.sampling.formats.files import read_text
from edgequant.sampling.settings import ExampleSources

_CLASSES = "examples.classes_file"
_PREPROCESS = "examples.preprocess"


def read_referenced_files(examples: ExampleSources) -> ExampleSources:
    """Returns the settings with the contents of the files that they refer to.

    Raises:
        ConfigError: The content of a file is not valid.
        ExamplesError: A file cannot be read.
    """
    if examples.classes_file:
        if examples.classes:
            raise ConfigError(
                f"{_CLASSES}: {examples.classes_file!r} is given, and examples.classes as well; one of them is allowed"
            )
        names = class_names(read_text(examples.classes_file, _CLASSES), examples.classes_file)
        examples = replace(examples, classes=names)
    file = remote_file(examples.preprocess)
    if file:
        source = read_text(file, _PREPROCESS)
        if not source.strip():
            raise ConfigError(f"{_PREPROCESS}: {file} is empty; it must define a function")
        examples = replace(examples, preprocess_source=source)
    return examples


def class_names(text: str, path: str) -> list[str]:
    """Returns the names in the text of a file, one on each line.

    Args:
        text: The text; empty lines at its end are ignored.
        path: The file, for the message.

    Raises:
        ConfigError: There is no name, or an empty line among them.
    """
    names = [line.strip() for line in text.rstrip().splitlines()]
    if not names:
        raise ConfigError(f"{_CLASSES}: {path} is empty; it must hold the name of a class on each line")
    if "" in names:
        raise ConfigError(
            f"{_CLASSES}: line {names.index('') + 1} of {path} is empty; each line is the name of a class"
        )
    return names


def remote_file(preprocess: str) -> str:
    """Returns the file of ``s3://BUCKET/FILE.py:function`` and similar names; "" for a function of a module or of a local file."""
    file, _, _ = preprocess.rpartition(":")
    return file if "://" in file else ""
