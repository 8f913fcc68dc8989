"""Workers that are actors of a Ray cluster, each with a GPU of its own where the cluster has any."""

from collections.abc import Callable
from typing import Any

from lrsweep.inputs._errors import InputError
from lrsweep.store._crew import Crew, WorkerDiedError


class Actor:
    """An actor of Ray: a process somewhere in the cluster, which keeps what it has compiled, and its GPU."""

    def __init__(self, ray: Any, gpus: int) -> None:
        """Starts the actor, and waits until the cluster has room for it."""
        self._ray = ray
        # A core is one device with one thread: JAX would otherwise take all of the machine for each.
        variables = {"NPROC": "1", "JAX_NUM_CPU_DEVICES": "1"}
        how = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0, "runtime_env": {"env_vars": variables}}
        self._actor = ray.remote(**how)(_Caller).remote()
        ray.get(self._actor.__ray_ready__.remote())

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Has the actor call a function; see `Worker`."""
        try:
            is_well, value = self._ray.get(self._actor.call.remote(function, *arguments))
        except self._ray.exceptions.RayError as error:
            raise WorkerDiedError(f"a worker of Ray ended ({type(error).__name__})") from None
        if is_well:
            return value
        raise value

    def stop(self) -> None:
        """Ends the actor at once."""
        self._ray.kill(self._actor)


class _Caller:
    """The class of the actors."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:
        try:
            return True, function(*arguments)
        except Exception as error:
            return False, error


def ray_crew(address: str | None) -> Crew:
    """Starts a worker for every GPU of a Ray cluster, or for every core where it has none.

    Args:
        address: Of the cluster, or None for the one that this process is connected to, or is to start.

    Raises:
        InputError: Ray is not installed, or the cluster has no room for a worker.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError("executor='ray' needs Ray: pip install 'lrsweep[ray]'") from None
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"there is no Ray cluster at {address!r}: {error}") from error
    resources = ray.cluster_resources()
    gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    if gpus + cores == 0:
        raise InputError("the Ray cluster has neither GPUs nor cores to start a worker on")
    return Crew(gpus or cores, lambda _: Actor(ray, gpus=min(gpus, 1)))
