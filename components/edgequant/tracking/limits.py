"""How long a text may be in MLflow: what can be longer is cut, and ends in an ellipsis.

Servers do not agree on what they do with a longer one: cut it, take it, or refuse the request, which by PostgreSQL's columns is
the end of a recording.
"""

# MLflow's own constants, in `mlflow.utils.validation`, are compared with these by a test: importing them takes a second.
TAG_CHARACTERS = 8000
PARAMETER_CHARACTERS = 6000
METRIC_NAME_CHARACTERS = 250
DATASET_SOURCE_CHARACTERS = 65535
# Those of the column for a version's description.
DESCRIPTION_CHARACTERS = 5000


def cut(text: str, characters: int) -> str:
    """Returns a text that is no longer than so many characters."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def tags(values: dict[str, str]) -> dict[str, str]:
    """Returns tags whose values are no longer than MLflow takes."""
    return {name: cut(value, TAG_CHARACTERS) for name, value in values.items()}
