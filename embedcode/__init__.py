"""embedcode codes job advertisements with a coding book, locally, with evidence for every decision.

>>> import embedcode
>>> coder = embedcode.load()
>>> coder.classify(["AI Engineer. You build chatbots with LangChain."])[0].profile
'GenAI Engineer'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedcode._version import __version__

if TYPE_CHECKING:
    from embedcode.coded import CodedAd, Evidence
    from embedcode.coder import Coder
    from embedcode.explain import Explanation, explain
    from embedcode.loading import load

__all__ = ["CodedAd", "Coder", "Evidence", "Explanation", "__version__", "explain", "load"]

_HOMES = {
    "CodedAd": "coded",
    "Coder": "coder",
    "Evidence": "coded",
    "Explanation": "explain",
    "explain": "explain",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `import embedcode` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'embedcode' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"embedcode.{_HOMES[name]}"), name)
