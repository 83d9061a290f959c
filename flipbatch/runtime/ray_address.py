"""Find the Ray that `ray.init` would connect to, and check in time that it answers.

Ray itself waits for minutes at an address without a Ray, and Ctrl-C does not end that. Knows addresses and
tokens, and how to ask a Ray whether it is there; starts and connects nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
from ray import _raylet
from ray._common import network_utils
from ray._common.utils import get_ray_address_file
from ray._private import services
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.authentication.authentication_utils import is_token_auth_enabled
from ray._private.grpc_utils import init_grpc_channel
from ray._private.ray_constants import GLOBAL_GRPC_OPTIONS
from ray._private.utils import read_ray_address
from ray.core.generated import gcs_pb2, gcs_service_pb2, gcs_service_pb2_grpc

from flipbatch.errors import JobError
from flipbatch.runtime.ray_start_errors import OWN_RAY, TOKENS

ANSWER_SECONDS = 10.0
"""How long a Ray may take to answer: it may just be starting."""


# Ray describes the content of these modules to no type checker.
_RAYLET: Any = _raylet
_NETWORK: Any = network_utils
_MESSAGES: Any = gcs_service_pb2
_STATES: Any = gcs_pb2

_ATTEMPT_SECONDS = 5.0
_PAUSE_SECONDS = 0.5

_FORM = f"set it to HOST:PORT of a Ray, port 6379 by default; {OWN_RAY}"
_WITHOUT_NODE = (
    "submit the job with `ray job submit`, or start a node here with `ray start --address=HOST:PORT`; "
    f"{OWN_RAY}"
)


class Place(NamedTuple):
    """Where a Ray should be.

    Attributes
    ----------
    address : str
        HOST:PORT, as `ray.init` uses it.
    origin : str
        Who says so: the start of a sentence.
    advice : str
        How to go on if no Ray is there: the end of a sentence.
    """

    address: str
    origin: str
    advice: str


def check_answer() -> bool:
    """Return whether `ray.init` would connect to a Ray, which answers; otherwise it would start its own.

    Raises
    ------
    JobError
        If no Ray answers within `ANSWER_SECONDS`, it doesn't accept the token, or none of its nodes is on
        this machine.
    ray.exceptions.AuthenticationError
        If the file of the token can't be read.
    OSError
        If the file with the address can't be read.
    """
    given = os.environ.get("RAY_ADDRESS") or None
    place = _place(given)
    if place is None:
        return False
    if given in (None, "auto"):
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)  # as `ray.init` does
    _check_token(place)
    _wait_for(place, _ask, place.advice)
    _wait_for(place, _find_node, place.advice if given in (None, "auto") else _WITHOUT_NODE)
    return True


# ---------------------------------------------------------------------------------------- where


def _place(given: str | None) -> Place | None:
    """Return where a Ray should be; None where an own one would be started."""
    if given == "local":
        return None
    if given not in (None, "auto"):
        return _given_place(given)
    in_file = read_ray_address()
    if given is None:
        return None if in_file is None else _found_place(in_file, in_file)
    address = next(iter(services._find_address_from_flag("--gcs-address")), in_file)
    if address is None:
        raise JobError(f"RAY_ADDRESS is auto, but no Ray runs here: {OWN_RAY}.")
    return _found_place(address, in_file)


def _given_place(given: str) -> Place:
    origin = f"RAY_ADDRESS is {given}"
    if given.lower().startswith(("http://", "https://")):
        raise JobError(f"{origin}, the address of a dashboard, which only `ray job submit` takes: {_FORM}.")
    if given.startswith("ray://"):
        raise JobError(
            f"{origin}, but Ray Data does not run through a Ray client: use `ray job submit`, or {_FORM}."
        )
    if "://" in given:
        raise JobError(f"{origin}, which is not HOST:PORT: {_FORM}.")
    host, port = _host_and_port(given.strip(), origin)
    address = _NETWORK.build_address(services.resolve_ip_for_localhost(host), port)
    return Place(address, origin, f"correct RAY_ADDRESS; {OWN_RAY}")


def _found_place(address: str, in_file: str | None) -> Place:
    if address == in_file:
        origin = f"{get_ray_address_file(None)} says that a Ray is at {address}"
        advice = f"if a Ray that ran here has died, remove the file that it left; {OWN_RAY}"
    else:
        origin = f"A node of the Ray at {address} runs here"
        advice = OWN_RAY
    return Place(_NETWORK.build_address(*_host_and_port(address, origin)), origin, advice)


def _host_and_port(address: str, origin: str) -> tuple[str, str]:
    host, port = _NETWORK.parse_address(address) or ("", "")
    if not host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 2**16:
        raise JobError(f"{origin}, which is not HOST:PORT: correct it; {OWN_RAY}.")
    return host, port


# ---------------------------------------------------------------------------------------- answer


def _check_token(place: Place) -> None:
    if is_token_auth_enabled() and not _RAYLET.AuthenticationTokenLoader.instance().has_token():
        raise JobError(
            f"{place.origin}, but RAY_AUTH_MODE is token and there is no token: copy the cluster's token to "
            f"{TOKENS}, or unset RAY_AUTH_MODE if the cluster has none."
        )


def _wait_for(place: Place, attempt: Callable[[Place, float], str | None], advice: str) -> None:
    """Repeat an attempt, which returns why it failed, until it succeeds."""
    end = time.monotonic() + ANSWER_SECONDS
    while (why := attempt(place, min(_ATTEMPT_SECONDS, end - time.monotonic()))) is not None:
        if time.monotonic() + _PAUSE_SECONDS >= end:
            raise JobError(f"{place.origin}, but {why}: {advice}.")
        time.sleep(_PAUSE_SECONDS)


def _ask(place: Place, seconds: float) -> str | None:
    """Ask once whether a Ray is there; return why not."""
    channel: Any = init_grpc_channel(place.address, options=GLOBAL_GRPC_OPTIONS)
    try:
        service = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
        service.GetClusterId(_MESSAGES.GetClusterIdRequest(), timeout=seconds)
    except grpc.RpcError as error:
        failure: Any = error
        code, details = failure.code(), " ".join((failure.details() or "").split())
    else:
        return None
    finally:
        channel.close()
    if code is grpc.StatusCode.UNAUTHENTICATED:
        raise JobError(f"{place.origin}, but {_refused()} {TOKENS}; {OWN_RAY}.")
    return _why(place, code, details)


def _refused() -> str:
    if is_token_auth_enabled():
        return "the Ray there does not accept our token: copy the cluster's token to"
    return "the Ray there requires a token: set RAY_AUTH_MODE=token, and copy the cluster's token to"


def _why(place: Place, code: grpc.StatusCode, details: str) -> str:
    """Return why no Ray answers, as a part of a sentence, from what gRPC says."""
    if "resolving" in details or "DNS" in details:
        return f"the host name in {place.address} can't be resolved"
    if "refused" in details:
        return f"nothing listens at {place.address}"
    if "HTTP" in details or code is grpc.StatusCode.UNIMPLEMENTED:
        return "what listens there is not a Ray"
    if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
        return f"no Ray answers there within {ANSWER_SECONDS:.0f} s"
    return f"what listens there does not answer as a Ray ({code.name}: {details})"


def _find_node(place: Place, seconds: float) -> str | None:
    """Look once for a node of the Ray on this machine; return why a driver can't connect."""
    nodes = [_raylet.NodeID.from_hex(node).binary() for node in services.find_node_ids()]
    selectors = [_MESSAGES.GetAllNodeInfoRequest.NodeSelector(node_id=node) for node in nodes]
    if selectors and _RAYLET.GcsClient(address=place.address).get_all_node_info(
        timeout=seconds, node_selectors=selectors, state_filter=_STATES.GcsNodeInfo.GcsNodeState.ALIVE
    ):
        return None
    return "no node of that Ray runs on this machine, and a job needs one beside it"
