"""One limit per server: never more than the size inside, first come first served, no slot lost, nothing kept."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ragflow_integrations.errors import BusyError
from ragflow_integrations.transport.limit import Limit, limit_of

pytestmark = pytest.mark.realtime

URL = "http://server:9380"
SECONDS = 10.0


def until(happened: Callable[[], bool]) -> None:
    """Waits for something that another thread is about to do."""
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.001)


async def async_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end
        await asyncio.sleep(0.001)


def full(size: int = 1) -> Limit:
    limit = Limit(URL)
    for _ in range(size):
        limit.acquire(size, None)
    return limit


# --- by one thread or loop ----------------------------------------------------------------------------


def test_free_slots_are_given_at_once() -> None:
    """Up to ``size`` requests nobody waits; each release makes room for one."""
    limit = full(3)
    assert (limit.in_use, limit.waiting) == (3, 0)
    limit.release()
    limit.acquire(3, 0.001)
    assert limit.in_use == 3


def test_busy() -> None:
    """When the queue stands for ``timeout`` seconds: an error that names server, seconds, number and what helps."""
    limit = full(2)
    began = time.monotonic()
    with pytest.raises(
        BusyError, match=rf"^no request to {URL} could begin for 0.05 s, since 2 .* max_concurrency="
    ):
        limit.acquire(2, 0.05)
    assert 0.05 <= time.monotonic() - began < 20
    assert (limit.in_use, limit.waiting) == (2, 0)


def test_a_queue_that_moves_is_waited_in() -> None:
    """The last of many waits longer than its timeout as long as those before it get their turns."""
    limit, patient = full(), 1.0

    def slow() -> float:
        began = time.monotonic()
        limit.acquire(1, patient)
        time.sleep(0.15)
        limit.release()
        return time.monotonic() - began

    with ThreadPoolExecutor(12) as threads:
        waits = [threads.submit(slow) for _ in range(12)]
        until(lambda: limit.waiting == 12)
        limit.release()
        assert max(each.result(60) for each in waits) > 1.5 * patient


async def test_busy_async() -> None:
    """So for a loop, which goes on meanwhile."""
    limit = full(2)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    busy = asyncio.create_task(others())
    with pytest.raises(BusyError, match=r"could begin for 0.05 s"):
        await limit.acquire_async(2, 0.05)
    busy.cancel()
    assert turns > 10
    assert (limit.in_use, limit.waiting) == (2, 0)


async def test_cancelled_while_waiting() -> None:
    """Who is cancelled leaves the queue; the next one is served."""
    limit = full()
    first, second = (asyncio.create_task(limit.acquire_async(1, None)) for _ in range(2))
    await async_until(lambda: limit.waiting == 2)
    first.cancel()
    limit.release()
    await second
    assert first.cancelled()
    assert (limit.in_use, limit.waiting) == (1, 0)


async def test_cancelled_when_the_turn_has_come() -> None:
    """A slot given to one that was cancelled in that moment goes to the next."""
    limit = full()
    first, second = (asyncio.create_task(limit.acquire_async(1, None)) for _ in range(2))
    await async_until(lambda: limit.waiting == 2)
    limit.release()  # the slot is the first one's now, who does not run before the next await
    assert (limit.in_use, limit.waiting) == (1, 1)
    first.cancel()
    await second
    assert first.cancelled()
    assert (limit.in_use, limit.waiting) == (1, 0)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl+C interrupts here, also in a job that a shell runs in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_thread_leaves_the_queue() -> None:
    """Ctrl+C while waiting: the queue is as before."""
    limit = full()

    def interrupt() -> None:
        until(lambda: limit.waiting == 1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            limit.acquire(1, SECONDS)
    limit.release()
    assert (limit.in_use, limit.waiting) == (0, 0)


# --- order --------------------------------------------------------------------------------------------


def test_first_come_first_served_over_threads_and_loops() -> None:
    """Threads and tasks of several loops get their turn in the order in which they came."""
    limit, order = full(), list[int]()

    def by_thread(number: int) -> None:
        limit.acquire(1, SECONDS)
        order.append(number)
        limit.release()

    async def by_task(number: int) -> None:
        await limit.acquire_async(1, SECONDS)
        order.append(number)
        limit.release()

    with ThreadPoolExecutor(20) as threads:
        done = []
        for number in range(20):
            if number % 2:
                done.append(threads.submit(by_thread, number))
            else:
                done.append(threads.submit(asyncio.run, by_task(number)))
            until(lambda: limit.waiting == len(done))
        limit.release()
        for each in done:
            each.result(SECONDS)
    assert order == list(range(20))


def test_a_larger_size_passes_a_smaller_one() -> None:
    """A caller that wants the server nearly to itself does not hold up those who are content with less."""
    limit = full(2)
    with ThreadPoolExecutor(2) as threads:
        modest = threads.submit(limit.acquire, 1, SECONDS)
        until(lambda: limit.waiting == 1)
        limit.acquire(3, 0.001)
        assert not modest.done()
        for _ in range(3):
            limit.release()
        modest.result(SECONDS)
    assert (limit.in_use, limit.waiting) == (1, 0)


# --- loops that end -----------------------------------------------------------------------------------


@contextmanager
def abandoned(limit: Limit) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that stopped while three of its tasks wait."""
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(limit.acquire_async(1, None)) for _ in range(3)]
    while limit.waiting < 3:
        loop.run_until_complete(asyncio.sleep(0))
    yield loop
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_closed_loop_is_skipped() -> None:
    """Waiters whose loop was closed do not get a slot; the next one does."""
    limit = full()
    with abandoned(limit) as loop, ThreadPoolExecutor(1) as threads:
        loop.close()
        thread = threads.submit(limit.acquire, 1, SECONDS)
        until(lambda: limit.waiting == 4)
        limit.release()
        thread.result(SECONDS / 2)  # at once, not when its patience ends
        assert (limit.in_use, limit.waiting) == (1, 0)


def test_a_loop_closed_after_its_turn_came() -> None:
    """A slot given to a loop that was closed before it noticed is not lost."""
    limit = full()
    with abandoned(limit) as loop:
        limit.release()
        assert (limit.in_use, limit.waiting) == (1, 2)
        loop.close()
        limit.acquire(1, 0.01)
        assert (limit.in_use, limit.waiting) == (1, 0)


# --- releases at any moment ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2])
def test_a_finalizer_may_release(size: int) -> None:
    """A stream that the garbage collector finds gives its slot back, even while its thread is inside ``acquire``."""
    limit = full()

    class Dropped:
        def __init__(self) -> None:
            self.itself = self  # only the garbage collector ends it

        def __del__(self) -> None:
            limit.release()

    class Counting(int):
        """A size whose comparison, which is made with the lock held, sets the garbage collector off."""

        def __gt__(self, other: int) -> bool:
            gc.collect()
            return int(self) > other

        __hash__ = int.__hash__

    Dropped()
    limit.acquire(Counting(size), SECONDS)
    assert (limit.in_use, limit.waiting) == (1, 0)


# --- registry -----------------------------------------------------------------------------------------


def test_one_limit_per_server() -> None:
    """The same object while anybody holds it, by whichever thread; another server has another."""
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(limit_of, [URL] * 64))
    assert len(set(map(id, found))) == 1
    assert limit_of("http://other:9380") is not found[0]
    found[0].acquire(1, None)
    found.clear()
    assert limit_of(URL).in_use == 0  # nobody held the other one any more


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_its_own() -> None:
    """The parent's requests do not count in the child, whatever the parent was doing when it forked."""
    limit = limit_of(URL)
    limit.acquire(1, None)
    with limit._lock:
        child = os.fork()
        if child == 0:
            limit.release()  # as the end of a stream that came along does
            own = limit_of(URL)
            own.acquire(1, 1.0)
            os._exit(0 if own is not limit and own.in_use == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert limit.in_use == 1


# --- all at once --------------------------------------------------------------------------------------


class Inside:
    """Counts who is inside, over all threads."""

    def __init__(self, size: int) -> None:
        self.size, self.now, self.most, self.times = size, 0, 0, 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.times += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def run_thread(limit: Limit, inside: Inside, dice: random.Random) -> None:
    for _ in range(150):
        with suppress(BusyError):
            limit.acquire(inside.size, dice.choice([0.0005, 0.01, None]))
            with inside:
                time.sleep(dice.choice([0, 0.0005]))
            limit.release()


async def one_task(limit: Limit, inside: Inside, dice: random.Random) -> None:
    with suppress(BusyError):
        await limit.acquire_async(inside.size, dice.choice([0.0005, 0.01, None]))
        try:
            with inside:
                await asyncio.sleep(dice.choice([0, 0.0005]))
        finally:
            limit.release()


def run_loop(limit: Limit, inside: Inside, dice: random.Random) -> None:
    """Loops that end in the midst of it, their tasks cancelled by ``asyncio.run`` or by hand."""

    async def main() -> None:
        tasks = [asyncio.create_task(one_task(limit, inside, dice)) for _ in range(30)]
        for task in dice.sample(tasks, 10):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait(tasks[:15])

    for _ in range(10):
        asyncio.run(main())


@pytest.mark.parametrize("size", [1, 3])
def test_four_loops_and_four_threads(size: int) -> None:
    """Never more than ``size`` inside; after timeouts, cancellations and ended loops no slot and no waiter is left."""
    limit, inside = Limit(URL), Inside(size)
    with ThreadPoolExecutor(8) as threads:
        runs = [threads.submit(run_thread, limit, inside, random.Random(seed)) for seed in range(4)]
        runs += [threads.submit(run_loop, limit, inside, random.Random(seed)) for seed in range(4)]
        for each in runs:
            each.result(60)
    assert inside.most == size
    assert inside.times > 400
    assert nothing_left(limit)


def nothing_left(limit: Limit) -> bool:
    return (limit.in_use, limit.waiting, len(limit._admitted), len(limit._leaving)) == (0, 0, 0, 0)


def test_many_waits_leave_nothing() -> None:
    """Thousands that gave up take no memory."""
    limit = full()

    async def main() -> None:
        tasks = [asyncio.create_task(limit.acquire_async(1, None)) for _ in range(2_000)]
        await async_until(lambda: limit.waiting == 2_000)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(main())
    limit.release()
    assert nothing_left(limit)


class AnyOrder(RuleBasedStateMachine):
    """Requests of two sizes that come, end, give up or are cancelled in any order, against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = Limit(URL)
        self.loop = asyncio.new_event_loop()
        self.queue: list[tuple[int, asyncio.Task[None]]] = []
        self.inside = 0

    def teardown(self) -> None:
        for _, task in self.queue:
            task.cancel()
        self.turn()
        self.loop.close()

    def turn(self) -> None:
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0))

    def serve(self) -> None:
        """Who the plain list says is next must be inside now, and nobody else."""
        self.turn()
        while (first := next((each for each in self.queue if each[0] > self.inside), None)) is not None:
            self.queue.remove(first)
            self.inside += 1
            assert first[1].done()
            first[1].result()
        assert not any(task.done() for _, task in self.queue)

    @rule(size=st.sampled_from([1, 2]))
    def come(self, size: int) -> None:
        self.queue.append((size, self.loop.create_task(self.limit.acquire_async(size, None))))
        self.serve()

    @precondition(lambda self: self.inside)
    @rule()
    def end(self) -> None:
        self.inside -= 1
        self.limit.release()
        self.serve()

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(range(len(self.queue))))
        self.queue.pop(chosen)[1].cancel()
        self.serve()

    @precondition(lambda self: self.queue and self.inside)
    @rule(data=st.data())
    def end_while_cancelled(self, data: st.DataObject) -> None:
        """The turn of the cancelled one may have come before it is told."""
        self.inside -= 1
        self.limit.release()
        chosen = data.draw(st.sampled_from(range(len(self.queue))))
        if not self.queue[chosen][1].cancelling():
            self.queue.pop(chosen)[1].cancel()
        self.serve()

    @invariant()
    def agrees(self) -> None:
        assert (self.limit.in_use, self.limit.waiting) == (self.inside, len(self.queue))


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
