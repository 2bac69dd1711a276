"""Outputs of an assessment. They render; they compute no number."""
