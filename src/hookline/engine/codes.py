"""Stable codes of the engine and the store, and every code there is.

``R3xx`` is about runs under way, ``R4xx`` about what was asked of the engine, ``C92x`` and
``C93x`` about connections and files, ``S1xx`` to ``S3xx`` about the store and the settings.
"""

from __future__ import annotations

from hookline.core.code import Code

__all__ = ["ENGINE_CODES"]

ENGINE_CODES: tuple[Code, ...] = (
    Code(
        "R301",
        "A component raised an error it does not declare",
        "The code of an action failed with an exception that is not one of `hookline.sdk`'s "
        "errors. The attempt "
        "counts as failed with the type internal.",
        "Read the log for the traceback and report it to the component's author; catch the error meanwhile.",
    ),
    Code(
        "R302",
        "A component's output is not JSON",
        "An action returned something that cannot be stored: a set, NaN, bytes, an object of a class.",
        "Report it to the component's author.",
    ),
    Code(
        "R303",
        "The definition has no such step any more",
        "A run was resumed under a version in which a step of its history has moved or is gone. The "
        "run ends as failed.",
        "Resume it under its original version, or replay it.",
    ),
    Code(
        "R304",
        "An action is not installed any more",
        "A step uses an action that was installed when its workflow was checked and is missing now.",
        "Install the component again, then resume the run.",
    ),
    Code(
        "R305",
        "A called workflow is not deployed",
        "A call step names a workflow that is not in force at this moment. The step fails with not_found.",
        "Deploy the workflow (correct its errors), then resume the run.",
    ),
    Code(
        "R306",
        "A run cannot be resumed under this version",
        "The version asked for is not stored or does not compile. The run stays as it is.",
        "Resume it under its original version.",
    ),
    Code(
        "R307",
        "A run cannot be read",
        "The history of a run is incomplete, was written by a newer Hookline, or a large value of "
        "it is gone. "
        "The run is left untouched; others go on.",
        "Restore the database and the artifact folder from the same backup, or upgrade Hookline.",
    ),
    Code(
        "R308",
        "A run was quarantined",
        "The process died three times while this run was executing something, so that the run is no "
        "longer tried.",
        "Find out what kills the process (memory, a native library), then resume the run.",
    ),
    Code(
        "R309",
        "A trigger raised an error it does not declare",
        "The code of a polling trigger failed. It is looked at again later, with growing pauses; "
        "nothing is lost.",
        "Read the log for the traceback and report it to the component's author.",
    ),
    Code(
        "R310",
        "A signal of another version was dropped",
        "Something was put to a run in a form that this version of Hookline does not know. The run goes on "
        "without it.",
        "Let all processes that share the database have the same version.",
    ),
    Code(
        "R399",
        "A fault in the engine",
        "Something in the engine itself raised an error. What was on disk stays; the run concerned "
        "goes on after a restart.",
        "Report it with the traceback from the log.",
    ),
    Code(
        "R401",
        "There is no such workflow",
        "No deployed workflow has this name.",
        "Look at the names with hookline validate; a file with errors is not deployed.",
    ),
    Code(
        "R402",
        "There is no hook at this address",
        "No deployed workflow has a webhook trigger with this path.",
        "Compare the address with the trigger's path; a workflow with errors has no hook.",
    ),
    Code(
        "R403",
        "The inputs do not fit",
        "The values given do not satisfy the workflow's declared inputs. Nothing was started.",
        "Correct the value the message names.",
    ),
    Code(
        "R404",
        "A replay cannot begin at this step",
        "The step named is not one of the workflow's own list: it stands inside another step, or is "
        "not there.",
        "Name a step of the outermost list, by id or path.",
    ),
    Code(
        "R405",
        "There is no such run",
        "No run has this id, or it was removed by retention.",
        "Look at hookline runs list.",
    ),
    Code(
        "R406",
        "There is no callback at this address",
        "The address was not made by this installation, or its run is gone.",
        "Use the address as the step was given it; check that the master key did not change.",
    ),
    Code(
        "R407",
        "The run is over",
        "What was asked needs a run that has not ended.",
        "Replay or resume the run.",
    ),
    Code(
        "R408",
        "The callback's body cannot be taken",
        "It is not UTF-8 text, not JSON where JSON is asked for, or does not fit the step's schema.",
        "Correct what is sent; the step still waits.",
    ),
    Code(
        "R409",
        "The callback is not genuine",
        "The signature of the callback does not fit. It was not stored.",
        "Check the signing secret of the connection; the step still waits, and polls where it can.",
    ),
    Code("R410", "The run did not fail", "Only a failed or canceled run is resumed.", "Replay it instead."),
    Code("R411", "There is no such approval", "No approval has this id.", "Look at hookline approvals list."),
    Code(
        "R412",
        "The approval is decided",
        "Somebody decided, or its time ran out.",
        "Nothing; the message says how it was decided.",
    ),
    Code("R413", "This is no decision", "A decision is approved or rejected.", "Send one of the two."),
    Code(
        "R414",
        "There is no such event",
        "No event has this id, or it was removed by retention.",
        "Look at hookline events list.",
    ),
    Code(
        "R415",
        "A budget is spent",
        "This workflow has spent as much today or this month (UTC, by estimate) as limits.budget allows, or "
        "all workflows together as much as budget_day or budget_month. Nothing new is started by hand; "
        "events are recorded as filtered with the reason. Runs under way go on.",
        "Raise the budget and replay the events, or wait for the next day or month.",
    ),
    Code(
        "R416",
        "An approval's form does not fit",
        "The step declares what an approval has to fill in, and what was sent does not satisfy it. "
        "Nothing was "
        "decided.",
        "Correct the field that the message names.",
    ),
    Code(
        "R417",
        "A request cannot be judged just now",
        "What is needed to judge the request (a certificate, or the object that it tells of) could not be "
        "had in time. Nothing was taken; the sender gets 503 and comes again.",
        "If it does not pass: find out why the service that the message names cannot be reached.",
    ),
    Code(
        "R418",
        "The event cannot be replayed",
        "It still waits for its run, it repeats another event, or nothing was kept with which a workflow "
        "could be started: of a request that was refused neither body nor event is stored.",
        "Replay the event that the message names, or have the sender send it again.",
    ),
    Code(
        "R419",
        "Too many events at once",
        "A slice for replay holds no more than 10,000 events.",
        "Narrow it by workflow, state and time, and replay one part after the other.",
    ),
    Code(
        "R430",
        "There is no such schedule",
        "The workflow has no schedule of this name, or several and none was named.",
        "Look at hookline schedules list; name the trigger by its id, or by its place counted from 0.",
    ),
    Code(
        "R431",
        "This range cannot be made up for",
        "A backfill starts runs for ticks that have passed: its range begins before it ends, and ends in "
        "the past.",
        "Correct the range.",
    ),
    Code(
        "R440",
        "The link is not valid",
        "The link to an approval was not made here, belongs to a person who is not declared any more, or "
        "its approval was forgotten by retention.",
        "Use the newest link that you were sent; ask whoever sent it.",
    ),
    Code(
        "R441",
        "The operator may not decide on this",
        "The approval's `who` does not name `operator`, so the admin token is not enough.",
        "Let one of those decide who were asked, or write operator into the step's `who`.",
    ),
    Code(
        "R442",
        "You were not asked",
        "The answer is genuine, and its sender is not among those who may decide on this approval.",
        "Ask one of those who may; add the person to [people] in hookline.toml if they should.",
    ),
    Code(
        "R443",
        "What you saw is not what is asked now",
        "The hash sent along with the decision is not that of what the approval shows. Nothing was decided.",
        "Load the page again and look at it once more.",
    ),
    Code(
        "R444",
        "Whoever asked does not decide",
        "The step names this person as its `requester`.",
        "Let somebody else decide, or leave `requester` out where this is allowed.",
    ),
    Code(
        "R445",
        "Somebody could not be told of an approval",
        "A message of an approval could not be sent or brought up to date. The approval stays open; whoever "
        "was reached can decide.",
        "Look at the approval: it says who was not reached, and why. Test the connection.",
    ),
    Code(
        "R450",
        "What a step left behind could not be settled",
        "A step ended (canceled, out of time, or with an unknown outcome) while something it had started "
        "may have gone on elsewhere, and for two days nobody could be asked what became of it, or the "
        "process died three times while it asked. What had been set aside for it is entered in the ledger as "
        "spent.",
        "Look at the service's own list (for Replicate https://replicate.com/predictions), and at the "
        "connection: hookline connections test.",
    ),
    Code(
        "C920",
        "There is no such connection",
        "A step or trigger names a connection that is not configured.",
        "Add it to hookline.toml under [connections.<name>], or set its environment variables.",
    ),
    Code(
        "C921",
        "The connection has another type",
        "A component needs a connection of a different service.",
        "Name another connection.",
    ),
    Code(
        "C922",
        "A connection lacks a field",
        "A required field of the connection has no value; usually its environment variable is not set.",
        "Set the variable the connection refers to; hookline doctor lists them.",
    ),
    Code(
        "C923",
        "A connection's field cannot be used",
        "A value has the wrong form, or the connection has a field its type does not know.",
        "Correct the table in hookline.toml; hookline connectors show TYPE lists the fields.",
    ),
    Code(
        "C924",
        "Nothing installed keeps files at such addresses",
        "A file reference or an address has a scheme that no connection type declares, or a reference names "
        "one that only an address in a workflow's own text may name: file: addresses.",
        "Correct the address, write it as text instead of a reference, or install the connector, for "
        "example pip install hookline[s3].",
    ),
    Code(
        "C930",
        "A file is too large",
        "The file has more bytes than the action takes.",
        "Use a smaller file, or raise the action's limit.",
    ),
    Code(
        "C931",
        "A file is gone",
        "The artifact store has no content with this digest.",
        "Check HOOKLINE_ARTIFACTS_DIR, and that the folder was not cleaned.",
    ),
    Code(
        "C932",
        "A file is damaged",
        "The content in the artifact store does not fit its digest.",
        "Restore it from a backup.",
    ),
    Code(
        "C933",
        "The artifact store cannot be written",
        "The disk is full or the folder is not writable.",
        "Make room, then resume the run.",
    ),
    Code(
        "S100",
        "The store refuses a unit",
        "The database reports an error that is neither passing nor damage.",
        "Report it with the log.",
    ),
    Code(
        "S101",
        "The store cannot be written just now",
        "The disk is full, or the database is locked or read-only. Accepted runs wait and go on by "
        "themselves; "
        "new events are answered with 503.",
        "Make room or find the process that holds the lock; nothing was lost.",
    ),
    Code(
        "S102",
        "The database cannot be used",
        "The file is damaged, is no database of Hookline's, or was written by a newer version. It is "
        "not touched.",
        "Restore it from a backup, choose another file, or upgrade Hookline.",
    ),
    Code(
        "S103",
        "Another worker has the run",
        "This process lost its claim on a run, for example because it was suspended. The other worker "
        "goes on with it.",
        "Nothing.",
    ),
    Code(
        "S201",
        "A setting cannot be used",
        "hookline.toml, .env or a variable holds something unknown or unusable.",
        "Correct it; hookline doctor shows where each setting comes from.",
    ),
    Code(
        "S301",
        "The backlog is full",
        "More runs are queued or running than max_backlog allows. Hooks answer 503 with Retry-After; "
        "triggers stop looking.",
        "Wait; or raise HOOKLINE_MAX_BACKLOG, or find out what is slow.",
    ),
)
"""Every code of the engine, the store and the settings."""
