"""Stable codes of runs and steps, and those an action's error has when its component names none."""

from __future__ import annotations

from typing import Final

from .code import Code

__all__ = ["RUNTIME_CODES"]

RUNTIME_CODES: Final[tuple[Code, ...]] = (
    Code(
        "R101",
        "The workflow stopped itself as failed",
        "A stop step with the status failed was reached. Open steps were canceled; on_error and finally run.",
        "Read the reason that the stop step gives. It is part of the workflow, not a fault.",
    ),
    Code(
        "R102",
        "The run or step was canceled",
        "Somebody canceled the run, or the steps around this one ended. What was open is stopped; every "
        "finally runs, on_error does not.",
        "Resume the run to go on from what did not succeed, or replay it to begin anew.",
    ),
    Code(
        "R103",
        "The run took longer than it may",
        "The run had not ended when its limits.timeout was over. Open steps were canceled; on_error and "
        "finally run.",
        "See which step was open and why it took so long; raise limits.timeout, or resume the run.",
    ),
    Code(
        "R201",
        "for_each was not given a list",
        "The value of for_each is evaluated when the step begins, and has to be a list.",
        "Look at the output of the step it comes from; write [value] for a list of one.",
    ),
    Code(
        "R202",
        "for_each was given too many items",
        "A loop takes at most 100,000 items, because every one of them has its own record in the run.",
        "Split the list over several runs with call, or keep it in a file and go through it in pieces.",
    ),
    Code(
        "R203",
        "wait until was given no usable time",
        "The value is not a time with a time zone, or lies more than ten years ahead. A time without a "
        "zone would mean something else on another machine.",
        'Write it as "2026-11-20T09:00:00Z" or "2026-11-20T09:00:00+01:00".',
    ),
    Code(
        "R204",
        "The approval was rejected",
        "A person rejected it, or nobody approved within the timeout and on_timeout is reject. No answer "
        "is never a yes.",
        "Ask who decided; set on_reject to continue where a rejection is an ordinary answer.",
    ),
    Code(
        "R205",
        "The step took longer than it may",
        "The step had not ended when its timeout, which holds for all its attempts together, was over. "
        "Steps below it were canceled.",
        "Look at what the step waited for; raise its timeout, or catch the error.",
    ),
    Code(
        "R206",
        "while ran out of iterations",
        "The condition was still true after max_iterations iterations.",
        "Find out why the condition does not become false, or raise max_iterations.",
    ),
    Code(
        "R207",
        "A condition is neither true nor false",
        "when, if and while take true or false only; nothing else counts as either.",
        "Compare with ==, or ask whether something is there with has(…).",
    ),
    Code(
        "R208",
        "respond was given no HTTP status",
        "The status of an answer is a whole number from 200 to 599.",
        "Look at the expression in status, or write the number itself.",
    ),
    Code(
        "R209",
        "A rendered parameter does not fit the action",
        "An expression gave a value of a type, or outside the bounds, that the action does not take: null "
        "for a text, a list for a number. The step fails with bad_input; nothing was sent.",
        "Look at the step's input in the run; correct the expression, or give it a default with orValue.",
    ),
    Code(
        "R211",
        "A key of the workflow's limits cannot be used",
        "An expression under limits (the key of concurrency, rate or dedupe) gave null, a list or an object. "
        "The event is refused and recorded.",
        "Let the key be a text or a number, for example with orValue.",
    ),
    Code(
        "R210",
        "The run's budget is spent",
        "The steps so far have cost as much as limits.budget.run allows, by estimate. The next action is not "
        "started and the step fails with insufficient_credit.",
        "Raise limits.budget.run and resume the run with `--version latest`, since a run keeps the limits "
        "that it began with; or find out what costs more than expected.",
    ),
    Code(
        "R212",
        "The step would go over a budget",
        "What the step is about to start may cost more than is left of a budget: that of the run, of the day "
        "or month, or of the whole installation. What others have set aside for work under way counts as "
        "spent. Nothing was started; the step fails with insufficient_credit.",
        "Raise the budget and resume the run with `--version latest`, since a run keeps the limits that it "
        "began with. Give the step a max_cost if the estimate is too high, several models with on_over set "
        "to fallback, or set on_over to approve.",
    ),
    Code(
        "R213",
        "Nobody allowed the step to go over a budget",
        "limits.budget.on_over is approve, and the person who was asked refused, or nobody answered in time. "
        "No answer is never a yes. Nothing was started.",
        "Ask the people named in limits.budget.approve and resume the run, which asks again; or raise the "
        "budget and resume the run with `--version latest`.",
    ),
    Code(
        "R216",
        "Too few people may decide",
        "Fewer people may decide on the approval than must approve it: a name or role means nobody, or the "
        "only one who may is the requester. It could never be approved, so the step fails at once.",
        "Look at the step's `who` and `requester`, and at the [people] tables of hookline.toml.",
    ),
    Code(
        "C900",
        "There is a fault in Hookline or in a component",
        "Something failed that is not the workflow's doing. The step fails and is not retried.",
        "Look at the log, which has the details, and report it to whoever made the component.",
    ),
    Code(
        "C901",
        "The service refused the values",
        "The step's parameters are wrong, and the same call would fail again; it is not retried.",
        "Correct the step's with; the message says which value and why.",
    ),
    Code(
        "C902",
        "The connection's credential was refused",
        "The service does not accept the credential, or it may not do this. It is not retried.",
        "Renew the credential of the connection; hookline doctor shows which connections there are.",
    ),
    Code(
        "C903",
        "The account has no credit left",
        "The service wants to be paid before it does more. It is not retried.",
        "Add credit at the service, then resume the run.",
    ),
    Code(
        "C904",
        "What was asked for does not exist",
        "The file, model, channel or other thing that the step names is not there, or not any more.",
        "Check the name, and whether the connection's account may see it.",
    ),
    Code(
        "C905",
        "The service refuses this content",
        "The content policy of the service forbids the input or the output, for example as unsafe.",
        "Change the input; catch the error where refused content is an ordinary case.",
    ),
    Code(
        "C906",
        "There were too many requests",
        "The service asked to slow down and did nothing. The step is retried after the time it gave.",
        "Lower max_parallel or set a limit on the connection if it happens often.",
    ),
    Code(
        "C907",
        "The service is unavailable",
        "It could not be reached or refused to work, and nothing was done. The step is retried.",
        "Wait, or look at the service's status page; then resume the run.",
    ),
    Code(
        "C908",
        "The work did not end in time",
        "What the step started at the service was given up. It may still go on there.",
        "Raise the step's timeout, or find out at the service why it takes so long.",
    ),
    Code(
        "C909",
        "The service's answer cannot be read",
        "The answer is not of the form that the service itself declares.",
        "Try again later; report it to whoever made the component if it stays.",
    ),
    Code(
        "C910",
        "The work was canceled",
        "What the step started was stopped, here or at the service.",
        "Resume the run to start it again.",
    ),
    Code(
        "C911",
        "Nobody knows what became of the request",
        "It was sent and no answer came, so it may or may not have been acted upon. It is looked up where "
        "the service allows that, and never sent again unless on_unknown is retry.",
        "See at the service whether it happened, then decide whether to resume the run.",
    ),
    Code(
        "C912",
        "There is something under this name already",
        "A file was to be written under if_exists: fail, and another one is there. It was left as it is.",
        "Write to another address, or choose another if_exists: overwrite, rename or skip.",
    ),
)
"""R1xx: how a run ended. R2xx: what a control step could not do. C9xx: why an action failed."""
