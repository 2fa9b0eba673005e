"""Hookline: triggers start durable, JSON-defined chains of actions."""

__version__ = "0.1.0"
