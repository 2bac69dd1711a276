"""重大项目: every project with its zone, status, date and amount, and how far they have come in each zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import shapely

from qpgis.catalogue import Lang, clauses, text
from qpgis.landuse import plan_status_of
from qpgis.layers import SHOW, Layer, span_of, text_of
from qpgis.rows import zones_of
from qpgis.workspace import Workspace

KIND = "projects"
STATUSES = ("existing", "under_construction", "planned", "studied")
LIST = ("zone", "project", "project_status", "project_due", "overdue", "amount", "project_more")
"""The columns of the list; ``amount`` is in the unit of the field that holds it."""
PROGRESS = ("zone", "project_status", "project_count", "overdue", "amount", "amount_known")
"""The columns of progress; ``amount`` is of those whose amount is known, ``amount_known`` how many these are."""


def project_records(workspace: Workspace, lang: Lang) -> list[dict[str, Any]]:
    """Every project, by zone and name; one that no zone holds isn't listed.

    ``overdue`` is true where the date has passed at the state that is computed, and the project isn't completed; a year
    or a month passes with its last day. Missing is ``None``.
    """
    layer = workspace.layers.get(KIND)
    if layer is None or not len(layer):
        return []
    frame = layer.frame
    found = []
    for n, zone in _zones(workspace, layer).items():
        row = {str(name): value for name, value in frame.iloc[n].items()}
        due = text_of(row.get("opened"))
        status = plan_status_of(row["plan_status"]) if "plan_status" in row else None
        span = span_of(due) if due else None
        amount = row.get("amount")
        more = (f"{k.removeprefix(SHOW)}: {text_of(v)}" for k, v in row.items() if k.startswith(SHOW) and text_of(v))
        found.append(
            {
                "zone_id": zone,
                "zone": workspace.area.names[zone],
                "project": text_of(row.get("name")) or text_of(row.get("feature_id")),
                "status": status,
                "project_status": text(f"project_{status}", lang) if status in STATUSES else None,
                "project_due": due or None,
                "overdue": span is not None and status in STATUSES[1:] and span[1] < workspace.state.as_of,
                "amount": None if amount is None or amount != amount else float(amount),
                "project_more": clauses(more, lang) or None,
            }
        )
    return sorted(found, key=lambda one: (one["zone_id"], one["project"]))


def project_progress(workspace: Workspace, lang: Lang) -> Iterator[dict[str, Any]]:
    """How many projects of each status every zone and group has, how many are overdue, and what they amount to."""
    records = project_records(workspace, lang)
    members = {group.id: set(group.members) for group in workspace.area.groups}
    for zone in zones_of(workspace) if records else ():
        inside = [one for one in records if one["zone_id"] in members.get(zone.id, {zone.id})]
        for status in STATUSES:
            some = [one for one in inside if one["status"] == status]
            if some:
                yield {"zone": zone.name, "project_status": text(f"project_{status}", lang), **_summed(some)}


def _summed(some: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [one["amount"] for one in some if one["amount"] is not None]
    return {
        "project_count": len(some),
        "overdue": sum(one["overdue"] for one in some),
        "amount": sum(known) if known else None,
        "amount_known": len(known),
    }


def _zones(workspace: Workspace, layer: Layer) -> dict[int, str]:
    """The zone of each project, by its place in the layer: of a point inside it; on a shared border the lowest id."""
    base = workspace.area.base
    inside = shapely.point_on_surface(layer.geometry)
    within, zones = shapely.STRtree(base.geometry).query(inside, predicate="intersects")
    found: dict[int, str] = {}
    for n, zone in sorted(zip(within.tolist(), np.asarray(base.ids, dtype=object)[zones].tolist(), strict=True)):
        found.setdefault(n, zone)
    return found
