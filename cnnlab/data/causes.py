"""Why something outside the lab failed, as a sentence that can be translated; the system's own words in parentheses."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import urllib.error

from cnnlab.i18n import Message


def cause(error: BaseException) -> Message:
    """Return what ``error`` (of the network or of the disk) means."""
    if isinstance(error, urllib.error.HTTPError):
        return Message("the host answers {code} ({technical})", code=error.code, technical=str(error.reason))
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    technical = " ".join(said.split()) or type(error).__name__
    return _sentence(error, technical)


def _sentence(error: BaseException, technical: str) -> Message:
    if isinstance(error, socket.gaierror):
        return Message("no such address is known; this computer may be offline ({technical})", technical=technical)
    if isinstance(error, TimeoutError):
        return Message("no answer came in time ({technical})", technical=technical)
    if isinstance(error, ConnectionRefusedError):
        return Message("the host refuses the connection ({technical})", technical=technical)
    if isinstance(error, ssl.SSLError):
        return Message("the connection is not secure ({technical})", technical=technical)
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
        return Message("there is no way to the host; this computer may be offline ({technical})", technical=technical)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Message("there is no room left on the disk ({technical})", technical=technical)
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Message("writing there is not allowed ({technical})", technical=technical)
    if isinstance(error, (ConnectionError, http.client.IncompleteRead)):
        return Message("the connection broke off ({technical})", technical=technical)
    return Message("it failed ({technical})", technical=technical)
