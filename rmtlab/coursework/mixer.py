"""Own numbers of the problem set on MLP-Mixer as a wide sparse MLP."""

from rmtlab.coursework._draws import Grid, Whole

__all__ = ["NUMBERS"]

NUMBERS = {
    "small_tokens": Whole(6, 10),
    "small_channels": Whole(6, 10),
    "strength": Grid(1.500, 2.200, 0.001),
    "tokens": Whole(6, 14),
    "channels": Whole(12, 40),
    "seed": Whole(0, 999_999),
}
