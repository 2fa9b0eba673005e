"""The Google Drive connector, against the stand-in."""
