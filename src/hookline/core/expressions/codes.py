"""The stable codes of the expression language: X1xx while compiling, X2xx while evaluating."""

from __future__ import annotations

from typing import Final

from hookline.core.code import Code

__all__ = ["EXPRESSION_CODES"]

EXPRESSION_CODES: Final[tuple[Code, ...]] = (
    Code(
        "X101",
        "The expression has a syntax error",
        "The text between {{ and }} is not an expression: a bracket, an operator or a value is missing or "
        "in the wrong place. The definition is refused; nothing runs.",
        "Correct the text at the offset given. The language is described in the page on expressions.",
    ),
    Code(
        "X102",
        "A string literal is malformed",
        "A quoted string inside the expression is not closed, or it holds an escape that does not exist.",
        "Close the quote, or write a backslash as two backslashes (or use a raw string such as r'C:\\new').",
    ),
    Code(
        "X103",
        "The braces {{ are not closed",
        "The text opens an expression with {{ and never closes it.",
        "Add the closing }}, or write {{{{ where two literal braces are meant.",
    ),
    Code(
        "X104",
        "The function does not exist",
        "The expression calls a function or method that the language does not have. The set of functions is "
        "closed: workflows cannot add to it.",
        "Use one of the functions in the page on expressions.",
    ),
    Code(
        "X105",
        "The function takes another number of arguments",
        "The function exists, but not with this many arguments.",
        "Look up the function in the page on expressions and correct the call.",
    ),
    Code(
        "X106",
        "The macro is used in a wrong way",
        "A macro (has, all, exists, exists_one, filter, map, optMap, optFlatMap) needs arguments of a "
        "special form: has() a field such as a.b, the others the name of a variable first.",
        "Write has(a.b), or for example list.filter(x, x > 1).",
    ),
    Code(
        "X107",
        "The expression is too long",
        "An expression, or the text that holds expressions, is longer than the limit.",
        "Split the expression over several steps (for example a transform step).",
    ),
    Code(
        "X108",
        "The expression is nested too deeply",
        "Brackets, calls or literals are nested beyond the limit.",
        "Split the expression over several steps.",
    ),
    Code(
        "X109",
        "A number is out of range",
        "A number in the expression does not fit: integers have 64 bits, and those with the suffix u have no "
        "sign.",
        "Use a smaller number, or a double such as 1e20.",
    ),
    Code(
        "X110",
        "Regular expressions are not available",
        "matches() is refused: a pattern written by an author can take exponential time.",
        "Use contains, startsWith, endsWith, indexOf or split.",
    ),
    Code(
        "X111",
        "The expression is empty",
        "There is nothing between {{ and }}.",
        "Write an expression, or {{{{ where two literal braces are meant.",
    ),
    Code(
        "X112",
        "A reserved word is used as a name",
        "The word cannot name a value: it is reserved by the language.",
        "Choose another name. As a key it may be used: a.if or a['if'].",
    ),
    Code(
        "X113",
        "The text holds too many expressions",
        "One string holds more expressions than the limit.",
        "Split the text over several fields or steps.",
    ),
    Code(
        "X114",
        "The value is not JSON",
        "A value to compile holds something that JSON does not have, is nested beyond the limit, or holds a "
        "text with a NUL character or half of a surrogate pair.",
        "Use objects with text keys, arrays, text, finite numbers, true, false and null.",
    ),
    Code(
        "X201",
        "The key does not exist",
        "The expression reads a key that the value does not have. A missing value is an error, never null.",
        "Correct the name. Where the key may be absent write a.?key.orValue(other), or test has(a.key).",
    ),
    Code(
        "X202",
        "The index is out of range",
        "The expression reads an element that the list does not have.",
        "Test size(list) first, or write list[?0].orValue(other).",
    ),
    Code(
        "X203",
        "The name is not known",
        "The expression starts with a name that is not in scope here.",
        "Use one of the names in scope, such as trigger, steps, vars, inputs, run, item or error.",
    ),
    Code(
        "X204",
        "The types do not fit",
        "The operator or function is not defined for values of these types. Nothing is converted silently: "
        "an int and a double cannot be added, nor a string and an int.",
        "Convert one side with int(), double(), string() or json().",
    ),
    Code(
        "X205",
        "Division by zero",
        "An integer was divided by zero.",
        "Test the divisor first: b == 0 ? 0 : a / b.",
    ),
    Code(
        "X206",
        "Integer overflow",
        "The result does not fit into a 64-bit integer.",
        "Calculate with doubles: double(a) * double(b).",
    ),
    Code(
        "X207",
        "The expression does too much work",
        "The evaluation passed its budget of steps. Steps are counted, not timed: the same expression over "
        "the same data always ends at the same place.",
        "Work on less data, avoid loops in loops, or use for_each.",
    ),
    Code(
        "X208",
        "The result is too large",
        "The rendered value is larger than the limit on output.",
        "Select the parts that are needed. Large values belong in files, which travel as references.",
    ),
    Code(
        "X209",
        "The data is nested too deeply",
        "A value is nested beyond the limit.",
        "Select an inner part of the value.",
    ),
    Code(
        "X210",
        "The text cannot be stored",
        "A text holds a NUL character or half of a surrogate pair; neither survives databases and services.",
        "Remove the character where the text is made, for example with replace('\\u0000', '').",
    ),
    Code(
        "X211",
        "The value cannot be converted",
        "A conversion was given a value that has no such form, for example int('abc').",
        "Test the value first, or correct it where it is made.",
    ),
    Code(
        "X212",
        "The time is out of range",
        "Timestamps lie in the years 1 to 9999 and durations within about 292 years.",
        "Use a value in range.",
    ),
    Code(
        "X213",
        "The optional value is empty or was not unwrapped",
        "a.?b gives an optional value. Either value() was called on an empty one, or the optional value "
        "itself was used where a plain value is needed.",
        "End the access with .orValue(other).",
    ),
    Code(
        "X214",
        "The map key is repeated or of a wrong type",
        "Keys are strings, ints, uints or bools, and each occurs once.",
        "Correct the map literal.",
    ),
    Code(
        "X215",
        "A null stands inside text",
        "A text with several parts was to hold null. Nothing sensible can be written in its place, and the "
        "word null in a message is nearly always a fault.",
        "Say what to write instead: {{ x == null ? 'none' : x }}.",
    ),
    Code(
        "X216",
        "The value has no JSON form",
        "The result is a type, an infinite or undefined double, an overlong number, a whole root, or an "
        "object that is not data.",
        "Select a value inside it, or convert it, for example with string().",
    ),
    Code(
        "X217",
        "The time zone is not known",
        "The accessor was given a time zone name that is not in the IANA database.",
        "Use a name such as Europe/Berlin, or an offset such as +02:00.",
    ),
    Code(
        "X218",
        "An argument is not acceptable",
        "A function was given an argument outside its domain, for example a negative index or a bad format.",
        "Correct the argument; the message says which.",
    ),
)
