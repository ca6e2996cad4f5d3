"""Why a fetch or a write failed, in the learner's language."""

import errno
import http.client
import re
import socket
import ssl
import urllib.error

import pytest

from cnnlab.data.causes import cause

ERRORS = [
    (urllib.error.HTTPError("http://x", 404, "Not Found", None, None), "answers 404 (Not Found)"),  # type: ignore[arg-type]
    (urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution")), "may be offline"),
    (urllib.error.URLError(OSError(errno.ENETUNREACH, "Network is unreachable")), "no way to the host"),
    (urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")), "refuses"),
    (urllib.error.URLError(ssl.SSLCertVerificationError(1, "certificate verify failed")), "not secure"),
    (TimeoutError("timed out"), "in time (timed out)"),
    (http.client.IncompleteRead(b"x", 5), "broke off"),
    (ConnectionResetError(104, "Connection reset by peer"), "broke off"),
    (OSError(errno.ENOSPC, "No space left on device"), "no room left"),
    (PermissionError(errno.EACCES, "Permission denied"), "not allowed"),
    (ValueError("too large"), "it failed (too large)"),
    (ValueError(), "it failed (ValueError)"),
]


@pytest.mark.parametrize(("error", "said"), ERRORS, ids=lambda value: type(value).__name__)
def test_each_cause_is_a_sentence_in_both_languages(error: Exception, said: str) -> None:
    found = cause(error)
    assert said in found.text("en")
    chinese = found.text("zh_CN")
    assert re.match("[\u4e00-\u9fff]", chinese)
    assert not re.search("[A-Za-z]{3}", re.sub("（.*）", "", chinese))  # only the system's own words stay as they are
