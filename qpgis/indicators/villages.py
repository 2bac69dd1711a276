"""Villages by what plans call them, and projects by how far they have come."""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.parts import AnyLayer, Ratio, Total, Zones

_VILLAGES = "按村庄图层的要素计数，以图层收录为准；“示范点”与“示范村”是否同义未见规定"
_PROJECTS = "按项目图层的要素计数；状态以图层所写为准，不按统计时点推定"
STATUSES = {
    "completed": ("existing",),
    "under_construction": ("under_construction",),
    "planned": ("planned",),
    "studied": ("studied",),
    "started": ("existing", "under_construction"),
}
"""What a project may have come to, in plan statuses of ``data/schemes/status.toml``."""


@indicator(
    unit="count",
    zh="美丽乡村建设示范点数量",
    en="Beautiful-village demonstration sites",
    theme="villages",
    definitions=(
        Definition(
            "beautiful",
            "美丽乡村示范村（点）的个数",
            "Number of beautiful-village demonstration villages",
            standing=_VILLAGES,
        ),
        Definition(
            "with_demonstration",
            "美丽乡村示范村（点）与乡村振兴示范村的个数之和",
            "Number of beautiful-village and of rural-revitalisation demonstration villages",
            {"classes": ("beautiful", "demonstration")},
            standing=_VILLAGES,
        ),
    ),
)
def beautiful_village_sites(zones: Zones, villages: AnyLayer, *, classes: tuple[str, ...] = ("beautiful",)) -> Total:
    """How many beautiful-village demonstration sites there are (美丽乡村建设示范点数量).

    Formula: the number of villages of the classes in the state that is computed. Villages that are drawn as polygons
    count where a point inside them lies. Missing where the layer names none at all: it most likely lacks them.

    Parameters
    ----------
    classes : tuple of str
        Classes of ``data/schemes/villages.toml``.
    """
    return Total(parts.count(parts.of_class(villages, classes, complete=False)))


@indicator(
    unit="count",
    zh="乡村振兴示范村数",
    en="Rural-revitalisation villages",
    theme="villages",
    definitions=(
        Definition(
            "named",
            "图层收录的乡村振兴示范村个数",
            "Number of rural-revitalisation demonstration villages that the layer names",
            standing=_VILLAGES,
        ),
    ),
)
def demonstration_villages(zones: Zones, villages: AnyLayer) -> Total:
    """How many rural-revitalisation demonstration villages there are (乡村振兴示范村数).

    Formula: the number of villages of class ``demonstration`` in the state that is computed. Missing where the layer
    names none at all.
    """
    return Total(parts.count(parts.of_class(villages, ("demonstration",), complete=False)))


@indicator(
    unit="count",
    zh="村庄数（按规划类别）",
    en="Villages by what the plan does with them",
    theme="villages",
    definitions=(
        Definition("kept", "保留村和保护村的个数", "Number of villages that plans keep", standing=_VILLAGES),
        Definition(
            "relocated",
            "撤并村的个数",
            "Number of villages to be moved",
            {"class_": "relocated"},
            standing=_VILLAGES,
            competes=False,
        ),
    ),
)
def villages_by_class(zones: Zones, villages: AnyLayer, *, class_: str = "kept") -> Total:
    """How many villages the plan keeps, or moves (村庄数).

    Formula: the number of villages of the class in the state that is computed. Missing where the layer names none
    at all.

    Parameters
    ----------
    class_ : str
        A class of ``data/schemes/villages.toml``.
    """
    return Total(parts.count(parts.of_class(villages, (class_,), complete=False)))


@indicator(
    unit="count",
    zh="项目数（按状态）",
    en="Projects by status",
    theme="projects",
    definitions=tuple(
        Definition(
            name, f"{zh}项目的个数", f"Number of projects {en}", {"status": name}, standing=_PROJECTS, competes=False
        )
        for name, zh, en in (
            ("under_construction", "在建", "under construction"),
            ("completed", "已建成", "that are completed"),
            ("planned", "规划", "that are planned"),
            ("studied", "研究、储备", "under study"),
        )
    ),
)
def projects_by_status(zones: Zones, projects: AnyLayer, *, status: str = "under_construction") -> Total:
    """How many projects have come how far (项目数).

    Formula: the number of projects of a status. Projects are never cut to a date or status, unlike other layers; one
    on a shared border goes to the lowest zone id.

    Parameters
    ----------
    status : str
        ``completed``, ``under_construction``, ``planned``, ``studied``; ``started`` is either of the first two.
    """
    return Total(parts.count(projects.of_status(choose(status, STATUSES, setting="status"))))


@indicator(
    unit="%",
    zh="项目建成率",
    en="Projects completed",
    theme="projects",
    definitions=(
        Definition("completed", "已建成项目数 ÷ 全部项目数", "Completed projects ÷ all projects", standing=_PROJECTS),
        Definition(
            "started",
            "已开工（在建和已建成）项目数 ÷ 全部项目数",
            "Projects under construction or completed ÷ all projects",
            {"status": "started"},
            standing=_PROJECTS,
            competes=False,
        ),
    ),
)
def projects_completed_share(zones: Zones, projects: AnyLayer, *, status: str = "completed") -> Ratio:
    """Which share of the projects has come so far (项目建成率), in %.

    Formula: ``100 * number of projects of the status / number of projects``. Range 0 to 100; missing where there
    are none.

    Parameters
    ----------
    status : str
        As for :func:`projects_by_status`.
    """
    chosen = projects.of_status(choose(status, STATUSES, setting="status"))
    return Ratio(parts.count(chosen), parts.count(projects))
