"""Synthetic land use, streets, residents and facilities for any zones: seeded, calibrated, and named synthetic.

Parcel data are confidential; training, tests and benchmarks need something to compute on. :func:`synthesise` makes it,
:func:`read_calibration` reads what it must add up to, :func:`write` writes it.
"""

from qpgis.synth.calibration import Calibration, read_calibration
from qpgis.synth.synthesis import Synthetic, synthesise
from qpgis.synth.writing import write

__all__ = ["Calibration", "Synthetic", "read_calibration", "synthesise", "write"]
