"""Control lines checked (管控线校核): ground held against lines to hold, in one state and between two.

``ground`` cuts patches, ``rules`` says which ground is held against which line, ``checks`` are the checks, ``placing``
holds what a scenario adds against the lines. Lines are overlays: they choose ground, and are summed with none.
"""
