"""The structural schema of a custom resource at work: prune, then default, then validate.

The HTTP part calls the three in this order on every write of a custom resource. This module only gathers them; it must
never hold logic of its own.
"""

from lab.apiserver.default import default
from lab.apiserver.fielderrors import FieldError
from lab.apiserver.prune import prune
from lab.apiserver.validate import validate

__all__ = ["FieldError", "default", "prune", "validate"]
