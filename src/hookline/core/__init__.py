"""The pure core: definitions, expressions, and what should happen next in a run.

Nothing here performs IO, reads a clock or draws a random number; a test enforces it.
"""
