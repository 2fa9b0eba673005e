"""Uploads to Drive start runs: each once, whatever happens to files, folders, tokens and processes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest
from referencing import Registry

from hookline.engine.loader import import_room
from hookline.sdk import AuthenticationFailed, BadInput, File, NotFound, RateLimited, Unavailable
from hookline.testing.drive import DriveStandIn
from hookline.testing.file_store_contract import read

from .conftest import TRIGGER, Watch, connect

LOOK = import_room("connectors.google_drive.look")
PLACE = import_room("connectors.google_drive.place")


@pytest.fixture
def inbox(drive: DriveStandIn) -> str:
    return drive.people.folder("inbox")


def test_what_was_there_starts_nothing_and_what_comes_starts_a_run(drive: DriveStandIn, inbox: str) -> None:
    drive.people.put("old.png", b"old", inbox)
    drive.people.put("elsewhere.png", b"other")
    watch = Watch(drive, inbox)
    assert watch.settle() == []
    drive.people.put("new.png", b"new", inbox)
    drive.people.put("elsewhere-too.png", b"other")
    assert watch.settle() == ["new.png"]
    assert watch.settle() == []
    drive.people.rename(drive.people.named("old.png")[0].id, "older.png")
    drive.people.comment(drive.people.named("new.png")[0].id)
    assert watch.settle() == []


def test_everything_there_starts_a_run_when_that_is_wanted(drive: DriveStandIn, inbox: str) -> None:
    inner = drive.people.folder("2026", inbox)
    drive.people.put("a.png", b"a", inbox)
    drive.people.put("b.png", b"b", inner)
    watch = Watch(drive, inbox, start_from="all")
    assert sorted(watch.settle()) == ["2026/b.png", "a.png"]
    assert watch.settle() == []


def test_an_event_leads_to_the_bytes(drive: DriveStandIn, inbox: str) -> None:
    watch = Watch(drive, inbox)
    watch.settle()
    id = drive.people.put("Grüße und so.tar.gz", b"content", inbox, mime="application/gzip")
    (event,) = watch.look().events
    schema = TRIGGER.file_uploaded.output_schema
    validator = jsonschema.Draft202012Validator(schema, registry=Registry())
    validator.validate(dict(event.data))
    validator.validate(dict(TRIGGER.file_uploaded.sample))
    assert (event.data["stem"], event.data["suffix"], event.data["bytes"]) == ("Grüße und so.tar", ".gz", 7)
    assert event.data["folder"] == f"gdrive://{inbox}/"
    file = File.from_json(event.data["file"])
    assert (file.uri, file.connection, file.mime) == (f"gdrive://{id}", "gd", "application/gzip")
    assert asyncio.run(read(watch.ctx.connection, file.uri)) == b"content"


def test_a_run_reads_the_version_it_is_about(drive: DriveStandIn, inbox: str) -> None:
    """What was examined and what is published are the same bytes, whoever replaces them in between."""
    watch = Watch(drive, inbox, starts_for="new_versions")
    watch.settle()
    id = drive.people.put("a.bin", b"first" * 2_000_000, inbox)
    (event,) = watch.look().events
    file = File.from_json(event.data["file"])
    assert file.version

    async def content() -> bytes:
        async with watch.ctx.connection.stream(file.uri, version_id=file.version) as pieces:
            return b"".join([piece async for piece in pieces])

    before = drive.count("revisions.get")
    assert asyncio.run(content()) == b"first" * 2_000_000
    assert drive.count("revisions.get") == before
    drive.people.replace(id, b"second")
    assert asyncio.run(content()) == b"first" * 2_000_000
    drive.people.allow(inbox, "reader")
    with pytest.raises(NotFound) as caught:
        asyncio.run(content())
    assert caught.value.code == "C047"
    drive.people.allow(inbox, None)
    drive.people.purge(id)
    with pytest.raises(NotFound):
        asyncio.run(content())
    assert asyncio.run(read(watch.ctx.connection, file.uri)) == b"second"


# Folders.


def test_renamed_and_moved_folders_lose_nothing_and_repeat_nothing(drive: DriveStandIn, inbox: str) -> None:
    people = drive.people
    a, b = people.folder("a", inbox), people.folder("b", inbox)
    deep = people.folder("deep", a)
    watch = Watch(drive, inbox)
    watch.settle()
    people.put("1.txt", b"1", deep)
    people.rename(a, "A")
    people.put("2.txt", b"2", deep)
    assert sorted(watch.settle()) == ["A/deep/1.txt", "A/deep/2.txt"]
    people.put("3.txt", b"3", deep)
    people.move(deep, b)
    people.put("4.txt", b"4", deep)
    assert sorted(watch.settle()) == ["b/deep/3.txt", "b/deep/4.txt"]
    people.rename(people.named("1.txt")[0].id, "one.txt")
    assert watch.settle() == []


def test_a_folder_that_comes_in_brings_its_files(drive: DriveStandIn, inbox: str) -> None:
    """Drive lists only the folder as changed, not what is in it."""
    people = drive.people
    outside = people.folder("outside")
    inner = people.folder("inner", outside)
    watch = Watch(drive, inbox)
    watch.settle()
    people.put("a.txt", b"a", inner)
    assert watch.settle() == []
    people.move(outside, inbox)
    assert watch.settle() == ["outside/inner/a.txt"]
    people.put("b.txt", b"b", inner)
    assert watch.settle() == ["outside/inner/b.txt"]


def test_what_is_put_into_a_folder_while_it_is_elsewhere_is_found_when_it_returns(
    drive: DriveStandIn, inbox: str
) -> None:
    people = drive.people
    box = people.folder("box", inbox)
    inner = people.folder("inner", box)
    watch = Watch(drive, inbox)
    watch.settle()
    people.put("1.txt", b"1", inner)
    assert watch.settle() == ["box/inner/1.txt"]
    people.move(box, people.root)
    people.put("2.txt", b"2", inner)
    assert watch.settle() == []
    people.move(box, inbox)
    assert watch.settle() == ["box/inner/2.txt"]


def test_a_folder_whose_entry_comes_after_its_files_is_listed(drive: DriveStandIn, inbox: str) -> None:
    """The list of changes has the newest change of everything: a folder renamed later stands later."""
    watch = Watch(drive, inbox)
    watch.settle()
    box = drive.people.folder("box", inbox)
    drive.people.put("a.txt", b"a", box)
    drive.people.rename(box, "renamed")
    assert watch.settle() == ["renamed/a.txt"]


def test_the_trash(drive: DriveStandIn, inbox: str) -> None:
    people = drive.people
    box = people.folder("box", inbox)
    watch = Watch(drive, inbox)
    watch.settle()
    short = people.put("vanished.txt", b"x", inbox)
    people.trash(short)
    gone = people.put("gone.txt", b"x", inbox)
    people.delete(gone)
    assert watch.settle() == []
    people.trash(box)
    people.put("inside.txt", b"x", box)
    assert watch.settle() == []
    people.trash(box, False)
    people.trash(short, False)
    assert sorted(watch.settle()) == ["box/inside.txt", "vanished.txt"]
    people.trash(box)
    people.trash(box, False)
    assert watch.settle() == []


def test_only_the_folder_itself(drive: DriveStandIn, inbox: str) -> None:
    box = drive.people.folder("box", inbox)
    watch = Watch(drive, inbox, recursive=False)
    watch.settle()
    drive.people.put("in.txt", b"x", box)
    file = drive.people.put("here.txt", b"x", inbox)
    assert watch.settle() == ["here.txt"]
    drive.people.move(file, box)
    assert watch.settle() == []


def test_the_watched_folder_in_the_trash_is_said_and_loses_nothing(drive: DriveStandIn, inbox: str) -> None:
    watch = Watch(drive, inbox)
    watch.settle()
    drive.people.put("a.txt", b"x", inbox)
    drive.people.trash(inbox)
    for _ in range(2):
        with pytest.raises(NotFound, match="watched folder is gone"):
            watch.look()
    drive.people.trash(inbox, False)
    assert watch.settle() == ["a.txt"]


# What counts as an upload.


def test_an_upload_that_has_only_begun_waits_for_its_content(drive: DriveStandIn, inbox: str) -> None:
    watch = Watch(drive, inbox)
    watch.settle()
    begun = drive.people.put("film.mp4", None, inbox)
    empty = drive.people.put("empty.txt", b"", inbox)
    assert watch.settle() == []
    drive.people.replace(begun, b"film")
    drive.people.replace(empty, b"text")
    assert sorted(watch.settle()) == ["empty.txt", "film.mp4"]


def test_new_versions(drive: DriveStandIn, inbox: str) -> None:
    old = drive.people.put("old.txt", b"1", inbox)
    files, versions = Watch(drive, inbox), Watch(drive, inbox, starts_for="new_versions")
    for watch in (files, versions):
        watch.settle()
    new = drive.people.put("new.txt", b"1", inbox)
    for watch in (files, versions):
        assert watch.settle() == ["new.txt"]
    for file in (old, new):
        drive.people.replace(file, b"2")
        drive.people.comment(file)
    assert files.settle() == []
    assert sorted(versions.settle()) == ["new.txt", "old.txt"]
    # Changed to look for new files only, it starts nothing for what it has had.
    versions.parameters["starts_for"] = "new_files"
    for file in (old, new):
        drive.people.comment(file)
    assert versions.settle() == []


def test_filters(drive: DriveStandIn, inbox: str) -> None:
    box = drive.people.folder("2026", inbox)
    parameters = {"suffix": [".png", ".jpg"], "content_type": "image/*", "glob": "2026/*", "max_bytes": "10B"}
    watch = Watch(drive, inbox, **parameters)
    watch.settle()
    drive.people.put("a.PNG", b"x", box)
    drive.people.put("b.txt", b"x", box)
    drive.people.put("c.png", b"x" * 11, box)
    drive.people.put("d.png", b"x", box, mime="text/plain")
    drive.people.put("e.png", b"x", inbox)
    drive.people.shortcut("f.png", drive.people.put("g.jpg", b"x", box), box)
    assert sorted(watch.settle()) == ["2026/a.PNG", "2026/g.jpg"]


@pytest.mark.parametrize(("way", "name"), [("ignore", None), ("pdf", "Plan.pdf"), ("office", "Plan.docx")])
def test_documents_of_googles_own(drive: DriveStandIn, inbox: str, way: str, name: str | None) -> None:
    docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    watch = Watch(drive, inbox, google_files=way)
    watch.settle()
    drive.people.document("Plan", {"application/pdf": b"%PDF", docx: b"PK"}, inbox)
    drive.people.document("Questions", {}, inbox, kind="form")
    events = watch.look().events
    assert [event.data["name"] for event in events] == ([name] if name else [])
    for event in events:
        assert (event.data["path"], event.data["bytes"]) == (name, None)
        content = asyncio.run(read(watch.ctx.connection, event.data["file"]["$file"]))
        assert content == (b"%PDF" if way == "pdf" else b"PK")


def test_what_a_run_wrote_starts_none(drive: DriveStandIn, inbox: str) -> None:
    watch = Watch(drive, inbox, starts_for="new_versions")
    watch.settle()
    client, marks = watch.ctx.connection, {"hookline-run": "run_7", "hookline-workflow": "w"}

    async def write(content: bytes) -> Any:
        return await client.write(f"gdrive://{inbox}/out.bin", content, metadata=marks)

    for content in (b"small", b"x" * (9 * 1024**2)):
        asyncio.run(write(content))
        assert watch.settle() == []
        assert watch.skipped.pop() == "written by the run run_7"
    # Somebody else changes it: that is an upload.
    (item,) = drive.people.named("out.bin")
    drive.people.replace(item.id, b"changed by hand")
    assert watch.settle() == ["out.bin"]


def test_a_write_that_is_not_done_yet_is_a_runs_own(drive: DriveStandIn, inbox: str) -> None:
    """The digest of a large file is noted after it: until then the one before must not tell against it."""
    watch = Watch(drive, inbox, starts_for="new_versions")
    watch.settle()
    client, marks = watch.ctx.connection, {"hookline-run": "run_7"}
    uri = f"gdrive://{inbox}/out.bin"
    asyncio.run(client.write(uri, b"small", metadata=marks))

    async def source() -> AsyncIterator[bytes]:
        yield b"x" * (9 * 1024**2)
        drive.faults.set("files.server_error")

    with pytest.raises(Unavailable):
        asyncio.run(client.write(uri, source(), metadata=marks))
    (item,) = drive.people.named("out.bin")
    assert item.revision == 2
    assert watch.settle() == []
    assert watch.skipped


# Tokens, pages, duplicates, crashes.


@pytest.mark.parametrize("how", ["410", "400", "404 no more"])
def test_an_expired_token_loses_nothing_and_repeats_nothing(
    drive: DriveStandIn, inbox: str, how: str
) -> None:
    watch = Watch(drive, inbox)
    box = drive.people.folder("box", inbox)
    drive.people.put("before.txt", b"x", box)
    watch.settle()
    drive.people.put("seen.txt", b"x", box)
    watch.settle()
    drive.people.put("missed.txt", b"x", box)
    drive.people.rename(box, "renamed")
    if how == "400":
        drive.faults.set("changes.bad_token", times=1, value="400")
    else:
        drive.expire_page_tokens()
    assert watch.settle() == ["renamed/missed.txt"]
    drive.people.put("after.txt", b"x", box)
    assert watch.settle() == ["renamed/after.txt"]


def test_a_token_that_is_refused_at_once_is_an_error_and_no_circle(drive: DriveStandIn, inbox: str) -> None:
    drive.faults.set("changes.bad_token", times=None)
    watch = Watch(drive, inbox, start_from="all")
    drive.people.put("a.txt", b"x", inbox)
    with pytest.raises(BadInput, match="just now") as caught:
        watch.look()
    assert caught.value.code == "C046"


def test_a_thousand_changes_with_duplicates_crashes_and_expired_tokens(
    drive: DriveStandIn, inbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uploads, renames, moves and edits in any order: every upload exactly once."""
    monkeypatch.setattr(LOOK, "MAX_EVENTS", 17)
    monkeypatch.setattr(LOOK, "MAX_PAGES", 5)
    chance = random.Random(20260302)
    people = drive.people
    folders = [inbox]
    for number in range(12):
        folders.append(people.folder(f"f{number}", chance.choice(folders)))
    for number in range(20):
        people.put(f"old{number}", b"old", chance.choice(folders))
    watch = Watch(drive, inbox)
    watch.settle()
    files: list[str] = []
    for number in range(400):
        match chance.randrange(10):
            case 0:
                people.rename(chance.choice(folders[1:]), f"r{number}")
            case 1:
                folder, target = chance.choice(folders[1:]), chance.choice(folders)
                try:
                    people.move(folder, target)
                except Exception as error:
                    assert "itself" in str(error)  # noqa: PT017 - a random tree may ask for a circle
            case 2 if files:
                people.move(chance.choice(files), chance.choice(folders))
            case 3 if files:
                people.replace(chance.choice(files), b"again")
            case 4:
                folders.append(people.folder(f"n{number}", chance.choice(folders)))
            case _:
                files.append(people.put(f"file{number}", b"x", chance.choice(folders)))
        if chance.random() < 0.1:
            drive.faults.set("changes.duplicates", times=2)
        if chance.random() < 0.02:
            drive.expire_page_tokens()
        if chance.random() < 0.1:
            # The process dies between the look and its commit: the same look comes again.
            watch.look(commit=False)
            watch.look()
    watch.settle()
    names = sorted(path.rpartition("/")[2] for path in watch.started)
    assert names == sorted(people.item(id).name for id in files)


def test_a_crash_before_the_commit_gives_the_same_events_again(drive: DriveStandIn, inbox: str) -> None:
    watch = Watch(drive, inbox)
    watch.settle()
    drive.people.put("a.txt", b"x", inbox)
    first, second = watch.look(commit=False), watch.look(commit=False)
    assert [event.key for event in first.events] == [event.key for event in second.events] != []
    assert watch.settle() == ["a.txt"]


def test_what_is_uploaded_during_the_first_look_starts_a_run(
    drive: DriveStandIn, inbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the lists like what was there before; the list of changes tells them apart."""
    monkeypatch.setattr(LOOK, "MAX_PAGES", 1)
    monkeypatch.setattr(LOOK, "BATCH", 1)
    boxes = [drive.people.folder(f"box{number}", inbox) for number in range(4)]
    for box in boxes:
        drive.people.put("old.txt", b"x", box)
    watch = Watch(drive, inbox)
    watch.look()
    drive.people.put("early.txt", b"x", inbox)
    drive.people.put("late.txt", b"x", boxes[3])
    assert sorted(watch.settle()) == ["box3/late.txt", "early.txt"]


def test_what_was_there_and_is_renamed_during_the_first_look_starts_nothing(
    drive: DriveStandIn, inbox: str
) -> None:
    old = drive.people.put("old.txt", b"x", inbox)
    drive.clock.advance(10)
    watch = Watch(drive, inbox)
    send, asked = watch.ctx.connection.api.send, []

    async def then_rename(method: str, path: str, what: str, **options: Any) -> Any:
        answer = await send(method, path, what, **options)
        if path.endswith("/changes"):
            asked.append(path)
            drive.people.rename(old, f"renamed-{len(asked)}.txt")
        return answer

    watch.ctx.connection.api.send = then_rename
    watch.look()
    assert len(asked) == 2
    watch.ctx.connection.api.send = send
    watch.settle()
    assert watch.started == []


def test_many_files_are_taken_in_many_looks(
    drive: DriveStandIn, inbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOOK, "MAX_PAGES", 2)
    for number in range(1500):
        drive.people.put(f"{number}.txt", b"x", inbox)
    watch = Watch(drive, inbox, start_from="all")
    assert len(watch.settle()) == 1500
    drive.faults.set("files.expired_page_token", times=1)
    drive.expire_page_tokens()
    assert watch.settle() == []
    assert drive.faults.happened("files.expired_page_token") == 1


def test_looking_at_nothing_new_costs_one_request(drive: DriveStandIn, inbox: str) -> None:
    watch = Watch(drive, inbox)
    watch.settle()
    before = len(drive.requests)
    watch.look()
    assert [request.operation for request in drive.requests[before:]] == ["changes.list"]


# Whose files, and what is refused.


def test_a_shared_drive(drive: DriveStandIn) -> None:
    team = drive.people.shared_drive("team")
    box = drive.people.folder("box", team)
    drive.people.put("old.txt", b"x", box)
    for watched in (team, box):
        watch = Watch(drive, watched, person=False)
        watch.settle()
        drive.people.put(f"{watched}.txt", b"x", box)
        (path,) = watch.settle()
        assert path.endswith(f"{watched}.txt")
        drive.expire_page_tokens()
        assert watch.settle() == []
    mine = drive.people.folder("mine")
    file = drive.people.put("moved.txt", b"x", mine)
    drive.people.move(file, box)
    assert watch.settle() == ["moved.txt"]


def test_my_drive_and_a_page_address(drive: DriveStandIn, inbox: str) -> None:
    root = Watch(drive, "root")
    page = Watch(drive, f"https://drive.google.com/drive/u/0/folders/{inbox}?usp=sharing")
    for watch in (root, page):
        watch.settle()
    drive.people.put("a.txt", b"x", inbox)
    assert root.settle() == ["inbox/a.txt"]
    assert page.settle() == ["a.txt"]


def test_another_folder_is_begun_anew(drive: DriveStandIn, inbox: str) -> None:
    other = drive.people.folder("other")
    drive.people.put("old.txt", b"x", other)
    watch = Watch(drive, inbox)
    watch.settle()
    watch.parameters["folder"] = other
    assert watch.settle() == []
    drive.people.put("new.txt", b"x", other)
    assert watch.settle() == ["new.txt"]


def test_what_is_refused(drive: DriveStandIn, inbox: str) -> None:
    file = drive.people.put("a.txt", b"x", inbox)
    for folder, error in ((file, BadInput), ("1missing", NotFound), ("not an id", BadInput)):
        with pytest.raises(error):
            Watch(drive, folder).look()
    drive.people.allow(inbox, "none")
    with pytest.raises(NotFound):
        Watch(drive, inbox).look()
    watch = Watch(drive, drive.people.folder("ok"))
    watch.ctx.cursor = {"root": 1}
    with pytest.raises(BadInput, match="cursor"):
        watch.look()


def test_who_has_to_share_what_with_whom_is_said(drive: DriveStandIn, inbox: str) -> None:
    client = connect(drive, person=False)

    @dataclass
    class Context:
        look: bool
        connection: Any = client

    def states(look: bool) -> list[tuple[str, str]]:
        steps = asyncio.run(TRIGGER.file_uploaded.setup(Context(look), folder=inbox))
        return [(step.document["share_with"], step.state) for step in steps]

    email = drive.accounts.email
    assert states(False) == [(email, "unknown")]
    assert drive.requests == []
    assert states(True) == [(email, "present")]
    drive.people.allow(inbox, "none")
    assert states(True) == [(email, "missing")]


def test_too_many_folders_are_said(drive: DriveStandIn, inbox: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PLACE, "MAX_FOLDERS", 3)
    for number in range(4):
        drive.people.folder(f"f{number}", inbox)
    with pytest.raises(BadInput) as caught:
        Watch(drive, inbox).look()
    assert caught.value.code == "C046"


def test_limits_and_permissions_are_told_apart(drive: DriveStandIn, inbox: str) -> None:
    watch = Watch(drive, inbox)
    watch.settle()
    drive.people.put("a.txt", b"x", inbox)
    drive.faults.set("changes.rate_limited", times=1)
    with pytest.raises(RateLimited):
        watch.look()
    drive.faults.set("changes.too_many", times=1, value="7")
    with pytest.raises(RateLimited) as limited:
        watch.look()
    assert limited.value.retry_after == 7
    drive.faults.set("changes.forbidden", times=1)
    with pytest.raises(AuthenticationFailed):
        watch.look()
    assert watch.settle() == ["a.txt"]


def test_a_look_that_drive_interrupts_keeps_what_it_has(
    drive: DriveStandIn, inbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a large folder under a tight limit would be begun again and again."""
    monkeypatch.setattr(LOOK, "BATCH", 1)
    for number in range(3):
        drive.people.put("a.txt", b"x", drive.people.folder(f"box{number}", inbox))
    watch = Watch(drive, inbox, start_from="all")
    send, asked = watch.ctx.connection.api.send, 0

    async def limited(method: str, path: str, what: str, **options: Any) -> Any:
        nonlocal asked
        asked += path.endswith("/files")
        if path.endswith("/files") and asked % 3 == 0:
            raise RateLimited("slow down", retry_after=5)
        return await send(method, path, what, **options)

    watch.ctx.connection.api.send = limited
    poll = watch.look()
    assert poll.problem == "slow down"
    assert poll.next_at is not None
    assert (poll.next_at.timestamp() - drive.clock.now()) > 4
    assert watch.started == ["box0/a.txt"]
    watch.settle()
    assert sorted(watch.started) == ["box0/a.txt", "box1/a.txt", "box2/a.txt"]


def test_a_reader_sees_everything_it_needs(drive: DriveStandIn, inbox: str) -> None:
    drive.people.allow(inbox, "reader")
    watch = Watch(drive, inbox, person=False)
    watch.ctx.connection = connect(drive, person=False, access="read")
    watch.settle()
    drive.people.put("a.txt", b"x", inbox)
    assert watch.settle() == ["a.txt"]
