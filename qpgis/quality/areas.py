"""Area control (图数一致): stated against drawn areas, planar against ellipsoidal, parts against the control area.

Official sums of land use come from the stated areas of parcels (TBMJ), those of farmland from the area without ridges
(TBDLMJ = TBMJ - TBMJ x KCXS; what is taken off, KCMJ, is 田坎, code 1203). A parcel that a zone cuts is prorated by the
share of its drawn area that lies there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries
from qpgis.errors import ConfigError, did_you_mean
from qpgis.findings import Findings, Severity
from qpgis.measures.areas import area_contributions, overlaid_areas
from qpgis.measures.contributions import MICRO
from qpgis.quality.geometry import Subject
from qpgis.sources.csvtable import Row, is_number, named_rows, with_ids

if TYPE_CHECKING:
    import pandas as pd

AreaBasis = Literal["geometry", "field"]
RELATIVE_TOLERANCE = 0.001
"""A stated area may differ from the drawn one by this part of it."""
SMALLEST_DIFFERENCE_M2 = 0.5
"""A smaller difference of a stated area is rounding."""
MOST_DECIMALS = 7
"""Numbers with as many decimals aren't rounded."""
UNITS_M2: Mapping[str, float] = {"m2": 1.0, "亩": 2000 / 3, "ha": 1e4, "km2": 1e6, "万亩": 2e7 / 3}
"""Square metres of each unit that stated areas come in."""
_SPELLINGS = {
    **{"": "m2", "㎡": "m2", "m²": "m2", "平方米": "m2", "sqm": "m2", "公顷": "ha", "hm2": "ha", "hm²": "ha"},
    **{"mu": "亩", "km²": "km2", "平方公里": "km2", "平方千米": "km2"},
}
TOTAL = ""
"""Stands as the class of the row that holds all classes of a zone."""
WITHOUT_CODE = "unclassified"
"""Stands as the class of parcels without a land-use code."""


@dataclass(frozen=True)
class ControlArea:
    """The official area of a zone (控制面积), in square metres, and who says so."""

    m2: float
    source: str


def numbers(column: pd.Series) -> Floats:
    """A column as numbers, NaN where there is none or what is written isn't one."""
    import pandas as pd

    return pd.to_numeric(column.replace("", None), errors="coerce").to_numpy(dtype=float, na_value=np.nan)


# ------------------------------------------------------------------------------------------- stated against drawn areas


def check_stated_areas(
    subject: Subject,
    stated: Floats,
    *,
    field: str,
    relative_tolerance: float = RELATIVE_TOLERANCE,
) -> float:
    """Hold stated areas against drawn ones; say which unit and which kind of area they are.

    Parameters
    ----------
    subject : Subject
        The parcels.
    stated : float array
        One a parcel; NaN where the file states none.
    field : str
        The field that states them.
    relative_tolerance : float
        By what part of the drawn area they may differ.

    Returns
    -------
    float
        How many square metres the unit of the stated areas has: 1 where they are square metres, 666.67 where 亩.
    """
    drawn = shapely.area(subject.shapes)
    planar = shapely.area(subject.plane.to_gauss_krueger(subject.shapes))
    there = np.isfinite(stated) & (drawn > 0)
    if missing := int((~np.isfinite(stated)).sum()):
        subject.note(Severity.WARNING, "area_not_stated", value=str(missing), field=field)
    if not there.any():
        return 1.0
    unit = _unit_of(stated[there] / drawn[there])
    if unit != "m2":
        subject.note(Severity.WARNING, "area_field_unit", value=unit, field=field, factor=f"{UNITS_M2[unit]:g}")
    smallest = max(SMALLEST_DIFFERENCE_M2, _rounding(stated) * UNITS_M2[unit])
    stated = stated * UNITS_M2[unit]
    sums = [float(area[there].sum()) for area in (stated, drawn, planar)]
    words = {"stated": f"{sums[0]:.1f}", "drawn": f"{sums[1]:.1f}", "planar": f"{sums[2]:.1f}"}
    subject.note(Severity.INFO, "area_totals", value=f"{sums[0] - sums[1]:+.1f} m2", field=field, **words)
    against = drawn
    if _is_planar(stated[there], drawn[there], planar[there]):
        against = planar
        off = f"{(sums[2] / sums[1] - 1) * 1e6:+.0f} ppm"
        subject.note(Severity.WARNING, "area_field_planar", value=off, field=field)
    tolerated = np.maximum(relative_tolerance * against, smallest)
    _report_differences(subject, stated, against, there, tolerated, field=field, tolerance=f"{relative_tolerance:.2%}")
    return UNITS_M2[unit]


def _rounding(amounts: Floats) -> float:
    """By how much rounding may have changed amounts: half of 0.01 where all have two decimals at most.

    >>> _rounding(np.array([1.25, 3.5])), _rounding(np.array([2.0, 70.0])), _rounding(np.array([2 / 3]))
    (0.0051, 0.51, 0.0)
    """
    there = amounts[np.isfinite(amounts)]
    steps = (10.0**-decimals for decimals in range(MOST_DECIMALS))
    fits = (step for step in steps if np.allclose(np.rint(there / step) * step, there, rtol=1e-12, atol=1e-9))
    return 0.51 * next(fits, 0.0)


def stated_square_metres(stated: Floats, drawn: Floats) -> Floats:
    """Stated areas in square metres, whichever unit the file writes them in; NaN where it states none."""
    there = np.isfinite(stated) & (drawn > 0)
    return stated * UNITS_M2[_unit_of(stated[there] / drawn[there])] if there.any() else stated


def _unit_of(ratio: Floats) -> str:
    """The unit in which most stated areas come nearest to the drawn ones; square metres if none fits."""
    fits = {unit: int((np.abs(ratio * m2 - 1) < 0.02).sum()) for unit, m2 in UNITS_M2.items()}
    best = max(fits, key=fits.__getitem__)
    return best if fits[best] > len(ratio) / 2 else "m2"


def _is_planar(stated: Floats, drawn: Floats, planar: Floats) -> bool:
    """True if stated areas are those of the Gauss-Krueger plane: the typical miss is far smaller there."""
    misses = [float(np.median(np.abs(stated / area - 1))) for area in (drawn, planar)]
    return misses[1] < misses[0] / 4 and misses[0] > 2e-5


def _report_differences(
    subject: Subject,
    stated: Floats,
    against: Floats,
    there: NDArray[np.bool_],
    tolerated: Floats,
    *,
    field: str,
    tolerance: str,
) -> None:
    gap = np.abs(stated - against)
    beyond = np.flatnonzero(there & (gap > tolerated))
    if not len(beyond):
        return
    total = f"{float((stated - against)[beyond].sum()):+.1f} m2"
    about = {"field": field, "tolerance": tolerance}
    subject.note(Severity.WARNING, "areas_differ_in_all", value=total, count=len(beyond), **about)
    words = [f"{stated[n]:.2f} / {against[n]:.2f} m2 ({stated[n] / against[n] - 1:+.2%})" for n in beyond]
    subject.worst(
        Severity.WARNING, "area_field_differs", beyond, gap[beyond], words.__getitem__, subject.shapes[beyond]
    )


# ------------------------------------------------------------------------------------------------------- control areas


def read_control_areas(path: Path, zones: Mapping[str, str]) -> dict[str, ControlArea]:
    """Rows ``zone_id, area, unit, source`` of a CSV file by zone; ``unit`` is m2, ha, 亩, 万亩 or km2.

    ``zone_id`` is the id of a zone, or its name where no other is called so; ``zones`` maps ids to names.

    Raises
    ------
    SourceError, ConfigError
        If the file can't be read; with every wrong cell and its line.
    """
    rows = with_ids(named_rows(path, ("zone_id", "area", "unit", "source")), "zone_id", zones)
    found: dict[str, ControlArea] = {}
    mistakes: list[str] = []
    for line, row in enumerate(rows, 2):
        mistakes += [f"line {line}: {why}" for why in _control_mistakes(row, zones, found)]
        if not mistakes:
            unit = _SPELLINGS.get(row["unit"], row["unit"])
            found[row["zone_id"]] = ControlArea(float(row["area"]) * UNITS_M2[unit], row["source"])
    if mistakes:
        raise ConfigError(mistakes, file=path.name)
    return found


def _control_mistakes(row: Row, zones: Collection[str], earlier: Collection[str]) -> list[str]:
    wrong = []
    if row["zone_id"] not in zones:
        wrong.append(f"zone_id {row['zone_id']!r} is no zone; {did_you_mean(row['zone_id'], zones)}")
    if row["zone_id"] in earlier:
        wrong.append(f"zone {row['zone_id']!r} stands twice; keep one row")
    if not is_number(row["area"]) or float(row["area"]) <= 0:
        wrong.append(f"area {row['area']!r} is no positive number (write 68500, not 68,500)")
    if _SPELLINGS.get(row["unit"], row["unit"]) not in UNITS_M2:
        wrong.append(f"unit {row['unit']!r} is not known; use one of {', '.join(UNITS_M2)}")
    if not row["source"]:
        wrong.append("source is empty; write where the control area comes from")
    return wrong


def check_control_areas(
    sums_m2: Mapping[str, float],
    control: Mapping[str, ControlArea],
    *,
    layer: str,
    file: str,
    findings: Findings,
    relative_tolerance: float = RELATIVE_TOLERANCE,
) -> None:
    """Say for each zone with a control area by how much its parts differ from it."""
    for zone in sorted(control.keys() & sums_m2.keys()):
        whole, parts = control[zone].m2, sums_m2[zone]
        residual = parts - whole
        words = {"feature_id": zone, "value": f"{residual:+.2f} m2", "share": f"{residual / whole:+.4%}"}
        words |= {"parts": f"{parts:.2f}", "control": f"{whole:.2f}", "source": control[zone].source}
        if abs(residual) > relative_tolerance * whole:
            findings.add(Severity.WARNING, "control_area_missed", layer=layer, file=file, **words)
        else:
            findings.add(Severity.INFO, "control_area_residual", layer=layer, file=file, **words)


# ---------------------------------------------------------------------------------------------------- sums of land use


def land_areas(
    zone_ids: Collection[str],
    zones: Geometries,
    parcels: Geometries,
    classes: Collection[str],
    *,
    stated_m2: Floats | None = None,
    net_m2: Floats | None = None,
    deduction: Floats | None = None,
    basis: AreaBasis = "geometry",
    control: Mapping[str, ControlArea] | None = None,
    groups: Mapping[str, Collection[str]] | None = None,
) -> pd.DataFrame:
    """Land use of each zone by drawn and by stated areas, side by side with what remains to the control area.

    A parcel that a zone cuts is prorated by the share of its drawn area that lies in the zone. Everything is summed in
    whole millionths of a square metre, so classes add up to their zone and the pieces of a parcel to its stated area.

    Parameters
    ----------
    zone_ids : collection of str
        One a zone.
    zones, parcels : arrays of valid polygons
        In one equal-area plane.
    classes : collection of str
        The land-use code of each parcel.
    stated_m2 : float array, optional
        TBMJ; a parcel without one counts by its drawn area.
    net_m2, deduction : float arrays, optional
        TBDLMJ, and KCXS as a fraction; where there is no TBDLMJ it is TBMJ - TBMJ x KCXS, without either TBMJ.
    basis : "geometry" or "field"
        Which of the two ``area_m2`` and the residual go by.
    control : mapping of zone or group id to ControlArea, optional
    groups : mapping of group id to the ids of its zones, optional
        Each is the sum of its zones, and has rows like a zone.

    Returns
    -------
    DataFrame
        One row a zone and class (``unclassified``: without a code), and one with the class ``""`` for all of a zone:
        ``zone_id, class, geometry_m2``
        (overlaps counted once), ``field_m2`` (TBMJ), ``net_m2`` (TBDLMJ), ``dike_m2`` (田坎: what was taken off),
        ``area_m2``, and in the rows of whole zones ``control_m2, residual_m2`` (area minus control).
    """
    import pandas as pd

    names = np.array([name or WITHOUT_CODE for name in classes], dtype=object)
    drawn = area_contributions(zones, parcels)
    zone, parcel, piece = overlaid_areas(zones, parcels)
    whole = shapely.area(parcels)
    stated = whole if stated_m2 is None else np.where(np.isfinite(stated_m2), stated_m2, whole)
    net = _net(stated, net_m2, deduction)
    field, without = (_prorated(zone, parcel, piece, whole, amount) for amount in (stated, net))
    columns = [
        pd.DataFrame({"zone": drawn.zone, "class": names[drawn.feature], "geometry_m2": drawn.micro}),
        pd.DataFrame({"zone": zone, "class": names[parcel], "field_m2": field, "net_m2": without}),
    ]
    pieces = pd.concat(columns).fillna({"geometry_m2": 0, "field_m2": 0, "net_m2": 0})
    pieces[list(_MEASURED)] = pieces[list(_MEASURED)].astype("int64")
    every = pd.DataFrame({"zone": range(len(zones)), "class": TOTAL, "geometry_m2": 0, "field_m2": 0, "net_m2": 0})
    sums = pd.concat([pieces, pieces.assign(**{"class": TOTAL}), every]).groupby(["zone", "class"], sort=True).sum()
    sums = sums.reset_index()
    sums.insert(0, "zone_id", np.array(list(zone_ids), dtype=object)[sums.pop("zone").to_numpy()])
    sums = pd.concat([sums, *(_summed(sums, group, members) for group, members in (groups or {}).items())])
    sums = sums.reset_index(drop=True)
    sums["dike_m2"] = sums["field_m2"] - sums["net_m2"]
    sums[[*_MEASURED, "dike_m2"]] = sums[[*_MEASURED, "dike_m2"]] / MICRO
    sums["area_m2"] = sums[f"{basis}_m2"]
    official = {one: area.m2 for one, area in (control or {}).items()}
    sums["control_m2"] = sums["zone_id"].map(official).astype(float).where(sums["class"] == TOTAL)
    sums["residual_m2"] = sums["area_m2"] - sums["control_m2"]
    return sums


_MEASURED = ("geometry_m2", "field_m2", "net_m2")


def _summed(sums: pd.DataFrame, group: str, members: Collection[str]) -> pd.DataFrame:
    """The rows of a group: for each class the sum of its zones."""
    found = sums[sums["zone_id"].isin(members)].groupby("class", sort=True)[list(_MEASURED)].sum().reset_index()
    found.insert(0, "zone_id", group)
    return found


def _net(stated: Floats, net_m2: Floats | None, deduction: Floats | None) -> Floats:
    """The area without ridges: as stated, or by the coefficient, or all."""
    by_factor = stated if deduction is None else stated - stated * np.nan_to_num(deduction)
    return by_factor if net_m2 is None else np.where(np.isfinite(net_m2), net_m2, by_factor)


def _prorated(
    zone: NDArray[np.int64], parcel: NDArray[np.int64], piece: Floats, whole: Floats, amount: Floats
) -> NDArray[np.int64]:
    """An amount of each parcel shared out to its pieces, in millionths; what lies in no zone stays out.

    The pieces of a parcel are rounded one after the other, so that together they are what the parcel has within the
    zones to the last millionth.
    """
    order = np.lexsort((zone, parcel))
    first = np.append(True, parcel[order][1:] != parcel[order][:-1])[: len(order)]
    micro = np.rint(piece[order] * MICRO).astype(np.int64)
    running = np.cumsum(micro)
    running -= np.maximum.accumulate(np.where(first, running - micro, 0)) if len(order) else 0
    everything = whole[parcel[order]] * MICRO
    share = np.where(np.abs(running - everything) < 4 + 1e-9 * everything, 1.0, running / everything)
    upto = np.rint(share * amount[parcel[order]] * MICRO).astype(np.int64)
    single = upto - np.where(first, 0, np.roll(upto, 1))
    result = np.empty(len(order), dtype=np.int64)
    result[order] = single
    return result


def check_deductions(
    subject: Subject, stated: Floats, net: Floats, deduction: Floats, *, field: str, unit_m2: float = 1.0
) -> None:
    """Name parcels whose TBDLMJ isn't TBMJ - TBMJ x KCXS, and coefficients that are no fractions.

    Parameters
    ----------
    subject : Subject
        The parcels.
    stated, net : float arrays
        TBMJ and TBDLMJ in the unit of the file, which has ``unit_m2`` square metres.
    deduction : float array
        KCXS as a fraction.
    field : str
        The field of ``net``.
    """
    odd = np.flatnonzero((deduction < 0) | (deduction >= 1))
    shapes = subject.shapes
    if len(odd) > (deduction > 0).sum() / 2 and (deduction[odd] <= 100).all():
        subject.note(Severity.ERROR, "deduction_in_percent", value=f"{np.median(deduction[odd]):g}", count=len(odd))
    else:
        words = [f"{deduction[n]:g}" for n in odd]
        worst = np.abs(deduction[odd])
        subject.worst(Severity.ERROR, "deduction_no_fraction", odd, worst, words.__getitem__, shapes[odd])
    expected = stated - stated * deduction
    rounding = _rounding(stated) + _rounding(net)
    gap = np.nan_to_num(np.abs(net - expected)) * unit_m2
    gap[odd] = 0
    off = np.flatnonzero(gap > max(SMALLEST_DIFFERENCE_M2, rounding * unit_m2))
    words = [f"{field}: {net[n] * unit_m2:.2f} / {expected[n] * unit_m2:.2f} m2" for n in off]
    subject.worst(Severity.WARNING, "net_area_differs", off, gap[off], words.__getitem__, shapes[off])
