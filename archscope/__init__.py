"""archscope: the accountant of neural architectures.

design = archscope.load("vgg16", set={"classes": 10})
account = archscope.analyze(design, batch=32)
account.total.macs, account["conv1_1"].params, account.by_block(depth=1), account.frame
print(*archscope.explain(design, "conv1_1"))
archscope.memory(design, archscope.Setting(batch=32, precision="bf16-mixed", optimizer="adamw")).training
archscope.compare([design, archscope.load("resnet50")]).frame
archscope.diff(archscope.load("resnet50"), archscope.load("resnet101")).total.params
archscope.changes(["models/"], "origin/main").broken                # what a branch does to designs
archscope.sweep("resnet50", {"depths[2]": "3:23", "input": [160, 224]}, where="params < 30e6").frame
archscope.summary(model, (1, 3, 224, 224)).design                # an nn.Module that is there already
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from archscope import shown, starting  # noqa: F401  # which answers Ctrl-C from here on
from archscope.analysis import Account, Explanation, Explanations, Row, analyze, explain
from archscope.design import Design
from archscope.errors import ArchscopeError, MissingLibrary, SpecError, UsageError
from archscope.load import load
from archscope.setting import Setting

if TYPE_CHECKING:
    from archscope.analysis.field.influence import seen_by, sees
    from archscope.analysis.field.receptive_field import ReceptiveFields, receptive_fields
    from archscope.analysis.peers import Reconciliation, reconcile
    from archscope.analysis.step.fit import largest_batch
    from archscope.analysis.step.memory import Memory, memory
    from archscope.analysis.time.roofline import Prediction, predict
    from archscope.backends.importing.imported import Imported
    from archscope.backends.torch.build import build
    from archscope.backends.torch.calibrate import calibrate
    from archscope.backends.torch.imports import from_torch
    from archscope.backends.torch.imports.summary import Summary, summary
    from archscope.backends.torch.profile import Profile, profile
    from archscope.backends.torch.source import torch_source
    from archscope.comparison import Comparison, compare
    from archscope.comparison.changes import Changes, changes
    from archscope.comparison.difference import Difference, diff
    from archscope.sweeps.model import Sweep
    from archscope.sweeps.sweeping import sweep

__version__ = "0.1.0"

__all__ = [
    "Account",
    "ArchscopeError",
    "Changes",
    "Comparison",
    "Design",
    "Difference",
    "Explanation",
    "Explanations",
    "Imported",
    "Memory",
    "Prediction",
    "Profile",
    "ReceptiveFields",
    "Reconciliation",
    "Row",
    "Setting",
    "SpecError",
    "Summary",
    "Sweep",
    "UsageError",
    "analyze",
    "build",
    "calibrate",
    "changes",
    "compare",
    "diff",
    "explain",
    "from_torch",
    "largest_batch",
    "load",
    "memory",
    "predict",
    "profile",
    "receptive_fields",
    "reconcile",
    "seen_by",
    "sees",
    "summary",
    "sweep",
    "torch_source",
]

#: what not every program needs is imported when it is first asked for
_LATER = {
    "build": "archscope.backends.torch.build",
    "calibrate": "archscope.backends.torch.calibrate",
    "from_torch": "archscope.backends.torch.imports",
    "Imported": "archscope.backends.importing.imported",
    "Summary": "archscope.backends.torch.imports.summary",
    "summary": "archscope.backends.torch.imports.summary",
    "Changes": "archscope.comparison.changes",
    "changes": "archscope.comparison.changes",
    "Comparison": "archscope.comparison",
    "compare": "archscope.comparison",
    "Difference": "archscope.comparison.difference",
    "diff": "archscope.comparison.difference",
    "largest_batch": "archscope.analysis.step.fit",
    "Memory": "archscope.analysis.step.memory",
    "memory": "archscope.analysis.step.memory",
    "Reconciliation": "archscope.analysis.peers",
    "reconcile": "archscope.analysis.peers",
    "Prediction": "archscope.analysis.time.roofline",
    "predict": "archscope.analysis.time.roofline",
    "Profile": "archscope.backends.torch.profile",
    "profile": "archscope.backends.torch.profile",
    "ReceptiveFields": "archscope.analysis.field.receptive_field",
    "receptive_fields": "archscope.analysis.field.receptive_field",
    "seen_by": "archscope.analysis.field.influence",
    "sees": "archscope.analysis.field.influence",
    "Sweep": "archscope.sweeps.model",
    "sweep": "archscope.sweeps.sweeping",
    "torch_source": "archscope.backends.torch.source",
}

# results lie below the reports that show them, and find them here
_SHOWING = "archscope.report.showing"
shown.REPORTS["name"] = lambda result: import_module(_SHOWING).name(result)
shown.REPORTS["text"] = lambda result: import_module(_SHOWING).text(result)
shown.REPORTS["html"] = lambda result: import_module(_SHOWING).html(result)
shown.REPORTS["frame"] = lambda result: import_module(_SHOWING).frame(result)
shown.REPORTS["rows"] = lambda *arguments: import_module("archscope.report.writers").rows_writer(*arguments)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'archscope' has no attribute {name!r}")
    try:
        module = import_module(_LATER[name])
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingLibrary(f"{name} needs PyTorch: `pip install 'archscope[torch]'`") from None
    return getattr(module, name)
