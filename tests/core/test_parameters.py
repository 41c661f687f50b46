"""Every parameter that OpenSIPS' modules have is ours, has a reason to mean nothing, or is said to be not here yet."""

import pytest

from pysips.core import exports
from pysips.core.ignored import IGNORED
from pysips.core.registry import Registry, find_class, is_here, unknown_parameter
from pysips.core.services import Services
from pysips.core.stats import Cells, Statistics
from pysips.errors import ModuleError
from pysips.script.known import names_of

OURS = [name for name in names_of("module") if is_here(name)]


@pytest.mark.parametrize("module", OURS)
def test_no_parameter_that_opensips_knows_is_just_not_found(module: str) -> None:
    registry = Registry(Services(), Statistics(Cells()))
    registry.load(module)
    declared = registry.declared[module].params
    for name in names_of("parameter", module):
        if name in declared:
            continue
        if (module, name) in IGNORED:
            (remark,) = registry.set_param(module, name, 1)
            assert remark == f'parameter "{name}" of {module} has no meaning here: {IGNORED[module, name]}'
        else:
            with pytest.raises(ModuleError, match=r"known to OpenSIPS [0-9., ]+, not in PySIPS yet$"):
                registry.set_param(module, name, 1)


@pytest.mark.parametrize("module", sorted({module for module, _ in IGNORED if is_here(module)}))
def test_no_parameter_both_means_something_and_nothing(module: str) -> None:
    declared = exports.declarations(find_class(module)).params
    assert not [name for owner, name in IGNORED if owner == module and name in declared]


def test_a_misspelt_parameter_has_a_cure() -> None:
    said = unknown_parameter("maxfwd", "max_limt", ["max_limit"])
    assert said == 'Parameter "max_limt" not found in module "maxfwd"; did you mean max_limit?'
    assert unknown_parameter("maxfwd", "colour", ["max_limit"]) == 'Parameter "colour" not found in module "maxfwd"'
