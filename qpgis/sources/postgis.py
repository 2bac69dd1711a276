"""Tables of a PostGIS database."""
