"""How the type of an input artifact is written in what a component is given."""

from enum import Enum
from typing import Any


class ArtifactTyping(Enum):
    """What stands for the type of an input artifact.

    The local runner gives the schema's title. The backend of 2.17 gives an instance schema that is empty; others leave it out.
    """

    INSTANCE_SCHEMA = "instanceSchema"
    SCHEMA_TITLE = "schemaTitle"
    EMPTY = "empty"
    ABSENT = "absent"

    def apply(self, artifact: dict[str, Any]) -> dict[str, Any]:
        """Returns an artifact whose type has a schema's title with its type written this way."""
        untyped = {key: value for key, value in artifact.items() if key != "type"}
        match self:
            case ArtifactTyping.INSTANCE_SCHEMA:
                return {**untyped, "type": {"instanceSchema": ""}}
            case ArtifactTyping.SCHEMA_TITLE:
                return artifact
            case ArtifactTyping.EMPTY:
                return {**untyped, "type": {}}
            case ArtifactTyping.ABSENT:
                return untyped
