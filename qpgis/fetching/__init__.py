"""Getting open data over a network: on purpose only, by ``qpgis fetch``; nothing else in qpgis connects to anything."""
