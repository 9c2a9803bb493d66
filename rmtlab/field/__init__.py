r"""A random network as a lattice model: one site a layer, the layer variance q^l = \|z^l\|²/N as its field.

With the weights integrated out a layer is Gaussian given the one before, z^{l+1} | z^l ~ N(0, s^{l+1} I) with
s^{l+1} = σ_w²\|φ(z^l)\|²/N + σ_b², so that the whole network has the weight e^{−H} of a chain of sites. Mean field
replaces s by its average; what it leaves out fluctuates as 1/√N and decays from layer to layer as e^{−k/ξ}.

:class:`Lattice` holds the exact action, the Gaussian field around q*, its covariance, structure factor, correlation
length and mass, second moments at finite N where they are known exactly, and the simulation of the same chain.
"""

from rmtlab.field._chains import Chains
from rmtlab.field._lattice import Lattice
from rmtlab.field._records import LogWalk, SecondMoments

__all__ = ["Chains", "Lattice", "LogWalk", "SecondMoments"]
