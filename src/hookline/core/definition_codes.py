"""The stable codes of reading and checking definitions.

D1xx: the text. D2xx: the structure. D3xx: references in expressions. D4xx: components, connections and
other workflows. D5xx: policies and loops.
"""

from __future__ import annotations

from typing import Final

from hookline.core.code import Code

__all__ = ["DEFINITION_CODES"]

DEFINITION_CODES: Final[tuple[Code, ...]] = (
    Code(
        "D101",
        "The document is not UTF-8",
        "A byte of the file is not valid UTF-8. Nothing of the document is used.",
        "Save the file as UTF-8.",
    ),
    Code(
        "D102",
        "The document is too large",
        "The text is larger than the limit (1 MiB for a workflow, or what the receiver allows). It is "
        "refused before it is read.",
        "Split the workflow: move parts to workflows of their own and use `call`; keep data in files, not "
        "in the definition.",
    ),
    Code(
        "D103",
        "The document is nested too deeply",
        "Objects and lists lie inside each other more than 64 levels deep.",
        "Move the inner part to a workflow of its own and use `call`.",
    ),
    Code(
        "D104",
        "The document holds too many values",
        "The document has more than 100,000 values (comments count too).",
        "Split the document.",
    ),
    Code(
        "D105",
        "The text has a syntax error",
        "The text is not JSON (with comments and trailing commas) or not YAML. The position is where "
        "reading stopped; the mistake may be just before it.",
        "Correct the text at the position given, for example a missing comma, quote or bracket.",
    ),
    Code(
        "D106",
        "A key appears twice in one object",
        "Two members of one object have the same key. Readers disagree on which one counts, so neither does.",
        "Remove or rename one of them.",
    ),
    Code(
        "D107",
        "A character is not allowed",
        "The text contains the character NUL or half of a surrogate pair, which databases and services "
        "cannot store.",
        "Remove the character.",
    ),
    Code(
        "D108",
        "A number is out of range",
        "An integer does not fit in 64 bits, or a number is larger than a double can hold.",
        "Write a smaller number, or text in quotes.",
    ),
    Code(
        "D109",
        "NaN and infinity are not numbers in JSON",
        "The text contains NaN, Infinity or the YAML words for them.",
        "Use null or a finite number.",
    ),
    Code(
        "D110",
        "A key is too long",
        "A key has more than 256 characters.",
        "Use a shorter key; long text belongs into values.",
    ),
    Code(
        "D111",
        "This part of YAML is not accepted",
        "Anchors, aliases, merge keys, tags, several documents in one file and keys that are not text are "
        "refused: they can make a small file enormous, or have no meaning in JSON.",
        "Write the value out, or keep it once in `vars`.",
    ),
    Code(
        "D112",
        "The document is empty",
        "The text holds no value at all.",
        "Start with a name and steps; `hookline init` writes an example.",
    ),
    Code(
        "D113",
        "The file cannot be read",
        "The operating system refused to open or read the file of a workflow.",
        "Check that it exists and that Hookline may read it.",
    ),
    Code(
        "D200",
        "The definition is not valid",
        "Something that the checks would have found kept the definition from being compiled. It is not "
        "deployed.",
        "Run `hookline validate` and correct what it finds.",
    ),
    Code(
        "D201",
        "The key is not known",
        "An object holds a key that it does not have. Unknown keys are errors because most of them are "
        "spelling mistakes.",
        "Correct the spelling or remove the key; the hint names a similar one.",
    ),
    Code(
        "D202",
        "A key is missing",
        "An object lacks a key that it must have.",
        "Add the key.",
    ),
    Code(
        "D203",
        "The value has the wrong type",
        "A key holds, for example, a number where text or an object is expected.",
        "Write a value of the type named in the message.",
    ),
    Code(
        "D204",
        "The value is out of range",
        "A number or duration is smaller or larger than what makes sense at this place.",
        "Use a value in the range given in the hint.",
    ),
    Code(
        "D205",
        "The text is not one of the possible values",
        "The key takes one of a few texts, and this is none of them.",
        "Use one of the texts in the hint.",
    ),
    Code(
        "D206",
        "The step does not say what it does",
        "A step has none of the keys uses, if, switch, for_each, parallel, while, wait, approve, call, set, "
        "respond and stop.",
        "Add the key that says what the step does, most often `uses`.",
    ),
    Code(
        "D207",
        "Keys exclude each other",
        "Of several keys only one may be present: a step is of one kind, a workflow has `trigger` or "
        "`triggers`, a `wait` waits for one thing.",
        "Keep one of them, or make two steps.",
    ),
    Code(
        "D208",
        "The name is not allowed",
        "A name breaks the rules: workflow names are lower-case letters, digits and hyphens; ids, "
        "variables, branches and loop names are letters, digits and underscores.",
        "Use the name in the hint.",
    ),
    Code(
        "D209",
        "Two things have the same id",
        "The id of a step (or trigger) is used twice, so a reference would not say which is meant.",
        "Choose another id for one of them.",
    ),
    Code(
        "D210",
        "Two ids look alike",
        "Ids differ only in letters that a reader cannot tell apart, or an id mixes alphabets.",
        "Choose ids that differ visibly, in ASCII letters.",
    ),
    Code(
        "D211",
        "This is not a duration",
        "A duration has a number and a unit: 250ms, 90s, 10m, 2h, 7d or 1h30m.",
        "Write the duration with its unit, in quotes.",
    ),
    Code(
        "D212",
        "This is not an amount of money",
        "An amount is a number and the currency usd, in which costs are counted.",
        'Write for example "0.50 usd".',
    ),
    Code(
        "D213",
        "A block is empty",
        "A list or object that must hold at least one member holds none.",
        "Add a member, or remove the key.",
    ),
    Code(
        "D214",
        "The JSON Schema is not acceptable",
        "A schema written in a definition uses something outside of the safe subset (references out of the "
        "schema or in a circle, patterns, too many or too deeply nested schemas), or is no JSON Schema.",
        "Use only the keywords listed in the reference.",
    ),
    Code(
        "D215",
        "This can never be true or false, or a list",
        "A condition must be a boolean, or a text that is exactly one expression. Text with something "
        "around the expression is always text.",
        'Put the whole condition inside one pair of braces: "{{ a && b }}".',
    ),
    Code(
        "D299",
        "More findings are not shown",
        "Only the first 200 findings are listed.",
        "Correct those and check again.",
    ),
    Code(
        "D301",
        "The name at the start of an expression is unknown",
        "Expressions start with trigger, inputs, vars, steps, run, or, where they exist, item, index and "
        "error.",
        "Start the path with one of these names; a step's output is steps.<id>.",
    ),
    Code(
        "D302",
        "The step does not exist",
        "An expression refers to a step id that no step has.",
        "Correct the id, or give the step this id.",
    ),
    Code(
        "D303",
        "The step may not have run",
        "The step is inside a branch, has a `when`, or is inside a `catch`, so when this expression is "
        "evaluated it may not have run. At run time a missing value is an error.",
        "Read it with optional access, steps.?id.orValue(…), or read it inside the same branch.",
    ),
    Code(
        "D304",
        "The step runs later",
        "An expression refers to a step that has not run when it is evaluated, or to its own step.",
        "Move the step up, or refer to an earlier one.",
    ),
    Code(
        "D305",
        "The step is inside a loop",
        "Steps inside the `do` of a loop run once per item; outside of the loop there is no single output "
        "to refer to.",
        "Give the loop an id and read its result: the list of item results, or the last iteration's.",
    ),
    Code(
        "D306",
        "The step is in another branch",
        "The step is in another branch of the same choice, which does not run when this one does, or in a "
        "parallel branch, which runs at the same time.",
        "Read it after the step that holds the branches.",
    ),
    Code(
        "D307",
        "A loop's name is read outside of the loop",
        "`item` (or the name given in `as`) and `index` exist only inside the `do` of a loop.",
        "Move the expression into the loop, or read the loop's result.",
    ),
    Code(
        "D308",
        "The name cannot be read here",
        "The root exists, but not at this place: `error` only where an error is handled, and before a run "
        "has started only the event and the inputs.",
        "Use one of the names in the hint.",
    ),
    Code(
        "D309",
        "The output has no such field",
        "The action's output is described, and what the expression reads is not in it.",
        "Correct the path; the hint lists what is there.",
    ),
    Code(
        "D310",
        "The variable is not set",
        "A variable is read that is neither in the workflow's `vars` nor certainly set by an earlier `set`.",
        "Give it a first value in `vars`.",
    ),
    Code(
        "D311",
        "The input does not exist",
        "An expression reads an input that the workflow's `inputs` do not describe.",
        "Add it to `inputs`, or correct the name.",
    ),
    Code(
        "D312",
        "There is no such field",
        "`run` and `error` have a fixed set of fields; run.callbacks takes the id of a step that waits for "
        "a callback.",
        "Use one of the fields in the hint.",
    ),
    Code(
        "D313",
        "The event has no such field",
        "No trigger of the workflow gives an event with this field.",
        "Correct the path; `hookline connectors show` prints a sample event.",
    ),
    Code(
        "D314",
        "The workflow has no trigger",
        "An expression reads `trigger`, but the workflow is only started by hand or by `call`.",
        "Add a trigger, or declare `inputs` and read those.",
    ),
    Code(
        "D401",
        "The action does not exist",
        "No installed component offers an action of this name.",
        "Correct the name, or install or write the connector.",
    ),
    Code(
        "D402",
        "The trigger does not exist",
        "No installed component offers a trigger of this name.",
        "Correct the name, or install or write the component.",
    ),
    Code(
        "D403",
        "The connection does not exist",
        "The step names a connection that is not configured.",
        "Correct the name, or add the connection to hookline.toml.",
    ),
    Code(
        "D404",
        "A connection is missing",
        "The component needs a connection of a type of which none is configured under the type's own name.",
        "Add one to hookline.toml or set its environment variables, or name another one in `connection`.",
    ),
    Code(
        "D405",
        "The connection does not fit",
        "The connection named is of another type than the component needs, or the component takes none.",
        "Name a connection of the right type, or remove the key.",
    ),
    Code(
        "D406",
        "A parameter is missing",
        "A required parameter of the action, trigger or called workflow is not given.",
        "Add it to `with`.",
    ),
    Code(
        "D407",
        "The parameter does not exist",
        "`with` holds a name that the component does not know.",
        "Correct the spelling or remove it.",
    ),
    Code(
        "D408",
        "The parameter has the wrong type",
        "A constant in `with` is not of the type that the component takes. Expressions are checked when "
        "they have been evaluated.",
        "Write a value of the type in the message, or an expression.",
    ),
    Code(
        "D409",
        "The parameter's value is not possible",
        "A constant in `with` is not one of the allowed values, or breaks a bound.",
        "Use a value that the hint allows.",
    ),
    Code(
        "D410",
        "A secret stands in the definition",
        "A parameter that is a credential is written out. Definitions are kept in Git and shown in the "
        "interface.",
        "Keep it in a connection.",
    ),
    Code(
        "D411",
        "This looks like a credential",
        "A text starts like the keys of a well-known service. Definitions are kept in Git and shown in the "
        "interface.",
        "Keep it in a connection, and make it invalid at its issuer if the file has been shared.",
    ),
    Code(
        "D412",
        "The workflow does not exist",
        "`call` names a workflow that the project does not have.",
        "Correct the name.",
    ),
    Code(
        "D413",
        "Workflows call each other in a circle",
        "Following `call` from this workflow leads back to it, so a run would never end.",
        "Break the circle; `while` repeats steps with a bound.",
    ),
    Code(
        "D414",
        "The webhook path is used twice",
        "Two webhook triggers have the same path, so it is not clear whom a request is for.",
        "Choose another path for one of them.",
    ),
    Code(
        "D415",
        "Nobody waits for the answer",
        "`respond` answers the caller of a webhook, and the workflow has no webhook trigger.",
        "Add a webhook trigger, or remove the step.",
    ),
    Code(
        "D416",
        "Two files hold a workflow of the same name",
        "Workflows are deployed, called and listed by name, so a name belongs to one file.",
        "Rename one of the workflows.",
    ),
    Code(
        "D417",
        "The expression gives another type",
        "A parameter is an expression that only reads a value, and the schema of what it reads says that it "
        "is never of a type that the parameter takes. Expressions keep the type of their value.",
        "Convert it with string(…), int(…), double(…), bool(…) or json(…), or put text around it; or read "
        "another part.",
    ),
    Code(
        "D418",
        "Workflows start each other in a circle",
        "A `workflow` trigger starts a run when another workflow's run has ended, and that one is started, "
        "by its own trigger or by a `call`, by the first: there would be no end.",
        "Use `while` to repeat something, and `on_error` or `finally` for what follows within one workflow.",
    ),
    Code(
        "D501",
        "A wait has no end",
        "Waiting for a callback or for a person must say how long (`timeout`) and what happens then "
        "(`on_timeout`). No answer is never a yes.",
        "Add `timeout` and `on_timeout`.",
    ),
    Code(
        "D502",
        "on_timeout has no meaning here",
        "Waiting for a time always ends; only waiting for a callback or a person can time out.",
        "Remove the key.",
    ),
    Code(
        "D503",
        "A loop has no bound",
        "`while` must say how often it repeats at most.",
        "Add `max_iterations`.",
    ),
    Code(
        "D504",
        "The error type does not exist",
        "`retry.on` names something that is no error type, so it would never match.",
        "Use one of the types in the hint.",
    ),
    Code(
        "D505",
        "The workflow would start itself",
        "A step writes to a place that the workflow's own trigger watches: every run would start another "
        "one.",
        "Write to another bucket, folder or prefix, or filter by suffix.",
    ),
    Code(
        "D506",
        "The workflow may start itself",
        "A step writes to an address that depends on an expression and may lie where the workflow's own "
        "trigger watches.",
        "Write to another bucket, folder or prefix than the trigger watches.",
    ),
    Code(
        "D508",
        "A step never runs",
        "The step stands behind a `stop` without `when`, which ends the run.",
        "Remove the step, or give the `stop` a condition.",
    ),
    Code(
        "D509",
        "No events come that could wait",
        "`debounce`, `batch` and `throttle` are about events that come from outside. Whoever starts a "
        "workflow by hand wants this run, now.",
        "Remove the key. `limits.rate` and `limits.concurrency` hold for runs that are started by hand, too.",
    ),
    Code(
        "D510",
        "The sender would wait for other events",
        "The webhook answers with the run's output, and its events wait before there is a run: the sender "
        "would wait until others have sent something, or until it gives up.",
        "Answer at once, or remove `debounce`, `batch` or `throttle`. A `throttle` with `on_excess: drop` "
        "lets nobody wait.",
    ),
    Code(
        "D511",
        "The longest wait is shorter than the quiet time",
        "A `debounce` starts its run `max_wait` after the first event at the latest, so `quiet` would never "
        "have an effect.",
        "Make `max_wait` several times as long as `quiet`.",
    ),
    Code(
        "D512",
        "Nobody can be asked about the budget",
        "`limits.budget.on_over` is `approve` and `limits.budget.approve` does not say who is asked; or it "
        "says so, and nobody ever would be.",
        'Write both: "on_over": "approve", "approve": {"who": ["ops@example.com"]}.',
    ),
    Code(
        "D520",
        "Nobody has this name or role",
        "An approval names a person or a role that hookline.toml does not declare, so that nobody could "
        "decide.",
        'Add the person as [people.<name>], with roles = ["…"], or name `operator`: whoever holds the admin '
        "token.",
    ),
    Code(
        "D521",
        "Nobody can decide",
        "An approval names people and no way to ask them. People decide through the link or the buttons "
        "that they are sent; without `via` there are none.",
        "Add `via`, or name `operator` in `who`.",
    ),
    Code(
        "D522",
        "The connection cannot ask people",
        "`via` names a connection whose type has no way to put an approval to people.",
        "Use a connection of a type that can: slack, email.",
    ),
    Code(
        "D523",
        "It would come too late",
        "A reminder or an escalation is due when the approval is over already.",
        "Make it shorter than the step's `timeout`.",
    ),
)
