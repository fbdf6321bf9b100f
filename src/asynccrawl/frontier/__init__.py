"""Whose turn it is: politeness, patience and health of every host, without I/O."""

from .flight import Flight, Signal
from .frontier import Frontier
from .overload import Overload
from .spill import Refill

__all__ = ["Flight", "Frontier", "Overload", "Refill", "Signal"]
