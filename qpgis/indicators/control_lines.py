"""Lines to hold (底线): permanent basic farmland, ecological red lines, growth boundaries, and what is built across.

They are control overlays, no land classes: no sum of classes ever holds them.
"""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, indicator
from qpgis.parts import AnyLayer, Total, Zones

_LINE = "范围以批复的控制线成果为准；本工具只量图层，不推定任何控制线"
_BUILT = "叠加口径：建设用地与控制线相交的面积；合法占用（如批准的线性工程）也在内，是否违规须由主管部门认定"


def _drawn(zh: str, en: str, standing: str) -> tuple[Definition, ...]:
    return (Definition("drawn", zh, en, standing=standing),)


@indicator(
    unit="km2",
    zh="永久基本农田面积",
    en="Permanent basic farmland",
    theme="land",
    definitions=_drawn(
        "永久基本农田图斑的椭球面积（重叠只算一次）",
        "Ellipsoidal area of permanent basic farmland (overlaps once)",
        _LINE,
    ),
)
def basic_farmland_area(zones: Zones, basic_farmland: AnyLayer) -> Total:
    """Permanent basic farmland (永久基本农田面积), in km2.

    Formula: ``area(basic farmland)``; it adds up over zones.
    """
    return Total(parts.area(basic_farmland))


@indicator(
    unit="km2",
    zh="生态保护红线面积",
    en="Ecological red line",
    theme="land",
    definitions=_drawn(
        "生态保护红线范围的椭球面积（重叠只算一次）",
        "Ellipsoidal area inside the ecological red line (overlaps once)",
        _LINE,
    ),
)
def redline_area(zones: Zones, redline: AnyLayer) -> Total:
    """What lies inside the ecological red line (生态保护红线面积), in km2.

    Formula: ``area(red line)``; it adds up over zones.
    """
    return Total(parts.area(redline))


@indicator(
    unit="km2",
    zh="永久基本农田内建设用地",
    en="Built land in basic farmland",
    theme="land",
    definitions=_drawn("永久基本农田范围内的建设用地面积", "Construction land inside permanent basic farmland", _BUILT),
)
def built_in_basic_farmland(zones: Zones, construction: AnyLayer, basic_farmland: AnyLayer) -> Total:
    """Construction land inside permanent basic farmland (永久基本农田内建设用地), in km2.

    Formula: ``area(construction and basic farmland)``; it adds up over zones.
    """
    return Total(parts.area(construction, where=parts.near(basic_farmland, limit_m=0.0)))


@indicator(
    unit="km2",
    zh="生态保护红线内建设用地",
    en="Built land inside the red line",
    theme="land",
    definitions=_drawn("生态保护红线范围内的建设用地面积", "Construction land inside the ecological red line", _BUILT),
)
def built_in_redline(zones: Zones, construction: AnyLayer, redline: AnyLayer) -> Total:
    """Construction land inside the ecological red line (生态保护红线内建设用地), in km2.

    Formula: ``area(construction and red line)``; it adds up over zones.
    """
    return Total(parts.area(construction, where=parts.near(redline, limit_m=0.0)))


@indicator(
    unit="km2",
    zh="城镇开发边界外建设用地",
    en="Built land outside the growth boundary",
    theme="land",
    definitions=_drawn(
        "城镇开发边界以外的建设用地面积（含村庄、交通、水利等依法可在界外的用地）",
        "Construction land outside the urban growth boundary, villages and roads included",
        _BUILT,
    ),
)
def built_outside_growth_boundary(zones: Zones, construction: AnyLayer, growth_boundary: AnyLayer) -> Total:
    """Construction land outside the urban growth boundary (城镇开发边界外建设用地), in km2.

    Formula: ``area(construction outside the growth boundary)``; it adds up over zones.
    """
    return Total(parts.area(construction, outside=growth_boundary))
