"""The road through GDAL that most formats share: the driver fixed by the file's suffix, never chosen by GDAL."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qpgis.errors import SourceError, did_you_mean
from qpgis.sources import Request

if TYPE_CHECKING:
    import geopandas as gpd


def ogr_layers(path: Path, name: str, driver: str) -> tuple[str, ...]:
    """The names of the layers in a file.

    Raises
    ------
    SourceError
        If GDAL can't read it.
    """
    import pyogrio

    with explained(name, driver), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading the layer says them again
        return tuple(str(row[0]) for row in pyogrio.list_layers(path))


@contextmanager
def remarks_of(request: Request) -> Iterator[list[str]]:
    """What libraries warn of meanwhile, each warning once; the list is filled at the end."""
    remarks: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield remarks
    remarks += dict.fromkeys(str(w.message).replace(str(request.path), request.name) for w in caught)


def with_ids(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The frame with its index as the column ``feature_id``, unless it has one, and a fresh index."""
    if "feature_id" not in frame:
        frame["feature_id"] = frame.index.astype(str)
    return frame.reset_index(drop=True)


def chosen_layer(request: Request, layers: tuple[str, ...], *, called: str = "layer") -> str:
    """The layer that is asked for, or the only one; ``called`` is what messages call one.

    Raises
    ------
    SourceError
        If there is no such layer, or several and none is named.
    """
    if request.layer is not None:
        if request.layer not in layers:
            raise request.refusal(f"no {called} {request.layer!r}; {did_you_mean(request.layer, layers)}")
        return request.layer
    if len(layers) != 1:
        raise request.refusal(f'it holds {len(layers)} {called}s ({", ".join(layers)}); say which with layer = "..."')
    return layers[0]


@contextmanager
def explained(what: str, driver: str) -> Iterator[None]:
    """GDAL's errors as ours."""
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
    from shapely.errors import GEOSException

    known = (
        DataLayerError,
        DataSourceError,
        FeatureError,
        FieldError,
        GeometryError,
        UnicodeDecodeError,
        GEOSException,
    )
    try:
        yield
    except known as error:
        raise SourceError(f"{what}: can't be read as {driver}: {_plain(error)}") from error


def _plain(error: Exception) -> str:
    """An error's words without the place where the file was put aside."""
    return re.sub(r"\S*/qpgis-\w+/(data\.)?", "", str(error))
