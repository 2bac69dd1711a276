"""Maps of an assessment: one HTML file each, which asks no network for anything.

They render only: every number comes with its text, its status and its grade.
"""

from qpgis.maps.offline import html
from qpgis.maps.thematic import Lamp, Notice, Scene, SceneLayer, planning_map

__all__ = ["Lamp", "Notice", "Scene", "SceneLayer", "html", "planning_map"]
