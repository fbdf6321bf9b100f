"""Whose turn it is: politeness, patience and health of every host, without I/O."""

from .flight import Flight, Signal
from .frontier import Frontier, Refill
from .overload import Overload

__all__ = ["Flight", "Frontier", "Overload", "Refill", "Signal"]
