"""The published conformance cases that are outside Hookline's subset, each with its reason.

Keys are names of cases, or prefixes that end in ``/``. A listed case that passes fails the test, so
the table may only shrink.
"""

OUTSIDE: dict[str, str] = {
    "string/matches/": "matches() is refused: patterns written by authors can take exponential time",
    "parse/receiver_function_names/": "an unknown method is an error before the run, not during it",
    "fields/qualified_identifier_resolution/map_field_select": (
        "the scope has plain names; a variable called 'a.b' cannot exist"
    ),
    "fields/qualified_identifier_resolution/ident_with_longest_prefix_check": (
        "the scope has plain names; a variable called 'a.b.c' cannot exist"
    ),
}
