"""A browser tab without a browser: speaks Streamlit's own protocol, so that thirty of them cost what thirty phones would.

Each client has a cookie, widgets that it moves by their key, and the live fragments' timers, as the real page has. What
a browser does beyond (drawing pixels) is left out: that work is the phone's, not the teacher's laptop's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

from cnnlab.workspace import new_id

_WAIT_S = 300.0
_LOST_S = 3.0  # LOST_MS of assets/components/canvas.js
_FINISHED = (0, 3)  # a whole script, or a fragment, has run through


class Client:
    """One learner's tab.

    Attributes:
        texts: every text that the server ever sent to this tab, for finding what is somebody else's.
        failures: exceptions that the page showed.
    """

    def __init__(self, address: str, workspace: str | None = None) -> None:
        self.workspace = workspace or new_id()
        self.texts: list[str] = []
        self.failures: list[str] = []
        self._address = address
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._widgets: dict[str, tuple[str, str]] = {}  # key -> (widget id, fragment id)
        self._values: dict[str, WidgetState] = {}
        self._components: dict[str, dict[str, Any]] = {}  # key -> the data it was last given
        self._changed = asyncio.Condition()
        self._finished = 0
        self._page = self._hash = ""

    async def __aenter__(self) -> Client:
        url = self._address.replace("http", "ws", 1) + "/_stcore/stream"
        headers = {"Cookie": f"cnnlab_workspace={self.workspace}"}
        self._socket = await connect(
            url, additional_headers=headers, subprotocols=["streamlit"], max_size=None, open_timeout=_WAIT_S,
            ping_timeout=None, close_timeout=5,
        )  # type: ignore[arg-type]  # fmt: skip
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._timers.values(), *([self._reader] if self._reader else [])):
            task.cancel()
        if self._socket is not None:
            await self._socket.close()

    # -- what a learner does --------------------------------------------------------------------------------------

    async def open(self, page: str) -> float:
        """Open ``page`` and return how long its script took to run through, in seconds."""
        self._page, self._hash = page, ""  # by its name until the server has told the page's hash
        self._widgets.clear()
        self._values.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        began = time.perf_counter()
        await self._rerun()
        return time.perf_counter() - began

    async def click(self, key: str) -> None:
        """Press the button ``key`` and wait until the page has followed."""
        await self._move(key, trigger_value=True)

    async def fill(self, key: str, value: float | int | str) -> None:
        """Put ``value`` into the field ``key``."""
        kind = {float: "double_value", int: "int_value", str: "string_value"}[type(value)]
        await self._move(key, **{kind: value})

    async def draw(self, key: str, message: dict[str, Any]) -> float:
        """Send ``message`` as the canvas does, again where no answer comes; return how long that took, in seconds."""
        began = time.perf_counter()
        answered = False
        while not answered:
            await self._move(key, json_value=json.dumps({"sketch": message}), wait=False)
            try:
                async with asyncio.timeout(_LOST_S):
                    await self.until(lambda: self._components.get(key, {}).get("answered") == message["n"])
                answered = True
            except TimeoutError:
                if time.perf_counter() - began > _WAIT_S:
                    raise
        return time.perf_counter() - began

    def component(self, key: str) -> dict[str, Any]:
        """Return what the component ``key`` was last given."""
        return self._components.get(key, {})

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until ``true()``.

        Raises:
            TimeoutError: it has not come true for some minutes.
            ConnectionError: the server has closed the connection.
        """
        async with asyncio.timeout(_WAIT_S), self._changed:
            await self._changed.wait_for(lambda: true() or self._reader is None or self._reader.done())
        if not true():
            raise ConnectionError("the server has closed the connection")

    # -- the protocol ---------------------------------------------------------------------------------------------

    async def _move(self, key: str, wait: bool = True, **value: Any) -> None:
        await self.until(lambda: key in self._widgets)
        id, fragment = self._widgets[key]
        state = WidgetState(id=id, **value)
        if "trigger_value" not in value:
            self._values[id] = state
        await self._rerun(fragment, [state], wait=wait)

    async def _rerun(self, fragment: str = "", moved: list[WidgetState] | None = None, wait: bool = True) -> None:
        message = BackMsg()
        rerun = message.rerun_script
        rerun.page_name = "" if self._hash else self._page
        rerun.page_script_hash, rerun.fragment_id = self._hash, fragment
        states = {**self._values, **{state.id: state for state in moved or []}}
        rerun.widget_states.widgets.extend(states.values())
        rerun.context_info.locale = "en-US"
        rerun.context_info.timezone = "UTC"
        rerun.context_info.url = f"{self._address}/{self._page}"
        before = self._finished
        assert self._socket is not None
        await self._socket.send(message.SerializeToString())
        if wait:
            await self.until(lambda: self._finished > before)

    async def _read(self) -> None:
        try:
            await self._take_in()
        finally:
            async with self._changed:
                self._changed.notify_all()

    async def _take_in(self) -> None:
        assert self._socket is not None
        async for data in self._socket:
            message = ForwardMsg()
            message.ParseFromString(data if isinstance(data, bytes) else data.encode())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._hash = message.new_session.page_script_hash
            elif kind == "navigation":
                self._hash = message.navigation.page_script_hash
            elif kind == "delta":
                self._delta(message)
            elif kind == "auto_rerun":
                self._set_timer(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            elif kind == "stop_auto_rerun":
                self._stop_timer(message.stop_auto_rerun.fragment_id)
            elif kind == "script_finished" and message.script_finished in _FINISHED:
                self._finished += 1
            async with self._changed:
                self._changed.notify_all()

    def _delta(self, message: ForwardMsg) -> None:
        delta = message.delta
        if delta.WhichOneof("type") != "new_element":
            return
        element = delta.new_element
        kind = element.WhichOneof("type")
        found = getattr(element, kind) if kind else None
        self.texts.append(str(found))
        if kind == "exception":
            self.failures.append(f"{found.type}: {found.message}")
        id = getattr(found, "id", "")
        if not id:
            return
        key = id.split("-", 2)[-1]
        self._widgets[key] = (id, delta.fragment_id)
        if kind == "bidi_component":
            text = found.json or found.mixed.json
            if text:
                self._components[key] = json.loads(text)

    def _set_timer(self, fragment: str, interval: float) -> None:
        self._stop_timer(fragment)

        async def tick() -> None:
            while True:
                await asyncio.sleep(interval)
                await self._rerun(fragment, wait=False)

        self._timers[fragment] = asyncio.create_task(tick())

    def _stop_timer(self, fragment: str) -> None:
        if (timer := self._timers.pop(fragment, None)) is not None:
            timer.cancel()
