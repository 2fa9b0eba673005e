"""Where runs are kept: one port, with SQLite and memory behind it, and the artifact store."""
