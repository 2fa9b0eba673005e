"""Parent of the components that come with Hookline.

They are ordinary files in ``connectors/``, ``triggers/`` and ``actions/``. In a wheel these
folders lie inside this package; in a checkout they lie at the repository's root. Either way a
component has one dotted name, ``hookline._rooms.connectors.slack.connector``, so that no module
is ever imported twice under two names, and nothing as generic as ``connectors`` can be imported.
"""

from pathlib import Path

from hookline.engine.rooms import mount

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parents[2]

ROOT = _HERE if (_HERE / "connectors").is_dir() else _CHECKOUT
"""Folder that holds the rooms."""

mount(__name__, ROOT)
