"""A run's details: the nodes of its Argo Workflow as KFP lists them, in no order, with their times to the second."""

import uuid
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_STEP_S, _DRIVER_S = 60, 5
_UNSET = "1970-01-01T00:00:00Z"
_ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
_BEGAN = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)

Body = dict[str, Any]


def details(run_id: str, state: str, steps: Mapping[str, str], cached: Collection[str]) -> list[Body]:
    """Returns the nodes of a run, by identifier.

    Args:
        run_id: The run.
        state: Its state.
        steps: The states of its steps, in the order in which they began, one after the other. Two of a name are NAME and NAME@2.
        cached: The steps that were served from the cache.
    """

    def node(path: str, how: str, began_s: int, took_s: int, name: str = "") -> Body:
        began = _BEGAN + timedelta(seconds=began_s)
        return {
            "run_id": run_id,
            "task_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run_id}/{path}")),
            "display_name": name or path,
            "create_time": _BEGAN.isoformat(),
            "start_time": began.isoformat(),
            "end_time": (began + timedelta(seconds=took_s)).isoformat() if how in _ENDED else _UNSET,
            "state": how,
            "state_history": [{"update_time": began.isoformat(), "state": how}],
        }

    whole = len(steps) * _STEP_S
    nodes = [node(f"quantize-model-{run_id[:5]}", state, 0, whole), node("root", state, 0, whole)]
    nodes.append(node("root-driver", "SUCCEEDED", 0, _DRIVER_S))
    for position, (step, how) in enumerate(steps.items()):
        name, began, took = step.partition("@")[0], position * _STEP_S, _DRIVER_S if step in cached else _STEP_S - 1
        nodes.append(node(step, how, began, took, name))
        nodes.append(node(f"{step}-driver", "SUCCEEDED", began, _DRIVER_S, f"{name}-driver"))
        if step in cached:
            nodes.append(node(f"{step}/executor", "SKIPPED", began + _DRIVER_S, 0, "executor"))
        else:
            nodes.append(node(f"{step}/executor", how, began + _DRIVER_S, took - _DRIVER_S, "executor"))
    return sorted(nodes, key=lambda found: found["task_id"])
