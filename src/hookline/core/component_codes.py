"""Stable codes of finding, loading and describing components."""

from __future__ import annotations

from typing import Final

from .code import Code

__all__ = ["COMPONENT_CODES"]

COMPONENT_CODES: Final = (
    Code(
        "C001",
        "Two components have the same name",
        "An action, trigger or connection type is declared twice. Nothing is loaded, because which of the "
        "two a workflow would get depends on the order of files.",
        "Rename one of them, or, to replace a component that comes with Hookline, list its folder or file "
        'under override in hookline.toml: [components] override = ["connectors/slack"].',
    ),
    Code(
        "C002",
        "An override is declared and there is none",
        "hookline.toml says that this project replaces a component, and the project holds no such folder or "
        "file, or the name is not of the form room/name.",
        "Add the folder or file to the project, or remove the entry from override.",
    ),
    Code(
        "C003",
        "Two connection types claim the same address scheme",
        "References such as s3://bucket/key are read by exactly one connection type.",
        "Remove the scheme from one of the connection types.",
    ),
    Code(
        "C004",
        "The components section of hookline.toml cannot be read",
        "hookline.toml is not TOML, or override is not a list of texts.",
        'Correct it; the section looks like this: [components] override = ["connectors/slack"].',
    ),
    Code(
        "C010",
        "A component cannot be used",
        "A connector.json is not JSON or breaks the format of a declarative connector, or Python code fails "
        "while it is imported. The component is listed as unavailable; all others are loaded.",
        "Correct the place that the message names.",
    ),
    Code(
        "C020",
        "The folder for local files cannot be used",
        "HOOKLINE_FILES_DIR, or the directory of a local_files connection, is not the absolute path of a "
        "folder that exists.",
        "Create the folder and set its absolute path.",
    ),
    Code(
        "C021",
        "A local address leads outside the allowed folder",
        "Addresses such as file:reports/may.pdf are relative to one folder the operator allows. This one is "
        "absolute, climbs out of it, passes through a link, or names something that is no ordinary file.",
        "Write an address relative to the folder, without links.",
    ),
    Code(
        "C022",
        "A request has more than one body",
        "http.request was given more than one of json, body, form and file.",
        "Keep one of them.",
    ),
    Code(
        "C023",
        "A header cannot be sent",
        "The name or the value of a header holds a line break or another character that no header can have.",
        "Remove it; encode the value if it must be kept.",
    ),
    Code(
        "C024",
        "A status is not expected",
        "http.request got a 2xx status that expect does not list.",
        "Add the status to expect, or leave expect out to accept any 2xx.",
    ),
    Code(
        "C026",
        "A file is too large",
        "The file is larger than max_bytes of the step allows.",
        "Raise max_bytes, or send a smaller file.",
    ),
    Code(
        "C030",
        "A moderation policy contradicts itself",
        "A review threshold lies above the block threshold, or a category is unknown.",
        "Put the review threshold at or below the block threshold, and use the names in the documentation.",
    ),
    Code(
        "C031",
        "Pictures cannot be examined here",
        "The hashlist provider needs Pillow, which is not installed.",
        "pip install hookline[images]",
    ),
    Code(
        "C032",
        "A moderation check has nothing to check, or too much",
        "moderation.check examines either a text or an image, with a provider that can examine it.",
        "Give exactly one of text and image, and the list the provider needs.",
    ),
    Code(
        "C033",
        "A moderation list cannot be read",
        "A line of a word list or hash list is not of the expected form. Nothing is checked against half of "
        "a list.",
        "Correct the line that the message names.",
    ),
    Code(
        "C034",
        "A moderation rule cannot be applied",
        "Patterns of the rules provider are matched by RE2 only, because they take linear time there; RE2 is "
        "not installed, or the pattern is not one of RE2.",
        "pip install hookline[re2], or correct the pattern that the message names.",
    ),
    Code(
        "C035",
        "A moderation policy cannot be read",
        "policy names the file policies/<name>.json of the project. It is missing, or not of the expected "
        "form.",
        "Correct the file; `hookline moderation policies` checks all of them.",
    ),
    Code(
        "C036",
        "Nothing allows these bytes to be published",
        "The step demands a moderation verdict, and the one given is about other bytes, does not allow them, "
        "or is no whole verdict.",
        "Give the output of the moderation.check step that examined the very file that is published.",
    ),
    Code(
        "C037",
        "A labelled example cannot be read",
        "hookline moderation evaluate reads one JSON object a line, with the action a person expects and a "
        "verdict, scores or a text.",
        "Correct the line that the message names.",
    ),
    Code(
        "C038",
        "A plot cannot be drawn",
        "matplotlib is not installed, or does not write files of this kind.",
        "pip install matplotlib, or write the curve with --csv.",
    ),
    Code(
        "C040",
        "An address in Google Drive cannot be used",
        "gdrive://FILE-ID names a file, gdrive://FOLDER-ID/name one in a folder. This is neither, or it "
        "names a folder where a file must be, or the other way round.",
        "Write an address of one of these forms; the id stands in the address of the page in a browser.",
    ),
    Code(
        "C041",
        "The key of a service account cannot be used",
        "service_account_key is not the JSON file that Google gives out when a key of a service account is "
        "made. Other kinds of credentials are refused: they may name addresses, files and programs.",
        "Paste all of the file's text into the connection, or make a new key.",
    ),
    Code(
        "C042",
        "Google refuses the credential",
        "The key or the refresh token was revoked or has expired, the OAuth client is another one, or this "
        "machine's clock is wrong. Refresh tokens of an app in testing end after seven days.",
        "Test the connection; make a new key, or give the consent again.",
    ),
    Code(
        "C043",
        "Several files in Google Drive have this name",
        "Drive allows any number of files of the same name in a folder, and an address by name does not say "
        "which one is meant.",
        "Name the file by its id, or rename one of them.",
    ),
    Code(
        "C044",
        "A document of Google's own cannot be used like a file",
        "Documents, tables, forms and sites have no bytes. Some can be exported; none can be overwritten.",
        "Add ?export= and a media type to the address of a document, or write to another file.",
    ),
    Code(
        "C045",
        "The bytes do not have the digest that Google Drive names",
        "The file was replaced while it was read, or what was transferred was damaged.",
        "Nothing, when it is repeated by itself. When it stays so, look at the file in Drive.",
    ),
    Code(
        "C046",
        "The changes in Google Drive cannot be followed",
        "Drive refuses the place in its list of changes although it has given it out just now, or the folder "
        "that is watched holds more folders than are kept track of.",
        "Check the connection and the folder; watch a smaller one.",
    ),
    Code(
        "C047",
        "A version of a file in Google Drive cannot be read any more",
        "The run is about a version of the file that has been replaced. Drive keeps earlier versions for a "
        "time only, and shows them only to those who may edit the file.",
        "Share the file with the account as editor, or run the workflow again with the newest version.",
    ),
    Code(
        "C060",
        "No address can be signed for this file",
        "Only stores with signed addresses make them: S3 does; the artifact store and a local folder do not.",
        "Upload the file to an object store first, and sign the address there.",
    ),
    Code(
        "C061",
        "An archive is refused",
        "It holds a link, a device, an encrypted file, a path that leads out of it, the same name twice, "
        "entries that overlap, or more than the step's limits allow. Nothing of it was unpacked.",
        "Raise the limit that the message names if you trust the archive; otherwise have it packed anew.",
    ),
    Code(
        "C062",
        "An archive cannot be read",
        "It is no ZIP archive, or it is damaged or cut off.",
        "Check where the file comes from, and that it was uploaded whole.",
    ),
    Code(
        "C063",
        "A text does not fit its encoding",
        "The file has bytes that are no text in the encoding named, or a character has no place in the "
        "encoding to write.",
        "Name the encoding the file has, such as windows-1252; write utf-8.",
    ),
    Code(
        "C064",
        "A table cannot be converted",
        "The file is not of the format that was named: a line of CSV has more or fewer values than the "
        "header, a line is not JSON, or the JSON is not one array.",
        "Correct the place that the message names, or say with from what the file is.",
    ),
    Code(
        "C065",
        "A picture is refused",
        "It has more pixels or frames than the step allows, or the result would be too large. Nothing was "
        "decoded.",
        "Raise the limit that the message names if the memory is there; otherwise use a smaller picture.",
    ),
    Code(
        "C066",
        "A picture cannot be read",
        "It is no JPEG, PNG, GIF, WebP, BMP or TIFF, or it is damaged or cut off.",
        "Check where the file comes from, and that it was uploaded whole.",
    ),
    Code(
        "C601",
        "A request to a hook is not authenticated",
        "The signature or credential is missing or wrong. The request is recorded as rejected, without its "
        "body.",
        "Compare the secret and the scheme of the sender with auth and the connection of the trigger.",
    ),
    Code(
        "C602",
        "A signed request is too old",
        "It is rightly signed, but its time is too far from now: a repeat, or a clock that is wrong.",
        "Set the clocks of both machines; the sender's retry brings a new time.",
    ),
    Code(
        "C603",
        "A hook has no secret to check with",
        "The trigger's connection holds no usable secret, so nobody is let in.",
        "Set the secret of the connection, for example HOOKLINE_WEBHOOK_SECRET.",
    ),
    Code(
        "C604",
        "A hook does not read this content type",
        "JSON, forms, multipart and plain text are read.",
        "Send one of them, with its Content-Type.",
    ),
    Code(
        "C605",
        "A body is not what its content type says",
        "The body is not JSON, or no form, although the request says so; or it is too deep, or a key stands "
        "in it twice.",
        "Correct what the sender sends.",
    ),
    Code(
        "C606",
        "A body does not fit the trigger's schema",
        "The workflow declares what the body looks like, and this one does not.",
        "Correct what the sender sends, or the schema.",
    ),
    Code(
        "C607",
        "A request to a hook is too large",
        "It has more bytes, parts or fields than the trigger allows.",
        "Send less, or raise max_bytes of the trigger.",
    ),
    Code(
        "C608",
        "A request has no key to recognize repeats by",
        "The header or field that dedupe names is not in the request.",
        "Correct what the sender sends, or the trigger's dedupe.",
    ),
    Code(
        "C609",
        "A request brings a file reference of its own making",
        "References to files are made by Hookline only; one that comes in a body could name anything.",
        "Send the file itself as multipart, or its address as text.",
    ),
    Code(
        "C610",
        "A webhook trigger's parameters cannot be used",
        "A parameter of the trigger is wrong in a way that only a request shows.",
        "Correct the workflow as the message says.",
    ),
    Code(
        "C611",
        "A hook gets more requests than its trigger allows",
        "rate_limit of the trigger is reached. Nothing was taken; the answer says when to come again.",
        "Send more slowly, or raise rate_limit.",
    ),
    Code(
        "C612",
        "Signatures of SNS cannot be checked here",
        "Amazon SNS signs with a certificate, and reading one needs the library cryptography, which is not "
        "installed. The request is recorded; the sender comes again.",
        "pip install 'hookline[sns]'",
    ),
)
