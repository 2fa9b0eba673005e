"""Fixtures for people who test their own workflows and connectors with pytest."""
