"""What waits for a disk or a server is done in threads, some of it ahead of who needs it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# So many shards are read at a time: a server takes a while to answer, and what has come is hashed and unpacked without
# Python's lock.
AHEAD = 4


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], count: int = AHEAD) -> Iterator[Result]:
    """Calls a function of each item, in threads, and gives the results in the order of the items.

    Unlike `Executor.map` it begins no more than it says, so that memory never holds more of them; since Python 3.14
    that has `buffersize` for it.

    Args:
        function: What is called.
        items: Its arguments.
        count: How many calls are begun before who takes the results has asked for the first of them.

    Example:
        >>> list(map_ahead(abs, [-3, 2, -1]))
        [3, 2, 1]
    """
    coming = iter(items)
    with ThreadPoolExecutor(count) as pool:
        begun = deque(pool.submit(function, item) for item in islice(coming, count))
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(function, item) for item in islice(coming, 1))
            yield result
