"""Stable codes of the guarded HTTP client, C101 to C119."""

from __future__ import annotations

from hookline.core.code import Code

__all__ = ["HTTP_CODES"]

_NOT_SENT = "Nothing was sent and the step is not retried: the same address would be refused again."

HTTP_CODES: tuple[Code, ...] = (
    Code(
        "C101",
        "The URL cannot be used",
        "The text is not an absolute http or https URL of at most 2048 characters with a plain host name "
        "or IP address. Number forms of addresses such as 0x7f.1 or 2130706433 are not accepted. "
        f"{_NOT_SENT}",
        "Write the whole address, for example https://api.example.com/v1/items. For a service on this "
        "machine, write its origin, such as http://127.0.0.1:8000, and name that in HOOKLINE_ALLOW_ORIGINS.",
    ),
    Code(
        "C102",
        "The URL's scheme is not allowed",
        f"Only https is allowed unless the operator allows plain http. {_NOT_SENT}",
        "Use https. For a service on this machine, name its origin in the setting HOOKLINE_ALLOW_ORIGINS, "
        "for example HOOKLINE_ALLOW_ORIGINS=http://127.0.0.1:8000.",
    ),
    Code(
        "C103",
        "The URL contains a user name or password",
        f"Credentials in a URL end up in logs and histories, so they are refused. {_NOT_SENT}",
        "Take the part before the @ out of the URL and put it into a connection.",
    ),
    Code(
        "C104",
        "The URL's port is not allowed",
        f"Only the ports of the operator's list may be used; by default 443, 80 and 8443. {_NOT_SENT}",
        "Use a standard port, or ask the operator to name this exact origin in HOOKLINE_ALLOW_ORIGINS.",
    ),
    Code(
        "C105",
        "The address is not a public one",
        "The host is, or resolves to, at least one address that is private, local, reserved or denied by the "
        f"operator. All addresses of a name are checked, and the checked one is dialled. {_NOT_SENT}",
        "Check the host name. For a service of your own network, name its exact origin in "
        "HOOKLINE_ALLOW_ORIGINS, or allow its network.",
    ),
    Code(
        "C106",
        "The host is not on the list of allowed hosts",
        f"This client or this request may reach only the hosts on its list. {_NOT_SENT}",
        "Correct the host, or ask the operator to add it.",
    ),
    Code(
        "C107",
        "The credential belongs to another origin",
        "A credential is bound to the scheme, host and port it was made for and never leaves them. "
        "Nothing was sent.",
        "Use the connection that belongs to this host, or send the request without a connection.",
    ),
    Code(
        "C108",
        "The request cannot be sent as it is",
        "A method, header, body or option is not valid HTTP, or is one that the client sets itself.",
        "Correct the value named in the message.",
    ),
    Code(
        "C109",
        "The host name does not resolve",
        "The name has no address, or the name server did not answer. Nothing was sent; the step may be "
        "retried.",
        "Check the spelling of the host and the name server of this machine.",
    ),
    Code(
        "C110",
        "No connection could be made",
        "The host refused the connection or could not be reached. Nothing was sent; the step may be retried.",
        "Check that the service is up and reachable from this machine.",
    ),
    Code(
        "C111",
        "No secure connection could be made",
        "The TLS handshake failed: the certificate is not trusted, is for another name or is out of date, or "
        "the server does not speak TLS on this port. Nothing was sent.",
        "Check the certificate, the host name and the port. Verification cannot be turned off.",
    ),
    Code(
        "C112",
        "The request took too long",
        "The time for the whole request is over: name look-up, connection, sending and the answer together. "
        "Whether anything had been sent is told by the error's phase.",
        "Raise the timeout, or check why the service is slow.",
    ),
    Code(
        "C113",
        "The connection was lost after the request was sent",
        "The service may have acted upon the request. Only a request that is safe to repeat is repeated.",
        "Look at the service whether the request took effect, then resume or replay.",
    ),
    Code(
        "C114",
        "The answer broke off or is not HTTP",
        "The connection ended before the whole answer was there, or the answer breaks the protocol. The "
        "service may have acted upon the request.",
        "Look at the service whether the request took effect, then resume or replay.",
    ),
    Code(
        "C115",
        "The answer is too large",
        "More bytes were announced or sent than this request may receive; the rest was not read.",
        "Ask for less at a time, or raise the limit. Use a file action for large downloads.",
    ),
    Code(
        "C116",
        "The answer is compressed although that was declined",
        "The client asks for plain answers, because a small compressed one can expand without limit, and "
        "refuses others.",
        "Ask the service for an uncompressed answer.",
    ),
    Code(
        "C117",
        "The answer is a redirect that may not be followed",
        "It leads from https to http, to an address that is not allowed, would carry the body to another "
        "origin, or there are too many. The first request was sent and answered.",
        "Use the final address, or correct the service's redirect.",
    ),
    Code(
        "C118",
        "The answer is not usable JSON",
        "It is not JSON in UTF-8, is nested too deeply, has too many values, repeats a key, or holds NaN, "
        "infinity, NUL or half a surrogate pair, which no store keeps unharmed.",
        "Look at the answer; the address may be that of a web page instead of an API.",
    ),
    Code(
        "C119",
        "The download was answered with an error status",
        "Nothing was written: the body of an error is not the file.",
        "Check whether the address has expired and whether it needs a connection.",
    ),
)
