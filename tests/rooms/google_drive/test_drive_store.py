"""Google Drive as a store of files: the contract of all stores, and what is particular to Drive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hookline.sdk import AlreadyExists, BadInput, InsufficientCredit, MalformedOutput, NotFound, Unavailable
from hookline.testing.drive import DriveStandIn
from hookline.testing.file_store_contract import FileStoreContract, Place, Remembered, pieces_of, read

from .conftest import connect

MIB = 1024**2


class TestDrive(FileStoreContract):
    @pytest.fixture
    def place(self, drive: DriveStandIn) -> Place:
        return Place(connect(drive), f"gdrive://{drive.people.folder('contract')}/")

    def test_two_at_once_are_not_both_the_first(self, place: Place) -> None:
        pytest.skip("Drive allows any number of files of the same name")


@pytest.fixture
def folder(drive: DriveStandIn) -> str:
    return drive.people.folder("box")


# Names and ids.


def test_several_files_of_one_name_are_not_guessed_at(drive: DriveStandIn, folder: str) -> None:
    one, two = (drive.people.put("a.txt", content, folder) for content in (b"1", b"2"))
    client = connect(drive)
    for act in (client.stat, client.delete, lambda uri: client.write(uri, b"3")):
        with pytest.raises(BadInput) as caught:
            asyncio.run(act(f"gdrive://{folder}/a.txt"))
        assert caught.value.code == "C043"
    assert asyncio.run(read(client, f"gdrive://{two}")) == b"2"
    page = asyncio.run(client.list_files(f"gdrive://{folder}/"))
    assert {each.file.uri for each in page.files} == {f"gdrive://{one}", f"gdrive://{two}"}


def test_names_that_no_path_can_say(drive: DriveStandIn, folder: str) -> None:
    odd = drive.people.put("1/2 it's \\ odd", b"x", folder)
    drive.people.put("it's \\ here", b"y", folder)
    client = connect(drive)
    page = asyncio.run(client.list_files(f"gdrive://{folder}"))
    assert {each.file.uri for each in page.files} == {f"gdrive://{odd}", f"gdrive://{folder}/it's \\ here"}
    for each in page.files:
        assert len(asyncio.run(read(client, each.file.uri))) == 1


def test_a_file_named_by_its_id_keeps_it(drive: DriveStandIn, folder: str) -> None:
    file = drive.people.put("a.txt", b"old", folder)
    client = connect(drive)
    asyncio.run(client.write(f"gdrive://{file}", b"new", mime="text/plain"))
    drive.people.move(file, drive.people.folder("elsewhere"))
    assert asyncio.run(read(client, f"gdrive://{file}")) == b"new"
    asyncio.run(client.delete(f"gdrive://{file}"))
    assert drive.people.item(file).trashed
    with pytest.raises(NotFound, match="trash"):
        asyncio.run(client.stat(f"gdrive://{file}"))
    with pytest.raises(NotFound):
        asyncio.run(client.write("gdrive://1missing", b"x"))


@pytest.mark.parametrize(
    "uri", ["gdrive://", "gdrive://a b", "gdrive://x/../y", "gdrive://x//y", "gdrive://x?y=z"]
)
def test_addresses_that_are_none(drive: DriveStandIn, uri: str) -> None:
    with pytest.raises(BadInput) as caught:
        asyncio.run(connect(drive).stat(uri))
    assert caught.value.code == "C040"
    assert drive.requests == []


def test_shortcuts_lead_to_their_file_and_folders_are_none(drive: DriveStandIn, folder: str) -> None:
    file = drive.people.put("a.txt", b"target")
    link = drive.people.shortcut("link", file, folder)
    client = connect(drive)
    assert asyncio.run(read(client, f"gdrive://{link}")) == b"target"
    for uri in (f"gdrive://{folder}", "gdrive://root"):
        with pytest.raises(BadInput):
            asyncio.run(client.stat(uri))
    with pytest.raises(BadInput):
        asyncio.run(client.write(f"gdrive://{folder}/link", b"x"))


def test_deleting_a_shortcut_does_not_delete_its_file(drive: DriveStandIn, folder: str) -> None:
    file = drive.people.put("a.txt", b"target")
    link = drive.people.shortcut("link", file, folder)
    client = connect(drive)
    for act in (client.delete(f"gdrive://{link}"), client.write(f"gdrive://{link}", b"x")):
        with pytest.raises(BadInput):
            asyncio.run(act)
    assert (drive.people.item(file).trashed, drive.people.item(file).content) == (False, b"target")


@pytest.mark.parametrize("mime", ["text/plain\r\n\r\nmore", "text", "text/plain\n", "a/b c"])
def test_what_is_no_media_type_is_not_sent(drive: DriveStandIn, folder: str, mime: str) -> None:
    with pytest.raises(BadInput, match="no media type"):
        asyncio.run(connect(drive).write(f"gdrive://{folder}/a.txt", b"x", mime=mime))
    assert drive.people.named("a.txt") == []


def test_a_copy_is_not_marked_as_its_source_was(drive: DriveStandIn, folder: str) -> None:
    client, one = connect(drive), Remembered("one")
    source, target = f"gdrive://{folder}/a.txt", f"gdrive://{folder}/b.txt"
    marks = {"hookline-run": "run_1"}
    asyncio.run(client.write(source, b"x", metadata=marks, writing=one.writing))
    (item,) = drive.people.named("a.txt")
    item.app_properties["colour"] = "blue"
    asyncio.run(client.copy(source, target))
    (copied,) = drive.people.named("b.txt")
    assert copied.app_properties == {"colour": "blue", "hookline-md5": item.digest("md5")}


# Documents.


def test_documents_are_exported(drive: DriveStandIn, folder: str) -> None:
    exports = {"application/pdf": b"%PDF", "text/plain": b"text"}
    document = drive.people.document("Plan", exports, folder)
    client = connect(drive)
    found = asyncio.run(client.stat(f"gdrive://{document}"))
    assert (found.name, found.mime, found.bytes) == ("Plan.pdf", "application/pdf", None)
    assert asyncio.run(read(client, f"gdrive://{document}")) == b"%PDF"
    assert asyncio.run(read(client, f"gdrive://{document}?export=text/plain")) == b"text"
    with pytest.raises(BadInput):
        asyncio.run(read(client, f"gdrive://{document}?export=image/png"))
    with pytest.raises(BadInput) as caught:
        asyncio.run(client.write(f"gdrive://{document}", b"x"))
    assert caught.value.code == "C044"
    copied = asyncio.run(client.copy(f"gdrive://{document}?export=text/plain", f"gdrive://{folder}/plan.txt"))
    assert (copied.mime, copied.bytes) == ("text/plain", 4)
    form = drive.people.document("Questions", {}, folder, kind="form")
    with pytest.raises(BadInput):
        asyncio.run(client.stat(f"gdrive://{form}"))
    drive.people.edit(document, {"application/pdf": b"x" * (10 * MIB + 1)})
    with pytest.raises(BadInput, match="exportSizeLimitExceeded"):
        asyncio.run(read(client, f"gdrive://{document}"))


# Bytes that are not what they should be.


@pytest.mark.parametrize("size", [1000, 9 * MIB])
@pytest.mark.parametrize("fault", ["content.corrupt", "content.cut", "content.reset_after"])
def test_damaged_bytes_are_never_taken_for_the_file(drive: DriveStandIn, size: int, fault: str) -> None:
    file = drive.people.put("a.bin", b"x" * size)
    client = connect(drive)
    drive.faults.set(fault)
    with pytest.raises(Unavailable) as caught:
        asyncio.run(read(client, f"gdrive://{file}"))
    if fault == "content.corrupt":
        assert caught.value.code == "C045"
    assert len(asyncio.run(read(client, f"gdrive://{file}"))) == size


def test_a_file_that_is_replaced_while_it_is_read(drive: DriveStandIn) -> None:
    file = drive.people.put("a.bin", b"x" * (9 * MIB))
    client = connect(drive)

    async def go() -> None:
        async with client.stream(f"gdrive://{file}") as pieces:
            await anext(pieces)
            drive.people.replace(file, b"y" * (9 * MIB))
            async for _ in pieces:
                pass

    with pytest.raises(Unavailable):
        asyncio.run(go())


# Uploads that are cut off.


@pytest.mark.parametrize("fault", ["upload.chunk_lost", "upload.reset_after", "upload.server_error"])
def test_a_large_upload_goes_on_where_it_was_cut_off(drive: DriveStandIn, folder: str, fault: str) -> None:
    client, content = connect(drive), b"0123456789abcdef" * (25 * MIB // 16)

    async def source() -> AsyncIterator[bytes]:
        async for piece in pieces_of(content, 3 * MIB):
            if len(sent) == 4:
                drive.faults.set(fault)
            sent.append(piece)
            yield piece

    sent: list[bytes] = []
    asyncio.run(client.write(f"gdrive://{folder}/a.bin", source()))
    assert drive.faults.happened(fault) == 1
    (item,) = drive.people.named("a.bin")
    assert item.content == content
    assert drive.count("upload.create") == 1


@pytest.mark.parametrize("fault", ["upload.gone", "upload.too_many"])
def test_an_upload_that_cannot_go_on_may_be_repeated(drive: DriveStandIn, folder: str, fault: str) -> None:
    client, one = connect(drive), Remembered("one")
    uri, content = f"gdrive://{folder}/a.bin", b"x" * (9 * MIB)
    drive.faults.set(fault)
    with pytest.raises(Exception) as caught:
        asyncio.run(client.write(uri, content, writing=one.writing))
    assert caught.value.type in ("unavailable", "rate_limited")
    asyncio.run(client.write(uri, content, writing=one.writing))
    assert len(drive.people.named("a.bin")) == 1


@pytest.mark.parametrize(("size", "lost"), [(10, "upload.reset_after"), (9 * MIB, "files.reset_after")])
@pytest.mark.parametrize("if_exists", ["fail", "overwrite"])
def test_a_lost_answer_makes_no_second_file(
    drive: DriveStandIn, folder: str, size: int, lost: str, if_exists: Any
) -> None:
    """Drive made the file, and nobody heard of it."""
    client, one = connect(drive), Remembered("one")
    uri, content = f"gdrive://{folder}/new/a.bin", b"x" * size

    async def source() -> AsyncIterator[bytes]:
        yield content
        drive.faults.set(lost, times=None)

    with pytest.raises(Unavailable):
        asyncio.run(client.write(uri, source(), if_exists=if_exists, writing=one.writing))
    drive.faults.clear()
    assert len(drive.people.named("a.bin")) == 1
    written = asyncio.run(client.write(uri, content, if_exists=if_exists, writing=one.writing))
    assert written.bytes == size
    (item,) = drive.people.named("a.bin")
    assert (item.content, item.revision) == (content, 1)
    assert len(drive.people.named("new")) == 1


def test_a_folder_whose_making_was_not_heard_of_is_not_made_twice(drive: DriveStandIn, folder: str) -> None:
    client, one = connect(drive), Remembered("one")
    uri = f"gdrive://{folder}/new/a.txt"
    real = client.api.send

    async def lossy(method: str, path: str, what: str, **options: Any) -> Any:
        answer = await real(method, path, what, **options)
        if method == "POST" and path.endswith("/files"):
            raise Unavailable("the answer was lost")
        return answer

    client.api.send = lossy
    with pytest.raises(Unavailable):
        asyncio.run(client.write(uri, b"x", writing=one.writing))
    client.api.send = real
    asyncio.run(client.write(uri, b"x", writing=one.writing))
    assert len(drive.people.named("new")) == len(drive.people.named("a.txt")) == 1


def test_a_repetition_after_a_crash_finds_its_own_file_by_its_id(drive: DriveStandIn, folder: str) -> None:
    client, one = connect(drive), Remembered("one")
    uri = f"gdrive://{folder}/a.txt"
    asyncio.run(client.write(uri, b"x", writing=one.writing))
    (item,) = drive.people.named("a.txt")
    # Somebody has renamed it since: by its name it cannot be found again.
    drive.people.rename(item.id, "b.txt")
    asyncio.run(client.write(uri, b"x", if_exists="fail", writing=one.writing))
    assert drive.people.named("a.txt") == []
    asyncio.run(client.write(uri, b"x", if_exists="fail", writing=Remembered("two").writing))
    with pytest.raises(AlreadyExists):
        asyncio.run(client.write(uri, b"x", if_exists="fail", writing=Remembered("three").writing))


def test_what_drive_keeps_is_compared_with_what_was_sent(
    drive: DriveStandIn, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(drive)
    monkeypatch.setattr("hookline.testing.drive.records.Item.digest", lambda self, algorithm: "0" * 32)
    with pytest.raises(MalformedOutput) as caught:
        asyncio.run(client.write(f"gdrive://{folder}/a.txt", b"x"))
    assert caught.value.code == "C045"
    (item,) = drive.people.named("a.txt")
    assert item.trashed


# Shared drives and storage.


def test_a_service_account_writes_to_shared_drives_only(drive: DriveStandIn, folder: str) -> None:
    client = connect(drive, person=False)
    with pytest.raises(InsufficientCredit, match="storageQuotaExceeded") as caught:
        asyncio.run(client.write(f"gdrive://{folder}/a.txt", b"x"))
    assert "shared drive" in caught.value.hint
    team = drive.people.shared_drive("team")
    for uri in (f"gdrive://{team}/a.txt", f"gdrive://{team}/deep/er/b.txt"):
        asyncio.run(client.write(uri, b"x"))
        assert asyncio.run(read(client, uri)) == b"x"
    copied = asyncio.run(client.copy(f"gdrive://{team}/a.txt", f"gdrive://{team}/c.txt"))
    assert asyncio.run(read(client, copied.uri)) == b"x"
    asyncio.run(client.delete(f"gdrive://{team}/a.txt"))
    page = asyncio.run(client.list_files(f"gdrive://{team}/", recursive=False))
    assert [each.file.name for each in page.files] == ["c.txt"]


def test_long_metadata_is_cut_to_what_drive_takes(drive: DriveStandIn, folder: str) -> None:
    marks = {"hookline-run": "run_1", "hookline-workflow": "ü" * 200}
    asyncio.run(connect(drive).write(f"gdrive://{folder}/a.txt", b"x", metadata=marks))
    (item,) = drive.people.named("a.txt")
    assert item.app_properties["hookline-run"] == "run_1"
    assert item.app_properties["hookline-workflow"].startswith("üüü")


@pytest.mark.parametrize("size", [4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 8 * MIB, 8 * MIB + 1])
def test_sizes_around_those_of_the_pieces(drive: DriveStandIn, folder: str, size: int) -> None:
    client, content = connect(drive), b"0123456789abcdef" * (size // 16) + b"x" * (size % 16)
    uri = f"gdrive://{folder}/a.bin"
    asyncio.run(client.write(uri, pieces_of(content, 999_983)))
    assert asyncio.run(read(client, uri)) == content
