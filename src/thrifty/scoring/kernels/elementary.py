"""The few functions that the fused CPU kernel spends its time in, in float32 and without branches.

Each is a polynomial on a short interval after an exact reduction, so the compiler turns loops over them into vector
instructions. The coefficients are minimax fits (Remez exchange, float64); a test holds every function against float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

FAST = {"contract", "nnan", "ninf", "nsz", "arcp"}
"""What the compiler may assume: all values are finite (checked before), and a product and sum may be fused."""

_F = np.float32
_ONE, _HALF, _ZERO = _F(1.0), _F(0.5), _F(0.0)
_FAR = _F(86.0)  # exp(-86) is the last that is comfortably a normal float32
_LOG2_E = _F(1.4426950408889634)
# ln 2 in two parts: the first has few enough bits for its product with a small integer to be exact.
_LN2_HIGH, _LN2_LOW = _F(0.693145751953125), _F(1.42860682030941723212e-6)
_SQRT_HALF_BITS = np.int32(0x3F3504F3)
_BIAS, _MANTISSA = np.int32(127), np.int32(23)

# exp(-x) on [-ln 2 / 2, ln 2 / 2], error 2e-9
_E0, _E1, _E2, _E3 = _F(1.0), _F(-1.00000004), _F(0.500000017), _F(-0.166664155)
_E4, _E5, _E6 = _F(0.0416660836), _F(-0.00837512858), _F(0.00139560559)
# ln(1 + x) / x on [sqrt(1/2) - 1, sqrt(2) - 1], relative error 3e-8
_L0, _L1, _L2, _L3 = _F(0.999999974), _F(-0.49999988), _F(0.333341856), _F(-0.250020741)
_L4, _L5, _L6, _L7 = _F(0.199568336), _F(-0.165623927), _F(0.149522661), _F(-0.143668451)
_L8 = _F(0.0872235973)
# ln(1 + x) / x on [0, 1], relative error 3e-8
_P0, _P1, _P2, _P3 = _F(0.99999997), _F(-0.499994931), _F(0.333190968), _F(-0.248429822)
_P4, _P5, _P6, _P7 = _F(0.191060068), _F(-0.136632458), _F(0.0782259521), _F(-0.0295052389)
_P8 = _F(0.0052326943)
# -(1 - x) ln(1 - x) / x on [0, 1/2], relative error 2e-8
_Q0, _Q1, _Q2, _Q3 = _F(1.00000002), _F(-0.50000451), _F(-0.166494019), _F(-0.0858446311)
_Q4, _Q5, _Q6, _Q7 = _F(-0.0322664346), _F(-0.0995803577), _F(0.105582329), _F(-0.130262037)


def _bitcast(source: Any, target: Any, representation: Any) -> Any:
    """A function that reads the bits of one 32-bit type as another, which Numba has for arrays only."""

    def typed(_context: Any, _value: Any) -> Any:
        def build(_ctx: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], representation)

        return target(source), build

    return intrinsic(typed)


_as_bits = _bitcast(types.float32, types.int32, ir.IntType(32))
_from_bits = _bitcast(types.int32, types.float32, ir.FloatType())


@njit(fastmath=FAST, error_model="numpy")
def exp_minus(t: Any) -> Any:
    """`exp(-t)` for `t >= 0`; beyond 86 the value at 86 (4.5e-38)."""
    t = min(t, _FAR)
    whole = np.int32(t * _LOG2_E + _HALF)
    part = _F(whole)
    f = (t - part * _LN2_HIGH) - part * _LN2_LOW
    power = ((((((_E6 * f + _E5) * f + _E4) * f + _E3) * f + _E2) * f) + _E1) * f + _E0
    return power * _from_bits(np.int32((_BIAS - whole) << _MANTISSA))


@njit(fastmath=FAST, error_model="numpy")
def ln(x: Any) -> Any:
    """Natural logarithm of a positive number; at 0 it is finite, so that its product with 0 is 0."""
    f, exponent = _parts(x)
    return _ln_of_parts(f, exponent)


@njit(fastmath=FAST, error_model="numpy")
def _parts(x: Any) -> Any:
    """`f` and `n` of `x = (1 + f) 2^n`, with `1 + f` between the square roots of 1/2 and 2."""
    bits = _as_bits(x)
    exponent = np.int32((bits - _SQRT_HALF_BITS) >> _MANTISSA)
    return _from_bits(np.int32(bits - np.int32(exponent << _MANTISSA))) - _ONE, exponent


@njit(fastmath=FAST, error_model="numpy")
def _ln_of_parts(f: Any, exponent: Any) -> Any:
    low = (((_L3 * f + _L2) * f) + _L1) * f + _L0
    high = ((((_L8 * f + _L7) * f + _L6) * f) + _L5) * f + _L4
    square = f * f
    scale = _F(exponent)
    return (high * (square * square) + low) * f + scale * _LN2_LOW + scale * _LN2_HIGH


@njit(fastmath=FAST, error_model="numpy")
def ln_one_plus(e: Any) -> Any:
    """`ln(1 + e)` for `e` in [0, 1], to the last bits of small results."""
    low = ((_P3 * e + _P2) * e + _P1) * e + _P0
    high = (((_P8 * e + _P7) * e + _P6) * e + _P5) * e + _P4
    square = e * e
    return (high * (square * square) + low) * e


@njit(fastmath=FAST, error_model="numpy")
def minor_entropy(a: Any) -> Any:
    """Equation 3, in nats, for the smaller of p and 1 - p: `a` in [0, 1/2]."""
    a = max(a, _ZERO)
    low = ((_Q3 * a + _Q2) * a + _Q1) * a + _Q0
    high = ((_Q7 * a + _Q6) * a + _Q5) * a + _Q4
    square = a * a
    return (high * (square * square) + low) * a - a * ln(a)


@njit(fastmath=FAST, error_model="numpy")
def surprise(p: Any) -> Any:
    """`-p ln p` for `p` in [0, 1], in nats: one class's part of a categorical entropy."""
    return max(-p * ln(p), _ZERO)


@njit(fastmath=FAST, error_model="numpy")
def folded_surprise(folded: Any) -> Any:
    """`-p ln p` for `p` in [0, 1], given as itself or, where it is above 1/2, as `p - 1`."""
    p = folded if folded >= _ZERO else _ONE + folded
    f, exponent = _parts(p)
    # Close to 1 the distance that is given has digits that `p` has lost.
    near = folded < _ZERO and exponent == 0
    return max(-p * _ln_of_parts(folded if near else f, exponent), _ZERO)


@njit(fastmath=FAST, error_model="numpy")
def sigmoid_with_entropy(x: Any) -> Any:
    """The smaller of a logit's probability and its complement, and the entropy in nats."""
    t = abs(x)
    e = exp_minus(t)
    minor = e / (_ONE + e)
    return minor, ln_one_plus(e) + min(t, _FAR) * minor
