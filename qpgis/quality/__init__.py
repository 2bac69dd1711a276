"""Quality: what is wrong in layers that could be read, where, how bad, and what was done about it."""
