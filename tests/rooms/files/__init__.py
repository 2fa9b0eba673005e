"""The ``files.*`` actions, and the stores they move files between."""
