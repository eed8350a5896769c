"""Derivative rules: scalar operations by row (`scalar`), library operations by module (`library`)."""
