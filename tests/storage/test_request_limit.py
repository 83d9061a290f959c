"""Facts about `flipbatch.storage.request_limit`."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flipbatch.storage.request_limit import RequestLimit
from flipbatch.storage.s3_errors import SlowDownError


def refuse(limit, times=1):
    for _ in range(times):
        with pytest.raises(SlowDownError), limit.request():
            raise SlowDownError


def test_each_request_to_slow_down_halves_what_may_be_in_flight_down_to_one():
    limit = RequestLimit(16, halved_every_seconds=0.0)
    refuse(limit, 2)
    assert limit.allowed == 4
    refuse(limit, 9)
    assert limit.allowed == 1


def test_requests_that_are_refused_together_count_once():
    limit = RequestLimit(16, halved_every_seconds=60.0)
    refuse(limit, 10)
    assert limit.allowed == 8


def test_answers_raise_it_by_one_for_each_round_and_never_above_the_start():
    limit = RequestLimit(16, halved_every_seconds=0.0)
    refuse(limit)
    for _ in range(9):
        with limit.request():
            pass
    assert limit.allowed == 9
    for _ in range(1000):
        with limit.request():
            pass
    assert limit.allowed == 16


def test_another_error_changes_nothing():
    limit = RequestLimit(16)
    with pytest.raises(ConnectionError), limit.request():
        raise ConnectionError
    assert limit.allowed == 16


def test_no_more_requests_are_in_flight_than_allowed():
    limit, lock, now, most = RequestLimit(3), threading.Lock(), [0], [0]

    def send(_):
        with limit.request():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.001)
            with lock:
                now[0] -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(send, range(100)))
    assert most[0] == 3
