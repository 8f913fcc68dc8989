"""Has Griffe read the `Example:` of a docstring as the code that it is."""

import re
from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """Griffe knows the section `Examples:`, and takes one in the singular for a paragraph with a title."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Puts the section's name of one object's docstring into the plural."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(
                r"^Example:$",
                "Examples:",
                obj.docstring.value,
                flags=re.MULTILINE,
            )
