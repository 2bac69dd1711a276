"""The data that travels with qpgis: zones, layers, plans, schemes, styles and words, each with its source."""
