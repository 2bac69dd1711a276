"""From a number to a decision."""
