"""Runs executors one after another, and leaves no device idle between two of them."""

from collections.abc import Iterable, Iterator
from itertools import islice

from lrsweep.engine._executor import GroupExecutor
from lrsweep.engine._parts import Call, first_ended


def run_in_turn(executors: Iterable[GroupExecutor]) -> Iterator[GroupExecutor]:
    """Runs executors until all their trials have ended.

    Once all parts of one have started, the next is asked for, and starts where a device is free. So there are never
    more of them at once than calls run, and one that waits.

    Args:
        executors: The executors, each of which may be made when it is asked for.

    Returns:
        An iterator of the same executors, each as soon as its trials have ended.

    Raises:
        ValueError: Not even one trial finds the memory it needs.
    """
    coming, begun = iter(executors), list[GroupExecutor]()

    def calls(*, but: GroupExecutor | None = None) -> list[Call]:
        return [call for executor in begun if executor is not but for call in executor.running]

    while True:
        if not any(executor.waiting for executor in begun):
            begun += [executor.begin() for executor in islice(coming, 1)]
        for executor in begun:
            executor.keep_busy(beside=calls(but=executor))
        if not begun:
            return
        if running := calls():
            ended = first_ended(running)
            owner = next(executor for executor in begun if any(call is ended for call in executor.running))
            owner.keep_busy(ended, beside=calls(but=owner))
        for executor in [each for each in begun if not each.running and not each.waiting]:
            begun.remove(executor)
            yield executor
