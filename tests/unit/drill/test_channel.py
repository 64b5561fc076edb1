"""Messages come whole, none larger than either side takes; what cannot travel stays where it is."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.drill.channel import Channel, MessageTooLarge
from tasks.drill.held import Held
from tasks.drill.messages import Call, Done, Hello, Logged, Raised, Ready, Told
from tasks.drill.progress import Progress
from tasks.drill.reached_store import ReachedStore
from tasks.model.errors import PermanentError
from tasks.model.findings import Stage
from tasks.stores import Store
from tests.unit.stores.fake import FakeStore


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = map(Channel, socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order_however_large(ends: tuple[Channel, Channel]) -> None:
    messages = [b"x" * size for size in (0, 1, 5_000_000, 3)]
    sender = threading.Thread(target=lambda: list(map(ends[0].send, messages)))
    sender.start()
    assert [ends[1].receive(30) for _ in messages] == messages
    sender.join()


def test_every_message_of_a_drill_can_be_sent(ends: tuple[Channel, Channel]) -> None:
    error = PermanentError("It is cut.", "file:///b", rule="archive-truncated")
    messages = [
        Hello("drill orders", {"TZ": "UTC"}, "/", {"tasks": 20}, 1 << 20, {}),
        Ready(17),
        Call(Path, ("/b",), {}),
        Done({"rows": 3}, {}),
        Logged({"msg": "at work"}),
        Told(Progress("orders", Stage.FETCH, "running", "half way")),
    ]
    for message in messages:
        ends[0].send(message)
        assert ends[1].receive(10) == message
    ends[0].send(Raised(error))
    raised = ends[1].receive(10).error
    assert (raised.rule, raised.what, raised.where) == (error.rule, error.what, error.where)


def test_a_message_above_the_limit_is_not_sent_and_the_next_one_is(ends: tuple[Channel, Channel]) -> None:
    ends[0].limit_bytes = 1000
    with pytest.raises(MessageTooLarge) as refused:
        ends[0].send(b"x" * 2000)
    assert refused.value.size_bytes > 2000
    ends[0].send("next")
    assert ends[1].receive(10) == "next"


def test_a_message_announced_above_the_limit_is_not_taken(ends: tuple[Channel, Channel]) -> None:
    ends[1].limit_bytes = 1000
    ends[0].send(b"x" * 2000)
    with pytest.raises(MessageTooLarge):
        ends[1].receive(10)


def test_what_came_before_a_time_out_is_not_lost() -> None:
    raw, theirs = socket.socketpair()
    receiving = Channel(theirs)
    message = pickle.dumps("late")
    whole = len(message).to_bytes(8, "big") + message
    with raw:
        raw.sendall(whole[:11])
        with pytest.raises(TimeoutError):
            receiving.receive(0.05)
        raw.sendall(whole[11:])
        assert receiving.receive(10) == "late"
    receiving.close()


def test_one_who_has_gone_is_an_end_of_file(ends: tuple[Channel, Channel]) -> None:
    ends[0].close()
    with pytest.raises(EOFError):
        ends[1].receive(10)


def test_whoever_waits_can_be_interrupted_from_another_thread(ends: tuple[Channel, Channel]) -> None:
    threading.Timer(0.05, ends[1].interrupt).start()
    with pytest.raises(EOFError):
        ends[1].receive(60)


def test_what_is_held_is_itself_again_here_and_nothing_elsewhere() -> None:
    store: Held[Store] = Held(FakeStore())
    reached = ReachedStore(store, "arn:aws:iam::1:role/x", ())
    sent = pickle.dumps(reached)
    assert pickle.loads(sent).store is store  # noqa: S301  our own bytes
    elsewhere = sent.replace(str(store.__reduce__()[1][0]).encode(), b"9" * len(store.__reduce__()[1][0]))
    held = pickle.loads(elsewhere).store  # noqa: S301  our own bytes
    with pytest.raises(PermanentError) as refused:
        held.value  # noqa: B018  asking is what is refused
    assert refused.value.rule == "drill-crashed"
